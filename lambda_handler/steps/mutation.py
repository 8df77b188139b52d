"""One call that changes EVS: tell the ledger, send, say what became of it.

Owns the protocol that CreateEntitlement and DeleteEntitlement share, and what it means for the ledger. Who calls
decides what to do with the outcome. A call that the ledger was told of leaves at once or not at all: while the process
was held up, a newer request may have come.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from ..aws.calls import AwsError, Denied, NotFound, Refused, Throttled, Unanswered
from ..aws.retries import Retries
from ..clock import Clock
from ..errors import LedgerFailure
from ..evs.api import Evs, TooLate
from ..evs.rows import Row, Rows
from ..ledger.fence import Fence
from ..ledger.records import Call, Operation
from ..ledger.state import State
from ..log import logger
from ..pace import Pace
from ..text import natural
from ..values import NO_VMS, Connector, VmIds
from .unsettled import first_left_at


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
        renewed = frozenset(former) if operation == "CreateEntitlement" else NO_VMS
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

    def delete_unannounced(self, connector: Connector, vm_ids: tuple[str, ...], until: float) -> None:
        """Call DeleteEntitlement where there is no ledger to tell, with retries until a time in epoch seconds.

        Raises:
            AwsError, Failure: EVS does not take it, or could not be asked.
        """
        within = self._pace.send_within_most
        self.retries.through(lambda: self._evs.delete(connector, vm_ids, self._clock.now() + within), until)

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
            fence.lost(call_id, lands_by, lands_by + pace.list_lag)
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
            self._fence.took(call_id, call.vm_ids, now + self._pace.deletion_for)
            return Taken(rows)
        foreign = self._older(call_id, call, sent_at, rows, former, known)
        try:
            if foreign:
                # Another resource of this stack may have made them, and told the ledger since it was read.
                self._fence.reload()
                foreign = self._older(call_id, call, sent_at, rows, former, known)
        except LedgerFailure as failure:
            logger.warning("whether another request has made them is not known: %s", failure)
        finally:
            self._fence.took(call_id, call.vm_ids - foreign, now + self._pace.list_lag)
        return Taken(rows, foreign)

    def _older(self, call_id: str, call: Call, sent_at: float, rows: Rows, former: Rows, known: VmIds) -> VmIds:
        """Return the VMs of a call whose rows began before it, and before any other call of ours for them.

        Where there is no other call, they did not begin after this one was sent. That is later than its announcement.
        What has become ours since the call was decided on, another resource of this stack has made.
        """
        calls = self._fence.state.calls
        others = replace(self._fence.state, calls={key: one for key, one in calls.items() if key != call_id})
        called = first_left_at(others, call.connector)
        began = {vm_id: min(called[vm_id], call.left_at) if vm_id in called else sent_at for vm_id in call.vm_ids}
        holding = others.holding(call.connector)
        # Another resource has taken them over meanwhile: they are somebody's, and this call made nothing of them.
        adopted = call.vm_ids & (holding.adopted.keys() - known)
        return adopted | frozenset(
            vm_id
            for vm_id in call.vm_ids - (holding.owned - known)
            if (row := rows.get(vm_id)) is not None and _is_older(row, began[vm_id], former.get(vm_id))
        )

    def _held_up(self) -> None:
        self._fence.send_within = min(self._fence.send_within * 3, self._pace.send_within_most)


def _is_older(row: Row, left_at: float, former: Row | None) -> bool:
    """Tell whether what a row shows began before a call, so that the call did not make it.

    EVS may go on with the row of an entitlement that had failed or ended; then its start says nothing.
    """
    if former is not None and not former.may_be_held and former.started == row.started:
        return False
    return row.is_somebodys and row.began_before(left_at)
