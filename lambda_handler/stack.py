"""What CloudFormation says of the stack, asked only where a rule of removal needs it.

Owns every call to CloudFormation's API. What it can't find out is the careful answer: an entitlement is kept.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from .aws import AwsError, Clients, NotFound, Patience, Refused, call
from .errors import Failure
from .log import logger

#: The stack operations that end with one of these can't be rolled back any more (of a stack that is not nested).
COMPLETE = frozenset({"CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE"})
#: ... and with one of these CloudFormation has done with all that was before.
SETTLED = COMPLETE | {"UPDATE_ROLLBACK_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"}
#: Most pages of events, newest first, in which something is looked for: of 100 events, which is a few operations of
#: the largest stacks.
EVENT_PAGES = 100
#: CloudFormation keeps a stack's events for 90 days (API reference, DescribeStackEvents); older history proves nothing.
HISTORY = 80 * 86_400.0
#: How far, in seconds, CloudFormation's clock and the function's may be apart.
SKEW = 60.0


class Stack:
    """The stack that a request belongs to.

    Parameters
    ----------
    until
        Epoch seconds until which questions are tried again.
    """

    def __init__(self, clients: Clients, patience: Patience, stack_id: str, until: float) -> None:
        self._clients = clients
        self._patience = patience
        self._stack_id = stack_id
        self._until = until
        self._client: Any = None
        self._described: dict[str, Any] | None = None

    def physical_id_of(self, logical_id: str) -> str | None:
        """Return the PhysicalResourceId that CloudFormation names for a resource; None where it names none.

        Raises
        ------
        Failure
            CloudFormation could not be asked.
        """
        try:
            answer = self._ask("DescribeStackResource", LogicalResourceId=logical_id)
        except (Refused, NotFound) as error:
            if "does not exist" in error.message:
                return None
            raise Failure(f"CloudFormation can't be asked for the resource's id: {error}") from error
        except AwsError as error:
            raise Failure(f"CloudFormation can't be asked for the resource's id: {error}") from error
        return answer["StackResourceDetail"].get("PhysicalResourceId") or None

    def is_being_deleted(self) -> bool:
        """Tell whether the whole stack is going; False where that can't be learnt."""
        return self._describe().get("StackStatus") == "DELETE_IN_PROGRESS"

    def completed_since(self, moment: float, now: float) -> bool:
        """Tell whether it is certain that an operation which was under way at `moment` completed (epoch seconds).

        Not certain: the stack is rolling back, it is nested (its parent may still roll back), it has not reached
        *_COMPLETE since, or CloudFormation can't be asked. What is too long ago for CloudFormation to remember has
        completed: no operation lasts that long.
        """
        is_rolling_back = "ROLLBACK" in self._describe().get("StackStatus", "ROLLBACK")
        return not is_rolling_back and self._reached(COMPLETE, moment, now)

    def settled_since(self, moment: float, now: float) -> bool:
        """Tell whether it is certain that an operation which was under way at `moment`, or a later one, has ended well.

        Well: completed or rolled back, so that CloudFormation can return to nothing that it had left before. Not
        certain: as in `completed_since`, but for a rollback.
        """
        return self._reached(SETTLED, moment, now)

    def _reached(self, statuses: frozenset[str], moment: float, now: float) -> bool:
        stack = self._describe()
        if not stack or stack.get("ParentId"):
            return False
        try:
            for event in self._events():
                if _epoch(event.get("Timestamp")) < moment:
                    return False
                if event.get("PhysicalResourceId") == self._stack_id and event.get("ResourceStatus") in statuses:
                    return True
        except (AwsError, Failure) as error:
            logger.warning("CloudFormation can't be asked for the stack's events: %s", error)
            return False
        return now - moment > HISTORY

    def has_ignored(self, physical_id: str, moment: float, now: float) -> bool:
        """Tell whether it is certain that CloudFormation never took on a PhysicalResourceId answered after `moment`.

        S3 takes an answer that CloudFormation no longer waits for, of a Create that it cancelled: no event names its
        id. Not certain: the events may no longer reach back so far, there are too many of them, or CloudFormation
        can't be asked.

        Parameters
        ----------
        physical_id
            What was answered.
        moment, now
            In epoch seconds: when it was declared at the earliest, and the present.
        """
        if now - moment > HISTORY:
            return False
        try:
            for event in self._events():
                if event.get("PhysicalResourceId") == physical_id:
                    # The newest decides: the same set may have come and gone before. DELETE_SKIPPED is Retain's.
                    status = str(event.get("ResourceStatus", ""))
                    return status.startswith("DELETE_") and status != "DELETE_SKIPPED"
                if _epoch(event.get("Timestamp")) < moment - SKEW:
                    break
        except (AwsError, Failure) as error:
            logger.warning("CloudFormation can't be asked for the stack's events: %s", error)
            return False
        return True

    def _events(self) -> Iterator[dict[str, Any]]:
        """Yield the stack's events, newest first; raises Failure where there are too many of them."""
        token: dict[str, str] = {}
        for _ in range(EVENT_PAGES):
            answer = self._ask("DescribeStackEvents", **token)
            yield from answer.get("StackEvents") or ()
            if not answer.get("NextToken"):
                return
            token = {"NextToken": answer["NextToken"]}
        raise Failure(f"more than {EVENT_PAGES} pages")

    def _describe(self) -> dict[str, Any]:
        if self._described is None:
            try:
                self._described = (self._ask("DescribeStacks").get("Stacks") or [{}])[0]
            except (AwsError, Failure) as error:
                logger.warning("CloudFormation can't be asked for the stack's status: %s", error)
                self._described = {}
        return self._described or {}

    def _ask(self, operation: str, **parameters: Any) -> dict[str, Any]:
        if self._client is None:
            self._client = self._clients.make("cloudformation")
        method = {
            "DescribeStacks": self._client.describe_stacks,
            "DescribeStackResource": self._client.describe_stack_resource,
            "DescribeStackEvents": self._client.describe_stack_events,
        }[operation]
        return self._patience.through(
            lambda: call(method, f"cloudformation:{operation}", StackName=self._stack_id, **parameters),
            self._until,
        )


def _epoch(moment: Any) -> float:
    return moment.astimezone(UTC).timestamp() if isinstance(moment, datetime) else 0.0
