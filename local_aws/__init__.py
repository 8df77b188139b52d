"""AWS on this machine: CloudFormation, Lambda, S3, IAM, DynamoDB and Amazon EVS; no account, no Docker.

`LocalAws` starts and stops all of it. `EvsApi` alone serves only EVS, in the caller's process.
"""

from local_aws.evs_api import EvsApi, EvsControl, FaultRule, Settings, World
from local_aws.inventory import Inventory, healthy_inventory
from local_aws.launcher import LocalAws

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
