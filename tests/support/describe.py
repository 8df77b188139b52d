"""Says of a stack what CloudFormation does when it is asked, in its XML.

Owns the form of the answers. Changes nothing.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from flask import Response, request

from testing.events import TYPE

if TYPE_CHECKING:
    from tests.support.cloudformation import Stack


def describe(stack: "Stack", action: str) -> Response:
    """Answer the request at hand; the stack is the one that it is about."""
    return _ACTIONS[action](stack)


def _stacks(stack: "Stack") -> Response:
    parent = f"<ParentId>{stack.parent_id}</ParentId>" if stack.parent_id else ""
    return answer(
        "DescribeStacks",
        f"<Stacks><member><StackName>{stack.name}</StackName><StackId>{stack.id}</StackId>{parent}"
        f"<CreationTime>2026-01-01T00:00:00Z</CreationTime><StackStatus>{stack.status}</StackStatus></member></Stacks>",
    )


def _resource(stack: "Stack") -> Response:
    logical_id = request.form["LogicalResourceId"]
    if logical_id not in stack.named:
        return error(400, "ValidationError", f"Resource {logical_id} does not exist for stack {stack.name}")
    return answer(
        "DescribeStackResource",
        f"<StackResourceDetail><LogicalResourceId>{logical_id}</LogicalResourceId><PhysicalResourceId>"
        f"{escape(stack.named[logical_id])}</PhysicalResourceId><ResourceType>{TYPE}</ResourceType>"
        "<LastUpdatedTimestamp>2026-01-01T00:00:00Z</LastUpdatedTimestamp>"
        "<ResourceStatus>CREATE_COMPLETE</ResourceStatus></StackResourceDetail>",
    )


def _stack_events(stack: "Stack") -> Response:
    members = ""
    for number, (status, at, *ids) in reversed(list(enumerate(stack.events))):
        logical_id, physical_id = ids or (stack.name, stack.id)
        members += (
            f"<member><StackId>{stack.id}</StackId><EventId>{number}</EventId><StackName>{stack.name}</StackName>"
            f"<LogicalResourceId>{logical_id}</LogicalResourceId>"
            f"<PhysicalResourceId>{escape(physical_id)}</PhysicalResourceId>"
            f"<ResourceType>{TYPE if ids else 'AWS::CloudFormation::Stack'}</ResourceType>"
            f"<Timestamp>{at.isoformat()}</Timestamp><ResourceStatus>{status}</ResourceStatus></member>"
        )
    return answer("DescribeStackEvents", f"<StackEvents>{members}</StackEvents>")


_ACTIONS: dict[str, Callable[["Stack"], Response]] = {
    "DescribeStacks": _stacks,
    "DescribeStackResource": _resource,
    "DescribeStackEvents": _stack_events,
}


def answer(action: str, result: str) -> Response:
    return Response(
        f'<{action}Response xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><{action}Result>{result}'
        f"</{action}Result><ResponseMetadata><RequestId>0</RequestId></ResponseMetadata></{action}Response>",
        content_type="text/xml",
    )


def error(status: int, code: str, message: str) -> Response:
    return Response(
        '<ErrorResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><Error><Type>Sender</Type>'
        f"<Code>{code}</Code><Message>{escape(message)}</Message></Error></ErrorResponse>",
        status=status,
        content_type="text/xml",
    )
