"""The floor: the least that a handler on boto3 can do. No checks, no ownership, no retries, no answer on failure."""

import json
import time
import urllib.request
from typing import Any

import boto3

SETTLED = ("CREATED", "CREATE_FAILED")


def rows(evs: Any, where: dict[str, str]) -> dict[str, str]:
    """Return the status of each VM."""
    pages = evs.get_paginator("list_vm_entitlements").paginate(**where)
    return {row["vmId"]: row["status"] for page in pages for row in page["entitlements"]}


def handler(event: dict[str, Any], _context: Any) -> None:
    """List, change, list until settled, answer."""
    given = event["ResourceProperties"]
    where = {
        "environmentId": given["EnvironmentId"],
        "connectorId": given["ConnectorId"],
        "entitlementType": "WINDOWS_SERVER",
    }
    wanted = set() if event["RequestType"] == "Delete" else set(given["VmIds"])
    evs = boto3.client("evs")
    held = rows(evs, where)
    concerned = wanted | set(event.get("OldResourceProperties", given)["VmIds"])
    for change, vm_ids in (
        (evs.create_entitlement, sorted(wanted - held.keys())),
        (evs.delete_entitlement, sorted(concerned & held.keys() - wanted)),
    ):
        for start in range(0, len(vm_ids), 100):
            change(vmIds=vm_ids[start : start + 100], **where)
    while True:
        held = rows(evs, where)
        if all(held.get(vm_id) in SETTLED for vm_id in wanted) and not (concerned - wanted) & held.keys():
            break
        time.sleep(1)
    answer = {
        "Status": "SUCCESS",
        "PhysicalResourceId": "entitlements",
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
    }
    body = json.dumps(answer).encode()
    request = urllib.request.Request(event["ResponseURL"], body, {"Content-Type": ""}, method="PUT")
    urllib.request.urlopen(request).close()
