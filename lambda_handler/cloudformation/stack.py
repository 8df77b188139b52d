"""What CloudFormation says of the stack, asked only where a rule of removal needs it.

Where it can't be found out, the answer is the careful one: an entitlement is kept. A nested stack completes with its
root: until the root's operation has ended, all of it may be rolled back.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from ..aws.calls import AwsError, Denied
from ..errors import Failure
from ..log import logger
from .events import Events, Fate, TooManyEvents, fate_of, has_completed, has_settled
from .stack_calls import StackCalls, is_unknown

#: A resource of which CloudFormation says this is none of the stack's any more.
_GONE = frozenset({"DELETE_COMPLETE", "DELETE_SKIPPED"})

_T = TypeVar("_T")


class Stack(StackCalls):
    """The stack that a request belongs to."""

    def physical_id_of(self, logical_id: str) -> str | None:
        """Return the PhysicalResourceId that CloudFormation names for a resource; None where it names none.

        Raises:
            Failure: CloudFormation could not be asked.
        """
        return self._resource(logical_id).get("PhysicalResourceId") or None

    def has(self, logical_id: str) -> bool:
        """Tell whether CloudFormation knows a resource of the stack, be it one that is only about to be created.

        Raises:
            Failure: CloudFormation could not be asked.
        """
        return bool(self._resource(logical_id))

    def require_permission(self, logical_id: str) -> None:
        """Make sure that IAM lets the function ask CloudFormation whatever a rule of removal may need.

        Only a refusal of IAM counts. Any other trouble may pass before a rule asks.

        Raises:
            Failure: IAM refuses one of the three questions, still so after `Pace.denied_for`.
        """
        try:
            for one in self._chain():
                self._described[one] = self._one(one)
            self._ask("DescribeStackEvents", self._root)
            self._ask("DescribeStackResource", self.stack_id, LogicalResourceId=logical_id)
        except (AwsError, Failure) as error:
            if isinstance(error, Denied) or isinstance(error.__cause__, Denied):
                raise Failure(
                    f"{error}. The function that carries this out may not ask CloudFormation "
                    f"about {self.stack_id}, or about a stack that this one is in, so it could not remove safely "
                    "what it would entitle here: deploy the stack of the function with a stack_names pattern that "
                    "covers these names"
                ) from error
            logger.info("CloudFormation can't be asked now: %s", error)

    def _resource(self, logical_id: str) -> dict[str, Any]:
        try:
            answer = self._ask("DescribeStackResource", self.stack_id, LogicalResourceId=logical_id)
        except AwsError as error:
            if is_unknown(error):
                return {}
            raise Failure(f"CloudFormation can't be asked for the resource's id: {error}") from error
        detail: dict[str, Any] = answer["StackResourceDetail"]
        return {} if detail.get("ResourceStatus") in _GONE else detail

    def is_being_deleted(self) -> bool:
        """Tell whether the whole stack is going; False where that can't be learnt."""
        return self._describe(self.stack_id).get("StackStatus") == "DELETE_IN_PROGRESS"

    def is_gone(self) -> bool:
        """Tell whether the stack's deletion has ended; False where that can't be learnt."""
        return self._describe(self.stack_id).get("StackStatus") == "DELETE_COMPLETE"

    def is_rolling_back(self) -> bool:
        """Tell whether the stack, or one that it is nested in, is rolling back; False where that can't be learnt.

        A stack in between may roll back before the root does.
        """
        return any(
            "ROLLBACK" in status and status.endswith("IN_PROGRESS")
            for status in (self._describe(one).get("StackStatus", "") for one in self._chain())
        )

    def completed_since(self, moment: float, now: float) -> bool:
        """Tell whether it is certain that an operation which was under way at `moment` completed (epoch seconds).

        It is not certain where the first end of an operation since then is a rollback's, where none has come yet, or
        where CloudFormation can't be asked. An operation that is too long ago for CloudFormation to remember has
        completed: none lasts that long.
        """
        return self._has_come(has_completed, moment, now)

    def settled_since(self, moment: float, now: float) -> bool:
        """Tell whether it is certain that an operation which was under way at `moment`, or a later one, has ended well.

        An operation has ended well where it was completed or rolled back: CloudFormation can then return to nothing
        that it had left before.
        """
        return self._has_come(has_settled, moment, now)

    def _has_come(self, end: Callable[[Events, str, float], bool | None], moment: float, now: float) -> bool:
        root = self._root
        if not self._describe(root):
            return False

        def has() -> bool:
            known = end(self._events(root), root, moment)
            return now - moment > self.pace.stack_history if known is None else known

        return _learnt(has, careful=False)

    def has_ignored(self, physical_id: str, moment: float, now: float) -> bool:
        """Tell whether it is certain that the stack does not have a PhysicalResourceId, as `fate_of` has it."""
        return self.fate_of(physical_id, moment, now) is not Fate.TAKEN_ON

    def fate_of(self, physical_id: str, moment: float, now: float) -> Fate:
        """Return what has become of a PhysicalResourceId: TAKEN_ON also where CloudFormation can't be asked.

        The arguments are those of `find_out_fate`.
        """
        return _learnt(lambda: self.find_out_fate(physical_id, moment, now), careful=Fate.TAKEN_ON)

    def find_out_fate(self, physical_id: str, moment: float, now: float) -> Fate:
        """Return what has become of a PhysicalResourceId that was answered after `moment`.

        S3 takes an answer that CloudFormation no longer waits for, of a Create that it cancelled: no event names its
        id. Not certain, so that it counts as TAKEN_ON: the events may no longer reach back so far, or there are too
        many of them.

        Args:
            moment: when it was declared at the earliest, in epoch seconds; `now` is the present.

        Raises:
            AwsError, Failure: CloudFormation can't be asked.
        """
        if now - moment > self.pace.stack_history:
            return Fate.TAKEN_ON
        try:
            return fate_of(self._events(self.stack_id), self.stack_id, physical_id, moment)
        except TooManyEvents as failure:
            logger.warning("whether CloudFormation has taken on %s is not certain: %s", physical_id, failure)
            return Fate.TAKEN_ON

    def own_events(self) -> Iterator[dict[str, Any]]:
        """Yield the stack's own events, newest first; raises AwsError or Failure where they can't be read."""
        return self._events(self.stack_id)


def _learnt(question: Callable[[], _T], *, careful: _T) -> _T:
    """Return what a stack's events say; the careful answer where CloudFormation can't be asked for them."""
    try:
        return question()
    except (AwsError, Failure) as error:
        logger.warning("CloudFormation can't be asked for the stack's events: %s", error)
        return careful
