"""A request's steps tried alone: the real fence, calls and rules, on a ledger in memory and an EVS that a test scripts.

Owns the virtual time. What EVS lists at a time, and what it answers to each call, is up to the test.
"""

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any, cast

from lambda_handler.aws.retries import Retries
from lambda_handler.clock import Clock
from lambda_handler.evs.listing import Look
from lambda_handler.evs.rows import Row, Rows, Status
from lambda_handler.ledger.fence import Fence
from lambda_handler.ledger.records import Call, DeclaredSet, Holding, Operation, RequestRecord
from lambda_handler.ledger.state import State
from lambda_handler.pace import Pace
from lambda_handler.steps.carried import Carried
from lambda_handler.steps.context import Context
from lambda_handler.steps.mutation import Mutations
from lambda_handler.values import NO_VMS, Connector, VmIds

HERE = Connector("env-abcde12345", "cnctr-abcde12345")
THERE = Connector("env-abcde12345", "cnctr-fghij67890")
START = 1_000_000.5


def ids(*numbers: int) -> VmIds:
    """Return VM ids."""
    return frozenset(f"vm-{number}" for number in numbers)


def row(number: int, status: Status = Status.CREATED, started: float = START - 1000.0, **more: Any) -> Row:
    """Return a row as EVS lists it."""
    return Row(f"vm-{number}", status, status.value, started, started, **more)


class Table:
    """The ledger in memory: what is stored, and what this invocation has read of it."""

    def __init__(self, state: State) -> None:
        self.stored = self.state = state
        self.writes = 0
        #: Called before each write: somebody else may write first.
        self.before_write: Callable[[], None] = lambda: None
        self.went_back = False

    def load(self, until: float) -> State:
        self.state = self.stored
        return self.state

    def reconnect(self) -> None:
        """There is no connection."""

    def change(self, change: Callable[[State], State], until: float) -> None:
        self.before_write()
        # A write that meets a newer state is repeated on it.
        changed = change(self.stored)
        self.writes += changed != self.stored
        self.stored = self.state = changed


class Room:
    """One request of one invocation, with everything around it scripted.

    Attributes:
        listed: time in epoch seconds -> the rows that EVS lists then.
        answers: called with operation and VM ids for each call that EVS gets; returns rows or raises an AwsError.
        calls: time, operation and VM ids of each call that EVS got.
    """

    def __init__(self, kind: Any = "Delete", pace: Pace | None = None, **deadlines: float) -> None:
        self.at = START
        self.pace = pace or Pace()
        self.ends = START + deadlines.get("remaining", 900.0)
        record = RequestRecord(kind, "r", "A", "id", None, 1, START + 3570.0, arrived=START, invocation="me")
        self.table = Table(State(requests={"A": record}))
        self.listed: Callable[[float], Iterable[Row]] = lambda _: ()
        self.answers: Callable[[Operation, VmIds], Rows] = lambda *_: {}
        self.calls: list[tuple[float, Operation, VmIds]] = []
        self.looks = 0
        #: Lets time pass for the steps; a test may do something then.
        self.passing: Callable[[float], None] = self.pass_time
        self.completed = True
        lambda_context = SimpleNamespace(
            aws_request_id="r",
            invoked_function_arn="",
            log_stream_name="",
            get_remaining_time_in_millis=lambda: int((self.ends - self.at) * 1000),
        )
        time = SimpleNamespace(now=lambda: self.at, sleep=lambda seconds: self.passing(seconds))
        self.clock = Clock(lambda_context, time, self.pace)
        self.fence = Fence(cast(Any, self.table), self.clock, self.pace, "A", "r", START + 3570.0)
        self.fence.invocation = "me"
        self.fence.is_admitted = True
        self.fence._admitted = record
        self.retries = Retries(self.clock, self.pace, START + self.pace.denied_for)
        evs = SimpleNamespace(
            create=lambda *given: self._send("CreateEntitlement", *given),
            delete=lambda *given: self._send("DeleteEntitlement", *given),
        )
        self.mutations = Mutations(cast(Any, evs), self.fence, self.retries, self.clock, self.pace)
        self.context = Context(
            request=cast(Any, SimpleNamespace(type=kind, issued_at=lambda _: START, place="this account")),
            fence=self.fence,
            evs=cast(Any, evs),
            listing=cast(Any, self),
            mutations=self.mutations,
            stack=cast(Any, SimpleNamespace(completed_since=lambda *_: self.completed)),
            clock=self.clock,
            pace=self.pace,
            began=START,
            answer_by=START + deadlines.get("answer_by", 3570.0),
            undo_time=deadlines.get("undo_time", 300.0),
            carried=Carried(),
        )

    # --- time and EVS --------------------------------------------------------------------------------------------

    def begin_anew(self, timeout: float) -> None:
        """Let a fresh invocation go on: it has so much time, and a call of it takes no longer than suits that."""
        self.ends = self.at + timeout
        self.clock.read_timeout = timeout * self.pace.read_of_invocation

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.at += seconds

    def look(self, connector: Connector, until: float) -> Look:
        """Return what EVS lists now."""
        self.looks += 1
        return Look({one.vm_id: one for one in self.listed(self.at)}, self.at)

    def watch(self, connector: Connector, last_page: str | None) -> "Room":
        """Return looks for what is CREATING."""
        return cast(Any, SimpleNamespace(look=self._watched))  # type: ignore[no-any-return]

    def _watched(self, outstanding: VmIds, until: float) -> tuple[Rows, bool]:
        rows = self.look(HERE, until).rows
        return {vm_id: one for vm_id, one in rows.items() if vm_id in outstanding}, True

    def _send(self, operation: Operation, connector: Connector, vm_ids: Iterable[str], send_by: float) -> Rows:
        assert self.at <= send_by, "a call that leaves too late"
        self.calls.append((self.at, operation, frozenset(vm_ids)))
        return self.answers(operation, frozenset(vm_ids))

    # --- the ledger ----------------------------------------------------------------------------------------------

    def keep(self, state: State) -> None:
        """Let the ledger be so, whoever wrote it."""
        self.table.stored = self.table.state = state
        self.fence._view = None

    def own(self, vm_ids: VmIds, connector: Connector = HERE) -> None:
        """Let VMs be ours."""
        self.keep(self.table.state.hold(connector, Holding(owned=vm_ids)))

    def declare(self, vm_ids: VmIds, physical_id: str = "other", connector: Connector = HERE) -> None:
        """Let a live set of another resource declare VMs."""
        declared = DeclaredSet("B", connector, vm_ids, "earlier", 1, live=True)
        self.keep(self.table.state.declare(physical_id, declared))

    def called(
        self,
        operation: Operation,
        vm_ids: VmIds,
        ago: float,
        *,
        taken: bool = False,
        until: float = 0.0,
        lands: float = 0.0,
        renewed: VmIds = NO_VMS,
        name: str = "call",
    ) -> None:
        """Let the ledger know of a call of another invocation that left so long ago; the others are from now on."""
        call = Call(operation, HERE, vm_ids, START - ago, START + lands, START + until, "another", taken, renewed)
        state = self.table.state
        self.keep(State(**{**vars(state), "calls": {**state.calls, name: call}}))

    @property
    def state(self) -> State:
        """The ledger, with what this invocation has learnt."""
        return self.fence.state

    def deleted(self) -> list[VmIds]:
        """Return the VMs of each DeleteEntitlement that EVS got."""
        return [vm_ids for _, operation, vm_ids in self.calls if operation == "DeleteEntitlement"]
