"""One invocation's turn at a request: the fence around every write to the ledger, and what all steps share.

Owns what this invocation has under way: its flights, and the VMs it has seen to hold nothing. Both go into the ledger
with whatever is written next, so that a request that nothing disturbs costs few writes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import uuid4

from .aws import Patience, Refused
from .clock import Clock
from .cloudformation import Request
from .errors import HandOver, LedgerFailure, Overtaken, Restart
from .evs import Evs, Row, Rows, merged
from .ledger import NONE, Flight, Holding, RequestRecord, State, VmIds
from .ledger_table import LedgerTable
from .log import logger
from .properties import Connector
from .stack import Stack

#: At first a call that changes something leaves within so many seconds, or is announced anew: a newer request may have
#: come while the process was held up. Where that happens because all is slow, it gets longer.
SEND_AT_ONCE = 0.25
#: How often a look begins anew because EVS no longer takes its page token.
LOOKS_ANEW = 3


@dataclass
class Turn:
    """What every step of a request needs.

    Attributes
    ----------
    patience, looking
        With calls that change something, and with looks: one's success says nothing of the other's trouble.
    began, answer_by
        Epoch seconds: when the request arrived, when the answer has to be under way.
    undo_time
        Seconds before that in which a Create or Update is undone.
    empty
        VMs that were seen to hold nothing, and the ledger's count of claims at that time.
    last_page
        Token of the last page of the newest look.
    failing
        The request is being undone.
    admitted
        The ledger has had this request as the newest of its logical id.
    send_within
        A call that changes something leaves so many seconds after the ledger was told, or the ledger is told again.
    """

    request: Request
    table: LedgerTable
    evs: Evs
    stack: Stack
    clock: Clock
    patience: Patience
    looking: Patience
    began: float
    undo_time: float
    answer_by: float
    failing: bool = False
    admitted: bool = False
    send_within: float = SEND_AT_ONCE
    by: str = field(default_factory=lambda: uuid4().hex[:12])
    creating: dict[Connector, tuple[Flight, ...]] = field(default_factory=dict)
    removing: dict[Connector, tuple[Flight, ...]] = field(default_factory=dict)
    empty: dict[Connector, tuple[VmIds, int]] = field(default_factory=dict)
    last_page: dict[Connector, str | None] = field(default_factory=dict)

    @property
    def state(self) -> State:
        """The ledger as last read or written."""
        return self.table.state

    @property
    def work_by(self) -> float:
        """Until when a Create or Update may create, in epoch seconds."""
        return self.answer_by - self.undo_time

    @property
    def until(self) -> float:
        """Until when the present phase is pursued, in epoch seconds."""
        creating = self.request.type != "Delete" and not self.failing
        return self.work_by if creating else self.answer_by

    def write(self, change: Callable[[State], State]) -> State:
        """Change the ledger, provided that this request is still the newest of its logical id.

        Raises
        ------
        Overtaken
            It is not: nothing was written.
        Restart
            Another invocation of this request has moved it on.
        LedgerFailure
        """

        def fenced(state: State) -> State:
            self._check(state)
            changed = change(state)
            now = self.clock.now()
            for connector in {*changed.holdings, *self.creating, *self.removing, *self.empty}:
                empty, claims = self.empty.get(connector, (NONE, state.claims))
                # A claim since then makes the look an old one; whoever declares a VM has taken it over.
                empty = empty - changed.declared(connector) if claims == state.claims else NONE
                holding = self._own_flights(connector, changed.holding(connector)).pruned(now, empty)
                changed = changed.hold(connector, holding.disown(empty))
            return changed

        # The answer must still be sent after the last write, so that may take until then.
        state = self.table.change(fenced, self.answer_by)
        self.empty.clear()
        return state

    def _check(self, state: State) -> None:
        record = state.requests.get(self.request.logical_id)
        if record is None or record.request_id != self.request.request_id:
            raise Overtaken("CloudFormation has issued a newer request for this resource")
        if record.by != self.by:
            raise Overtaken("another invocation carries this request out")
        if record.answer is not None or (record.failing is not None) != self.failing:
            raise Restart

    def is_overtaken(self) -> bool:
        """Ask the ledger whether a newer request has come since this one was admitted.

        An invocation may have been held up between its last write and its answer. Where the ledger can't be asked the
        answer goes out: CloudFormation does not listen to a request that it has given up.
        """
        if not self.admitted:
            return False
        try:
            self.table.load(self.clock.now() + 5)
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer goes out
            logger.warning("whether a newer request has come is not known: %s", error)
            return False
        record = self.state.requests.get(self.request.logical_id)
        return record is not None and record.request_id != self.request.request_id

    @property
    def record(self) -> RequestRecord:
        """The record of this request in the ledger."""
        return self.state.requests[self.request.logical_id]

    def reload(self) -> None:
        """Read the ledger again, and see whether the turn is still ours."""
        self._check(self.table.load(self.answer_by))

    def held_up(self) -> None:
        """Note that a call did not leave in time."""
        self.send_within *= 3

    def note_empty(self, connector: Connector, vm_ids: VmIds) -> None:
        """Remember that VMs hold nothing, for the next write."""
        before, claims = self.empty.get(connector, (NONE, self.state.claims))
        self.empty[connector] = (before | vm_ids, min(claims, self.state.claims))

    def seen_empty(self, connector: Connector) -> VmIds:
        """Return what the next write will forget."""
        return self.empty.get(connector, (NONE, 0))[0]

    def withdraw(self) -> None:
        """At the end of an invocation without an answer: tell who comes next what is still in the air, and what not."""

        def landed(state: State) -> State:
            for connector, holding in state.holdings.items():
                state = state.hold(connector, self._own_flights(connector, holding))
            return state

        self.clock.closing()
        try:
            self.table.change(landed, self.clock.now() + 5)
        except (LedgerFailure, HandOver) as error:
            logger.warning("flights could not be withdrawn: %s", error)

    def _own_flights(self, connector: Connector, holding: Holding) -> Holding:
        return holding.flying(self.by, self.creating.get(connector, ()), self.removing.get(connector, ()))

    def depart(self, vm_ids: VmIds, seconds: float, *, answered: bool = False) -> Flight:
        """Return a flight of this invocation that may take effect for so many seconds from now."""
        return Flight(vm_ids, self.clock.now() + seconds, self.by, answered)

    def look(self, connector: Connector, until: float) -> Rows:
        """Return all rows of a connector, one a VM.

        Raises
        ------
        AwsError, Failure
        """
        rows: Rows = {}
        token: str | None = None
        anew = 0
        while True:
            self.last_page[connector] = token
            try:
                page, token = self.page(connector, token, until)
            except Refused:
                # A token may age while a throttled list is read. What was read so far is old by then, too.
                if token is None or anew == LOOKS_ANEW:
                    raise
                rows, token, anew = {}, None, anew + 1
                continue
            merged(page, rows)
            if token is None:
                return rows

    def page(self, connector: Connector, token: str | None, until: float) -> tuple[list[Row], str | None]:
        """Return one page of rows, with patience."""
        return self.looking.through(lambda: self.evs.page(connector, token), until)
