"""The whole handler on one virtual clock: EVS, DynamoDB, Lambda, S3 and CloudFormation are models, a seed is a history."""
