"""A plain crhelper handler in the manner of its README: a function for each kind of request, one call in each.

It can't wait without EventBridge, so it answers when EVS has taken the call; and one call takes 100 VMs at most.
"""

import os
from typing import Any

import boto3
from crhelper import CfnResource

# The default, 120 s, unless the benchmark counts only CPU: sleeping takes none.
helper = CfnResource(sleep_on_delete=int(os.environ.get("SLEEP_ON_DELETE", "120")))

try:
    evs = boto3.client("evs")
except Exception as error:  # noqa: BLE001 - crhelper answers with it
    helper.init_failure(error)


def given(event: dict[str, Any]) -> dict[str, Any]:
    """Return what a call takes."""
    properties = event["ResourceProperties"]
    return {
        "environmentId": properties["EnvironmentId"],
        "connectorId": properties["ConnectorId"],
        "entitlementType": "WINDOWS_SERVER",
        "vmIds": properties["VmIds"],
    }


@helper.create
def create(event: dict[str, Any], _context: Any) -> str:
    """Create."""
    evs.create_entitlement(**given(event))
    return "entitlements"


@helper.update
def update(event: dict[str, Any], _context: Any) -> str:
    """Create what is new, delete what has gone."""
    before, now = set(event["OldResourceProperties"]["VmIds"]), set(event["ResourceProperties"]["VmIds"])
    evs.create_entitlement(**{**given(event), "vmIds": sorted(now - before)})
    evs.delete_entitlement(**{**given(event), "vmIds": sorted(before - now)})
    return "entitlements"


@helper.delete
def delete(event: dict[str, Any], _context: Any) -> None:
    """Delete."""
    evs.delete_entitlement(**given(event))


def handler(event: dict[str, Any], context: Any) -> None:
    """Hand the event to crhelper."""
    helper(event, context)
