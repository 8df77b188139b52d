"""The fence: writes to the ledger only while this invocation is the one that carries out the newest request.

What this invocation has learnt since its last write (outcomes of its calls, entitlements that the list showed, VMs that
hold nothing) goes into the ledger with whatever is written next, so that a request which nothing disturbs costs few
writes.
"""

import itertools
from collections.abc import Callable, Iterable
from uuid import uuid4

from ..clock import Clock
from ..errors import Overtaken, Restart
from ..pace import Pace
from ..values import NO_VMS, Connector, VmIds
from . import calls
from .leaving import Leaving
from .records import Call, Operation, RequestRecord
from .state import State
from .table import Change, LedgerTable


class Fence(Leaving):
    """One invocation's way to the ledger.

    Args:
        request_id: of the request.
        answer_by: until when the ledger is worth asking, in epoch seconds.

    Attributes:
        is_failing: the request is being undone.
        send_within: a changing call leaves so many seconds after the ledger was told, or the ledger is told again.
    """

    def __init__(
        self, table: LedgerTable, clock: Clock, pace: Pace, key: str, request_id: str, answer_by: float
    ) -> None:
        super().__init__(table, clock, pace, key, request_id, uuid4().hex[:12])
        self._answer_by = answer_by
        self._numbers = itertools.count(1)
        self.is_failing = False
        self.send_within = pace.send_within

    @property
    def record(self) -> RequestRecord:
        """The record of this request."""
        return self._table.state.requests[self.key]

    # --- reading and writing -------------------------------------------------------------------------------------

    def load(self, until: float) -> State:
        """Read the ledger, before the request is admitted.

        Raises:
            LedgerGone, LedgerFailure: it can't be read until `until` (epoch seconds).
        """
        self._view, self._table.went_back = None, False
        return self._table.load(self._until(until))

    def admit(self, change: Change, until: float, *, is_first_try: bool = False) -> None:
        """Write the first change of the request, which takes the fence.

        Args:
            is_first_try: Lambda has not tried this event before. The chain of invocations has gone on since a hand-over
                failed, so that Lambda tries this event as often as any.

        Raises:
            Restart: the ledger was emptied or restored since it was loaded.
        """

        def admitted(state: State) -> State:
            if self._table.went_back:
                raise Restart  # what was found out before the request is admitted is void
            state = change(state)
            record = state.requests.get(self.key)
            is_ours = record is not None and record.invocation == self.invocation
            return state.record(self.key, hand_overs_failed=0) if is_first_try and is_ours else state

        self._view = None
        self._table.change(admitted, self._until(until))
        self.is_admitted = True
        self._admitted = self.record

    def write(self, change: Change | None = None) -> None:
        """Change the ledger, and write what was learnt, provided that this request is still the newest.

        Raises:
            Overtaken: it is not. Nothing was written.
            Restart: another invocation of this request has moved it on.
            LedgerFailure: the ledger can't be written.
        """

        def fenced(state: State) -> State:
            self._check(state)
            state = self._learnt.on(state)
            return calls.pruned(change(state) if change else state, self._clock.now())

        self._view = None
        # The answer must still be sent after the last write, so that may take until then.
        self._table.change(fenced, self._until(self._answer_by))
        self._learnt.clear()

    def tell_void(self) -> None:
        """Write what was learnt, where a call turned out to have no effect: others may wait for its outcome.

        Raises:
            Overtaken, Restart, LedgerFailure: as in `write`.
        """
        if self._learnt.has_void:
            self.write()

    def reload(self) -> None:
        """Read the ledger again, and see whether it is still up to this invocation.

        Raises:
            Overtaken, Restart, LedgerFailure: as in `write`.
        """
        self._view = None
        self._check(self._table.load(self._until(self._answer_by)))

    def _until(self, until: float) -> float:
        """Return until when the ledger is tried: at least for some seconds, however late it is."""
        self._close_if_due()
        return max(until, self._clock.now() + self._pace.ledger_for)

    def _check(self, state: State) -> None:
        record = state.requests.get(self.key)
        if record is None or record.request_id != self._request_id or self._table.went_back:
            self._require_newest(state)
            raise Restart  # the ledger was restored to before this request, or this invocation
        if record.invocation != self.invocation:
            raise Overtaken("another invocation carries this request out")
        if record.answer is not None or (record.failing is not None) != self.is_failing:
            raise Restart

    def is_overtaken(self) -> bool:
        """Ask the ledger whether a newer request has come; for a shorter time where the answer is due already."""
        self._close_if_due()
        return super().is_overtaken()

    def _close_if_due(self) -> None:
        """Let no call hang for long where the answer is due already."""
        if self._clock.now() >= self._answer_by:
            self.close()

    # --- calls -----------------------------------------------------------------------------------------------------

    def announce(
        self,
        operation: Operation,
        connector: Connector,
        batches: Iterable[VmIds],
        allowed: Callable[[State], VmIds] | None = None,
        renewed: VmIds = NO_VMS,
    ) -> dict[str, Call]:
        """Tell the ledger of calls that are about to leave; return those that may, by their ids.

        Args:
            batches: the VMs of each call.
            allowed: of the ledger as it is at the write: which VMs may be called for. Others are left out.
            renewed: VMs that had a row of an entitlement that failed or ended (`Call.renewed`).
        """
        # From before the write: time that passes in between counts, too.
        left_at = self._clock.now()
        wanted = {f"{self.invocation}-{next(self._numbers)}": vm_ids for vm_ids in batches}
        announced: dict[str, Call] = {}

        def announce(state: State) -> State:
            announced.clear()
            may = allowed(state) if allowed else None
            lands_by = left_at + self._pace.lost_lands_within
            until = lands_by + self._pace.list_lag
            for call_id, vm_ids in wanted.items():
                if rest := vm_ids if may is None else vm_ids & may:
                    announced[call_id] = Call(
                        operation, connector, rest, left_at, lands_by, until, self.invocation, renewed=renewed & rest
                    )
            if announced.items() <= state.calls.items():
                return state  # the answer to this very write was lost
            return calls.announce(state, announced)

        try:
            self.write(announce)
        except BaseException:
            # Whether or not it was written: none of them leaves.
            self.void(announced)
            raise
        return announced
