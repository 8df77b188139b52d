"""What a step of the demo did, as EVS, CloudFormation and IAM tell it.

Only looks, with the one exception that its name says: `without_permission`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from local_aws import LocalAws

CHANGING = ("CreateEntitlement", "DeleteEntitlement")


def changing_calls(aws: LocalAws, vm_ids: Iterable[str], *, since: float) -> list[str]:
    """Return the calls since a time that were to create or delete an entitlement of one of these VMs."""
    wanted = set(vm_ids)
    return [
        f"{call['operation']} {', '.join(sorted(wanted & set(call['members'].get('vmIds', ()))))}"
        for operation in CHANGING
        for call in aws.evs.calls(operation)
        if call["time"] >= since and not wanted.isdisjoint(call["members"].get("vmIds", ()))
    ]


def failures(aws: LocalAws, stack_name: str, *, since: float) -> list[str]:
    """Return what CloudFormation says of the resources that failed since a time, the first failure first."""
    client = aws.boto3_client("cloudformation")
    # The CLI takes a second to start, so nothing of its own is as old as its start, whole seconds or not.
    began = datetime.fromtimestamp(since, UTC)
    events: list[dict[str, Any]] = []
    for page in client.get_paginator("describe_stack_events").paginate(StackName=stack_name):
        events.extend(page["StackEvents"])
    return [
        f"{event['LogicalResourceId']}: {event['ResourceStatusReason']}"
        for event in reversed(events)
        if event["Timestamp"].astimezone(UTC) >= began
        and event["ResourceStatus"].endswith("_FAILED")
        and event.get("ResourceStatusReason")
    ]


def stack_status(aws: LocalAws, stack_name: str) -> str:
    """Return the status of a stack; GONE when there is none."""
    client = aws.boto3_client("cloudformation")
    try:
        status: str = client.describe_stacks(StackName=stack_name)["Stacks"][0]["StackStatus"]
    except client.exceptions.ClientError:
        return "GONE"
    return "GONE" if status == "DELETE_COMPLETE" else status


@contextlib.contextmanager
def without_permission(aws: LocalAws, stack_name: str, action: str) -> Iterator[None]:
    """Take one action out of the policies of a stack's roles, and put it back at the end.

    Raises
    ------
    LookupError
        No policy has it.
    """
    iam = aws.boto3_client("iam")
    former = [
        (role, name, document)
        for role in _roles(aws, stack_name)
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
        if action in json.dumps(document := _document(iam, role, name))
    ]
    if not former:
        raise LookupError(f"{stack_name}: no policy of its roles has {action}")
    for role, name, document in former:
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(_without(document, action)))
    try:
        yield
    finally:
        for role, name, document in former:
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))


def _roles(aws: LocalAws, stack_name: str) -> list[str]:
    client = aws.boto3_client("cloudformation")
    resources = client.describe_stack_resources(StackName=stack_name)["StackResources"]
    return [item["PhysicalResourceId"] for item in resources if item["ResourceType"] == "AWS::IAM::Role"]


def _document(iam: Any, role: str, name: str) -> dict[str, Any]:
    document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    return dict(json.loads(document) if isinstance(document, str) else document)


def _without(document: dict[str, Any], action: str) -> dict[str, Any]:
    """Return a policy document without an action; a statement that has no other goes."""
    kept = []
    for statement in document["Statement"]:
        actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        if rest := [item for item in actions if item != action]:
            kept.append({**statement, "Action": rest})
    return {**document, "Statement": kept}
