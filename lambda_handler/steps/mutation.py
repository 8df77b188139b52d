"""One call that changes EVS: tell the ledger, send, say what became of it.

Owns the protocol that CreateEntitlement and DeleteEntitlement share, and what it means for the ledger. Who calls
decides what to do with the outcome. A call that the ledger was told of leaves at once or not at all: while the process
was held up, a newer request may have come.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ..aws.calls import AwsError, Denied, NotFound, Refused, Throttled, Unanswered
from ..aws.retries import Retries
from ..clock import Clock
from ..errors import LedgerFailure
from ..evs.api import Evs, TooLate
from ..evs.rows import Rows
from ..ledger.fence import Fence
from ..ledger.records import Call, Operation
from ..ledger.state import State
from ..log import logger
from ..pace import Pace
from ..text import natural
from ..values import NO_VMS, Connector, VmIds
from .creation_answer import CreationAnswer


@dataclass(frozen=True)
class Taken:
    """EVS took the call.

    Attributes:
        rows: what EVS answered.
        foreign: VMs whose entitlement began before the call: EVS answered with what somebody else holds.
    """

    rows: Rows = field(default_factory=dict)
    foreign: VmIds = NO_VMS


@dataclass(frozen=True)
class NotSent:
    """The call had no effect: it did not leave in time (no error), or was throttled or denied."""

    error: AwsError | None = None


@dataclass(frozen=True)
class Lost:
    """Nobody knows whether the call had an effect, or will have."""

    error: Unanswered


@dataclass(frozen=True)
class Refusal:
    """EVS does not take the call."""

    error: NotFound | Refused


Outcome = Taken | NotSent | Lost | Refusal


class Mutations:
    """The changing calls of one invocation.

    Args:
        retries: of calls that change EVS.
    """

    def __init__(self, evs: Evs, fence: Fence, retries: Retries, clock: Clock, pace: Pace) -> None:
        self._evs = evs
        self._fence = fence
        self._clock = clock
        self._pace = pace
        self.retries = retries

    def run(
        self,
        operation: Operation,
        connector: Connector,
        batches: Iterable[VmIds],
        former: Rows,
        allowed: Callable[[State], VmIds] | None = None,
        known: VmIds = NO_VMS,
    ) -> list[tuple[VmIds, Outcome]]:
        """Announce calls, send them one by one, and return what became of each; ends after the first that failed.

        What is not returned was not sent.

        Args:
            batches: the VMs of each call, at most 100.
            former: the rows that the VMs had before.
            allowed: of the ledger as it is at the write: which VMs may be called for (all where it is None).
            known: VMs that were ours when these calls were decided on.

        Raises:
            Overtaken, Restart, LedgerFailure: the ledger does not take the announcement. Nothing was sent.
            HandOver: the invocation has no time left for a call. Nothing was sent.
        """
        self._clock.require_room_for_a_call()
        fence, began = self._fence, self._clock.now()
        renewed = frozenset(vm_id for vm_id, row in former.items() if not row.may_be_held)
        waiting = fence.announce(operation, connector, batches, allowed, renewed)
        if self._clock.now() - began > fence.send_within:
            self._held_up()
        outcomes: list[tuple[VmIds, Outcome]] = []
        try:
            while waiting and (not outcomes or self._clock.has_room_for_a_call()):
                call_id = next(iter(waiting))
                call = waiting.pop(call_id)
                outcome = self._send(call_id, call, former, known)
                outcomes.append((call.vm_ids, outcome))
                if not isinstance(outcome, Taken):
                    break
        finally:
            fence.void(waiting)
        return outcomes

    def delete_unannounced(self, connector: Connector, vm_ids: tuple[str, ...], until: float) -> Rows:
        """Call DeleteEntitlement where there is no ledger to tell, with retries until a time; return what EVS answers.

        Raises:
            AwsError, Failure: EVS does not take it, or could not be asked.
        """
        within = self._pace.send_within_most
        return self.retries.through(lambda: self._evs.delete(connector, vm_ids, self._clock.now() + within), until)

    def _send(self, call_id: str, call: Call, former: Rows, known: VmIds) -> Outcome:
        fence = self._fence
        send = self._evs.create if call.operation == "CreateEntitlement" else self._evs.delete
        send_by = call.left_at + fence.send_within
        try:
            sent_at = self._clock.now()
            if sent_at > send_by:
                fence.void([call_id])
                return NotSent()
            rows = send(call.connector, sorted(call.vm_ids, key=natural), send_by)
        except TooLate:
            self._held_up()
            fence.void([call_id])
            return NotSent()
        except (Throttled, Denied) as error:
            fence.void([call_id])
            return NotSent(error)
        except Unanswered as error:
            pace = self._pace
            lands_within = pace.fault_lands_within if error.is_fault else pace.lost_lands_within
            lands_by = self._clock.now() + lands_within
            fence.lost(call_id, lands_by, lands_by + pace.list_lag, sent_at)
            return Lost(error)
        except (NotFound, Refused) as error:
            self.retries.succeeded()
            fence.void([call_id])
            return Refusal(error)
        return self._taken(call_id, call, sent_at, rows, former, known)

    def _taken(self, call_id: str, call: Call, sent_at: float, rows: Rows, former: Rows, known: VmIds) -> Taken:
        self.retries.succeeded()
        logger.info("%s at %s: %s", call.operation, call.connector, ", ".join(sorted(call.vm_ids, key=natural)))
        now = self._clock.now()
        if call.operation == "DeleteEntitlement":
            self._fence.took(call_id, call.vm_ids, now + self._pace.deletion_for, sent_at)
            return Taken(rows)
        answer = CreationAnswer(call_id, call, sent_at, rows, former, known)
        foreign, unheard = answer.foreign(self._fence.state), self._unheard(answer)
        # What could not be found out is not claimed.
        made = call.vm_ids - unheard
        try:
            if foreign or unheard:
                # Another resource of this stack may have made them, and told the ledger since it was read.
                self._fence.reload()
                foreign, unheard = answer.foreign(self._fence.state), self._unheard(answer)
                made = call.vm_ids - unheard
                if unheard:
                    self._hear(answer, made - foreign, now)
                    foreign = answer.foreign(self._fence.state)
        except LedgerFailure as failure:
            logger.warning("whether another request has made them is not known: %s", failure)
        finally:
            self._fence.took(call_id, made - foreign, now + self._pace.list_lag, sent_at, answer.made)
        return Taken(rows, foreign)

    def _hear(self, answer: CreationAnswer, made: VmIds, now: float) -> None:
        """Wait until other invocations have said what became of the calls that alone explain rows.

        Each of two calls may seem to explain what a third one has made. So this one says first what it has made.
        """
        self._fence.took(answer.call_id, made, now + self._pace.list_lag, answer.sent_at, answer.made)
        self._fence.write()
        while self._unheard(answer):
            self._clock.pause(1.0)
            self._fence.reload()

    def _unheard(self, answer: CreationAnswer) -> VmIds:
        recently = self._clock.now() - self._pace.others_for
        return answer.unheard(self._fence.state, self._fence.invocation, recently)

    def _held_up(self) -> None:
        self._fence.send_within = min(self._fence.send_within * 3, self._pace.send_within_most)
