"""What runs in AWS Lambda: the provider of Custom::EvsWindowsServerEntitlements. Knows nothing of CDK."""

import gc

# A cold start makes objects that stay. A collector that goes through them again and again finds nothing.
gc.set_threshold(200_000)
