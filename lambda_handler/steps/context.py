"""What the steps of one request share: the request, its deadlines, and the ways to ledger, EVS and CloudFormation.

Owns nothing that changes, but for what a fresh invocation has to be told (`Carried`).
"""

from collections.abc import Callable
from dataclasses import dataclass

from ..aws.calls import AwsError
from ..clock import Clock
from ..cloudformation.events import Events, was_deleted
from ..cloudformation.request import Request
from ..cloudformation.stack import Stack
from ..cloudformation.stack_calls import is_unknown
from ..errors import Failure
from ..evs.api import Evs
from ..evs.listing import Listing
from ..ledger.fence import Fence
from ..log import logger
from ..pace import Pace
from .carried import Carried
from .mutation import Mutations


@dataclass
class Context:
    """What every step of a request needs.

    Attributes:
        began: when the request arrived, in epoch seconds.
        answer_by: when its answer has to be under way, in epoch seconds.
        undo_time: seconds before that in which a Create or Update is undone.
        is_shared: whether the function serves stacks that its role was not made for.
        resume_at: epoch seconds before which EVS is asked nothing, or None.
        tries_before: how often Lambda may have tried this very event before, by the time; None where no time tells.
    """

    request: Request
    fence: Fence
    evs: Evs
    listing: Listing
    mutations: Mutations
    stack: Stack
    clock: Clock
    pace: Pace
    began: float
    answer_by: float
    undo_time: float
    carried: Carried
    is_shared: bool = False
    resume_at: float | None = None
    tries_before: int | None = None

    def resume(self) -> None:
        """Sleep on where EVS, or whoever else, asked for a pause that the invocation before could not last out."""
        if self.resume_at is not None and self.resume_at > self.clock.now():
            self.clock.pause(self.resume_at - self.clock.now())

    def named(self) -> str | None:
        """Return the id that CloudFormation names for the request's resource; None where it can't be asked, too."""
        try:
            return self.stack.physical_id_of(self.request.logical_id)
        except Failure as failure:
            logger.warning("%s", failure)
            return None

    def told(self, question: Callable[[Events, str, float], bool], physical_id: str, since: float) -> bool:
        """Return what the stack's events say of a PhysicalResourceId since a moment (epoch seconds).

        Raises:
            Failure: CloudFormation could not be asked.
        """
        try:
            return question(self.stack.own_events(), physical_id, since)
        except AwsError as error:
            if is_unknown(error):
                return question((), physical_id, since)
            raise Failure(f"CloudFormation can't be asked for the stack's events: {error}") from error

    def has_deleted(self) -> bool:
        """Tell whether CloudFormation has had the answer to this very Delete: it was delivered late, or again.

        Raises:
            Failure: CloudFormation could not be asked.
        """
        return self.told(was_deleted, self.request.physical_id, self.request.issued_at(self.began))

    @property
    def under_way_at(self) -> float:
        """When the stack operation of the request was under way for certain, in epoch seconds.

        A request may be delivered again long after its operation has ended, to a ledger that was restored since. So the
        date of the request counts, which CloudFormation cuts to the second.
        """
        return min(self.request.issued_at(self.began) + 1.0, self.began)

    @property
    def work_by(self) -> float:
        """Until when a Create or Update may create, in epoch seconds."""
        return self.answer_by - self.undo_time

    @property
    def until(self) -> float:
        """Until when the present phase is pursued, in epoch seconds."""
        is_creating = self.request.type != "Delete" and not self.fence.is_failing
        return self.work_by if is_creating else self.answer_by

    @property
    def is_last_to_come(self) -> bool:
        """Whether no request may come after this Create or Update for what others have left.

        Where each set says RETAIN, CloudFormation may skip all of them when the stack goes. A request that fails is not
        the last one: CloudFormation rolls back.
        """
        if self.request.type == "Delete" or self.fence.is_failing:
            return False
        return all(one.retains or one.kept for one in self.fence.state.sets.values())
