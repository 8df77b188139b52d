"""What CloudFormation says of a stack when the function asks.

Owns the three calls that it answers. Changes nothing.
"""

from typing import Any

from .errors import Refusal
from .requests import TYPE
from .resources import Root
from .stacks import Stack


def describe(stack: Stack, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Answer one of the three calls of the function."""
    name = parameters["StackName"]
    if stack.is_denied or name in stack.unaskable or name not in (stack.id, stack.root.id if stack.root else None):
        raise Refusal("AccessDenied", f"not authorized to perform: cloudformation:{operation} on {name}", 403)
    one: Stack | Root = stack.root if stack.root is not None and name == stack.root.id else stack
    if operation == "DescribeStacks":
        return {"Stacks": [_described(stack, one)]}
    if operation == "DescribeStackEvents":
        return _page(stack.world.weather.event_page, one.events, parameters.get("NextToken"))
    logical_id = parameters["LogicalResourceId"]
    resource = stack.resources.get(logical_id)
    if resource is None:
        raise Refusal("ValidationError", f"Resource {logical_id} does not exist for stack {name}")
    detail = {"LogicalResourceId": logical_id, "ResourceStatus": resource.status, "ResourceType": TYPE}
    if resource.physical_id:
        detail["PhysicalResourceId"] = resource.physical_id
    return {"StackResourceDetail": detail}


def _described(stack: Stack, one: Stack | Root) -> dict[str, Any]:
    described = {"StackName": one.name, "StackId": one.id, "StackStatus": one.status}
    if one is stack and stack.root is not None:
        described |= {"ParentId": stack.root.id, "RootId": stack.root.id}
    return described


def _page(most: int, events: list[dict[str, Any]], token: str | None) -> dict[str, Any]:
    # A token counts from the oldest event, so that new ones shift nothing.
    end = int(token) if token else len(events)
    start = max(end - most, 0)
    page: dict[str, Any] = {"StackEvents": events[start:end][::-1]}
    if start:
        page["NextToken"] = str(start)
    return page
