"""The end of an invocation, as far as the ledger has to do with it.

Owns what a leaving invocation tells whoever comes next, and what it asks: whether its request is still its own. Neither
is fenced, and neither holds the end up where the ledger is out of reach. The calls of the work are the fence's.
"""

from ..clock import Clock
from ..errors import HandOver, LedgerFailure, Overtaken
from ..log import logger
from ..pace import Pace
from .learnt import Learning
from .records import RequestRecord
from .state import State
from .table import Change, LedgerTable


class Leaving(Learning):
    """One invocation's last words.

    Args:
        request_id: of the request.

    Attributes:
        key: of the request's record.
        invocation: names this invocation in the ledger.
        is_admitted: the ledger has had this request as the newest of its logical id.
    """

    def __init__(
        self, table: LedgerTable, clock: Clock, pace: Pace, key: str, request_id: str, invocation: str
    ) -> None:
        super().__init__(table)
        self._clock = clock
        self._pace = pace
        self.key = key
        self._request_id = request_id
        self._admitted: RequestRecord | None = None
        self.invocation = invocation
        self.is_admitted = False

    def close(self) -> None:
        """Note that the work is over: from now on no call to the ledger hangs for long."""
        if not self._clock.is_closing:
            self._clock.close()
            self._table.reconnect()

    def is_overtaken(self) -> bool:
        """Ask the ledger whether a newer request has come since this one was admitted.

        An invocation may have been held up between its last write and its answer. Where the ledger can't be asked the
        answer goes out: CloudFormation does not listen to a request that it has given up.
        """
        if not self.is_admitted:
            return False
        state = self._looked_up(5.0, "whether a newer request has come")
        if state is None:
            return False
        try:
            self._require_newest(state)
        except Overtaken:
            return True
        return False

    def _looked_up(self, seconds: float, what: str) -> State | None:
        """Return the ledger as it is; None, and a warning of what is not known, where it is out of reach so long."""
        try:
            return self._table.load(self._clock.now() + seconds)
        except (Exception, HandOver) as error:  # noqa: BLE001 - whatever it is, the end of the invocation goes on
            logger.warning("%s is not known: %s", what, error)
            return None

    def _require_newest(self, state: State) -> None:
        """Raise Overtaken where the ledger knows a newer request.

        That it has forgotten this one is no sign of that: it may have been lost, or restored.
        """
        if self._admitted is not None:
            state.admit(self._admitted)

    def is_left_to_another(self, *, is_answering: bool) -> bool | None:
        """Ask the ledger whether another invocation carries this request on, or a newer request has come.

        Return None where nothing tells: the ledger is out of reach, or it has not seen this invocation. A ledger that
        was lost or restored says no: the fresh invocation finds out by itself what it is to do.

        Args:
            is_answering: all is done but the answer, which any invocation may send.
        """
        if not self.is_admitted:
            return None
        state = self._looked_up(self._pace.ledger_for, "whether another invocation goes on")
        if state is None:
            return None
        if any(self._request_id in newer.before for newer in state.requests.values()):
            return True
        record = state.requests.get(self.key)
        if record is None or record.request_id != self._request_id or (record.answer is not None and is_answering):
            return False
        if self._table.went_back:
            return False  # the invocation that it names is one of before
        return record.invocation != self.invocation

    def stored_answer(self) -> dict[str, object] | None:
        """Return what another invocation of this request has answered already; None where nothing says that."""
        state = self._looked_up(self._pace.ledger_for, "whether this request was answered before")
        record = state.requests.get(self.key) if state is not None else None
        return record.answer if record is not None and record.request_id == self._request_id else None

    def hand_overs_failed(self) -> int | None:
        """Return how often the ledger, as last read, counts that this event has failed; None where it has no count."""
        record = self._table.state.requests.get(self.key) if self.is_admitted else None
        return record.hand_overs_failed if record and record.request_id == self._request_id else None

    def withdraw(self, change: Change | None = None) -> None:
        """At the end of an invocation without an answer: tell who comes next what its calls have come to.

        This write is not fenced: whoever is newer has to know it too.
        """
        self.close()

        def withdrawn(state: State) -> State:
            state = self._learnt.on(state)
            return change(state) if change else state

        try:
            self._table.change(withdrawn, self._clock.now() + self._clock.spare())
        except (LedgerFailure, HandOver) as error:
            logger.warning("the ledger was not told what the calls of this invocation have come to: %s", error)
        else:
            self._learnt.clear()
