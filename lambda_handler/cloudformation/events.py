"""What the events of a stack mean. Pure: given newest first, as DescribeStackEvents has them."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

#: The stack operations that end with one of these can't be rolled back any more.
COMPLETE = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"})
#: ... and with one of these CloudFormation has done with all that was before.
SETTLED = COMPLETE | {"UPDATE_ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"}
#: How far, in seconds, CloudFormation's clock and the function's may be apart.
SKEW = 60.0

Events = Iterable[dict[str, Any]]


def has_reached(events: Events, stack_id: str, statuses: frozenset[str], moment: float) -> bool | None:
    """Tell whether a stack has reached a status since a moment (epoch seconds); None where the events end before."""
    for event in events:
        if _epoch(event.get("Timestamp")) < moment:
            return False
        if event.get("PhysicalResourceId") == stack_id and event.get("ResourceStatus") in statuses:
            return True
    return None


def was_ignored(events: Events, stack_id: str, physical_id: str, moment: float, *, retains: bool) -> bool:
    """Tell whether the events say that the stack does not have a PhysicalResourceId, and did not retain it.

    Args:
        moment: when it was declared at the earliest, in epoch seconds.
        retains: its properties say RETAIN. A Delete may have kept it then, whatever came of that Delete, unless it was
            a rollback: what a rollback deletes was never to stay.
    """
    is_deleted = False
    for event in events:
        if is_deleted and event.get("PhysicalResourceId") == stack_id:
            return "ROLLBACK" in _status(event)
        if event.get("PhysicalResourceId") == physical_id and not is_deleted:
            # The newest decides: the same set may have come and gone before. DELETE_SKIPPED is Retain's.
            is_deleted = _status(event).startswith("DELETE_") and _status(event) != "DELETE_SKIPPED"
            if not is_deleted or not retains:
                return is_deleted
        if _epoch(event.get("Timestamp")) < moment - SKEW:
            break
    return not is_deleted


def _status(event: dict[str, Any]) -> str:
    return str(event.get("ResourceStatus", ""))


def _epoch(moment: Any) -> float:
    return moment.astimezone(UTC).timestamp() if isinstance(moment, datetime) else 0.0
