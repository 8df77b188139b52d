"""CloudFormation's side: requests, properties, physical ids, answers, and what it says of the stack."""
