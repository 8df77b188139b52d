"""What runs in AWS Lambda: the provider of Custom::EvsWindowsServerEntitlements. Knows nothing of CDK."""
