"""What the events of a stack mean. Pure: given newest first, as DescribeStackEvents has them."""

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from ..errors import Failure

#: The stack operations that end with one of these can't be rolled back any more.
COMPLETE = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"})
#: ... and with one of these CloudFormation has done with all that was before.
SETTLED = COMPLETE | {"UPDATE_ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"}
#: How far, in seconds, CloudFormation's clock and the function's may be apart.
SKEW = 60.0

Events = Iterable[dict[str, Any]]


class TooManyEvents(Failure):
    """The stack has more events than are, or can be, read. That won't pass."""


def has_settled(events: Events, stack_id: str, moment: float) -> bool | None:
    """Tell whether an operation of a stack has ended since a moment (epoch seconds); None where the events end before.

    Raises:
        TooManyEvents: not as far as they are read.
    """
    for event in events:
        if _epoch(event.get("Timestamp")) < moment:
            return False
        if _is_end(event, stack_id):
            return True
    return None


def has_completed(events: Events, stack_id: str, moment: float) -> bool | None:
    """Tell whether the operation that was under way at a moment completed: the first end since then decides.

    Where there are too many events to read as far as that, any operation that completed since then decides. It hardly
    ever is another one than that.

    Raises:
        TooManyEvents: no operation has completed as far as they are read.
    """
    completed: list[bool] = []  # of each end, newest first
    try:
        for event in events:
            if _epoch(event.get("Timestamp")) < moment:
                return bool(completed) and completed[-1]
            if _is_end(event, stack_id):
                completed.append(_status(event) in COMPLETE)
    except TooManyEvents:
        if any(completed):
            return True
        raise
    return completed[-1] if completed else None


def _is_end(event: dict[str, Any], stack_id: str) -> bool:
    return event.get("PhysicalResourceId") == stack_id and _status(event) in SETTLED


class Fate(Enum):
    """What has become of a PhysicalResourceId, as the events of its stack have it.

    =========== ====================================================================================================
    UNNAMED     no event names it: CloudFormation never took it on
    DELETED     CloudFormation has deleted it, or has given that up. What says RETAIN, a Delete may have kept
    ROLLED_BACK the same in a rollback: what that deletes was never to stay
    TAKEN_ON    the stack has it, or has retained it by its DeletionPolicy, or it is not certain that it has not
    =========== ====================================================================================================
    """

    UNNAMED = "UNNAMED"
    DELETED = "DELETED"
    ROLLED_BACK = "ROLLED_BACK"
    TAKEN_ON = "TAKEN_ON"


def fate_of(events: Events, stack_id: str, physical_id: str, moment: float) -> Fate:
    """Return what has become of a PhysicalResourceId that was declared at a moment (epoch seconds) at the earliest."""
    fate = Fate.UNNAMED
    for event in events:
        if fate is Fate.DELETED and event.get("PhysicalResourceId") == stack_id:
            return Fate.ROLLED_BACK if "ROLLBACK" in _status(event) else fate
        if fate is Fate.UNNAMED and event.get("PhysicalResourceId") == physical_id:
            # The newest decides: the same set may have come and gone before. DELETE_SKIPPED is Retain's.
            if not _status(event).startswith("DELETE_") or _status(event) == "DELETE_SKIPPED":
                return Fate.TAKEN_ON
            if _epoch(event.get("Timestamp")) < moment:
                # It ended an earlier life of the same set.
                return Fate.UNNAMED
            fate = Fate.DELETED
        if _epoch(event.get("Timestamp")) < moment - SKEW:
            break
    return fate


def was_deleted(events: Events, physical_id: str, moment: float) -> bool:
    """Tell whether a Delete of a PhysicalResourceId that was issued at a moment (epoch seconds) has ended well.

    The stack may have taken the id on again since. Within the skew of clocks an earlier life of it may have ended.
    """
    is_newest = True
    for event in events:
        at = _epoch(event.get("Timestamp"))
        if at < moment - SKEW:
            return False
        if event.get("PhysicalResourceId") == physical_id:
            if _status(event) == "DELETE_COMPLETE" and (is_newest or at >= moment):
                return True
            is_newest = False
    return False


def was_taken_on(events: Events, physical_id: str, moment: float) -> bool:
    """Tell whether a PhysicalResourceId came (back) to the stack since a moment (epoch seconds)."""
    for event in events:
        if _epoch(event.get("Timestamp")) <= moment:
            return False
        if event.get("PhysicalResourceId") == physical_id and not _status(event).startswith("DELETE_"):
            return True
    return False


def newest_id(events: Events, logical_id: str) -> str:
    """Return the newest PhysicalResourceId of a resource; "" where no event has one."""
    named = (str(one.get("PhysicalResourceId") or "") for one in events if one.get("LogicalResourceId") == logical_id)
    return next(filter(None, named), "")


def _status(event: dict[str, Any]) -> str:
    return str(event.get("ResourceStatus", ""))


def _epoch(moment: Any) -> float:
    return moment.astimezone(UTC).timestamp() if isinstance(moment, datetime) else 0.0
