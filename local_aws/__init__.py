"""AWS on this machine: CloudFormation, Lambda, S3, IAM, DynamoDB and Amazon EVS; no account, no Docker.

`LocalAws` starts and stops all of it. `EvsApi` alone serves only EVS, in the caller's process.
"""

import sys

try:
    from local_aws.evs_api import EvsApi, EvsControl, FaultRule, Settings, World
    from local_aws.inventory import Inventory, healthy_inventory
    from local_aws.launcher import LocalAws
except ModuleNotFoundError as missing:
    if sys.argv[0] != "-m":
        raise
    # `python -m local_aws` before the set-up, or by another Python. For `eval`: what follows it is meant for the local
    # AWS alone.
    sys.stdout.write("false\n")
    sys.exit(
        f"error: {sys.executable} does not have {missing.name}: run `make set-up` in this project's folder, and then "
        ".venv/bin/python -m local_aws"
    )


__all__ = [
    "EvsApi",
    "EvsControl",
    "FaultRule",
    "Inventory",
    "LocalAws",
    "Settings",
    "World",
    "healthy_inventory",
]
