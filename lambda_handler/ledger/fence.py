"""The fence: writes to the ledger only while this invocation is the one that carries out the newest request.

Owns what this invocation has learnt since its last write: outcomes of its calls, entitlements that the list showed, VMs
that hold nothing. All that goes into the ledger with whatever is written next, so that a request which nothing disturbs
costs few writes. `state` shows the ledger with it.
"""

import itertools
from collections.abc import Callable, Iterable
from uuid import uuid4

from ..clock import Clock
from ..errors import HandOver, LedgerFailure, Overtaken, Restart
from ..log import logger
from ..pace import Pace
from ..values import NO_VMS, Connector, VmIds
from . import calls
from .learnt import Learning
from .records import Call, Operation, RequestRecord
from .state import State
from .table import Change, LedgerTable


class Fence(Learning):
    """One invocation's way to the ledger.

    Args:
        request_id: of the request.
        answer_by: until when the ledger is worth asking, in epoch seconds.

    Attributes:
        key: of the request's record.
        invocation: names this invocation in the ledger.
        is_failing: the request is being undone.
        is_admitted: the ledger has had this request as the newest of its logical id.
        send_within: a changing call leaves so many seconds after the ledger was told, or the ledger is told again.
    """

    def __init__(
        self, table: LedgerTable, clock: Clock, pace: Pace, key: str, request_id: str, answer_by: float
    ) -> None:
        super().__init__()
        self._table = table
        self._clock = clock
        self._pace = pace
        self.key = key
        self._request_id = request_id
        self._answer_by = answer_by
        self._numbers = itertools.count(1)
        self._admitted: RequestRecord | None = None
        self.invocation = uuid4().hex[:12]
        self.is_failing = False
        self.is_admitted = False
        self.send_within = pace.send_within

    @property
    def state(self) -> State:
        """The ledger as last read or written, with what this invocation has learnt since."""
        if self._view is None:
            self._view = self._learnt.on(self._table.state)
        return self._view

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
        self._view = None
        return self._table.load(self._until(until))

    def admit(self, change: Change, until: float) -> None:
        """Write the first change of the request, which takes the fence."""
        self._view = None
        self._table.change(change, self._until(until))
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
        return max(until, self._clock.now() + self._pace.ledger_for)

    def _check(self, state: State) -> None:
        record = state.requests.get(self.key)
        if record is None or record.request_id != self._request_id:
            self._require_newest(state)
            raise Restart  # the ledger was restored to before this request
        if record.invocation != self.invocation:
            raise Overtaken("another invocation carries this request out")
        if record.answer is not None or (record.failing is not None) != self.is_failing:
            raise Restart

    def is_overtaken(self) -> bool:
        """Ask the ledger whether a newer request has come since this one was admitted.

        An invocation may have been held up between its last write and its answer. Where the ledger can't be asked the
        answer goes out: CloudFormation does not listen to a request that it has given up.
        """
        if not self.is_admitted:
            return False
        try:
            state = self._table.load(self._clock.now() + 5)
        except (Exception, HandOver) as error:  # noqa: BLE001 - whatever it is, the answer goes out
            logger.warning("whether a newer request has come is not known: %s", error)
            return False
        try:
            self._require_newest(state)
        except Overtaken:
            return True
        return False

    def _require_newest(self, state: State) -> None:
        """Raise Overtaken where the ledger knows a newer request.

        That it has forgotten this one is no sign of that: it may have been lost, or restored.
        """
        if self._admitted is not None:
            state.admit(self._admitted)

    def withdraw(self, change: Change | None = None) -> None:
        """At the end of an invocation without an answer: tell who comes next what its calls have come to.

        This write is not fenced: whoever is newer has to know it too.
        """
        self._clock.close()

        def withdrawn(state: State) -> State:
            state = self._learnt.on(state)
            return change(state) if change else state

        try:
            self._table.change(withdrawn, self._clock.now() + 5)
        except (LedgerFailure, HandOver) as error:
            logger.warning("the ledger was not told what the calls of this invocation have come to: %s", error)
        else:
            self._learnt.clear()

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
