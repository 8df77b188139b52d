"""Random histories: CloudFormation, Lambda, EVS and people do what they may do, and nothing is lost or leaked.

A state machine plays CloudFormation with two stacks in one environment, two resources in each, VMs entitled by hand,
and random trouble in each request. After each step: what is declared is entitled, and was without a break where it
stays declared; what was by hand or retained is untouched; nothing else is entitled; each request has one answer.

HISTORIES (how many) and SEED (of the first) come from the environment; `make soak` sets them.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, note, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from testing.receiver import Receiver
from tests.support.cloudformation import CONNECTOR, OTHER_CONNECTOR, Delivery, Stack
from tests.support.function import Lambda
from tests.support.ledger import read

HISTORIES = int(os.environ.get("HISTORIES", "12"))
SEED = int(os.environ.get("SEED", "20261123"))
PARTS = int(os.environ.get("PARTS", "4"))

HEALTHY = [f"vm-{number}" for number in range(101, 108)]
LINUX = "vm-201"
#: The handler's waits for calls that may still land, shortened: the same logic in less time.
QUICK = {
    "lost_lands_within": 2.0,
    "fault_lands_within": 1.0,
    "send_within_most": 0.8,
    "deletion_for": 6.0,
    "list_lag": 1.0,
}

vm_sets = st.sets(st.sampled_from(HEALTHY), min_size=1, max_size=5)
connectors = st.sampled_from([CONNECTOR, CONNECTOR, OTHER_CONNECTOR])
stacks = st.sampled_from([0, 0, 1])
names = st.sampled_from(["Web", "Database"])
#: What befalls a request on its way, if anything; where a process is stopped; a fault of EVS.
Trouble = tuple[Any, ...] | None
Step = tuple[int, str]
Fault = tuple[str, str, int]

steps = st.tuples(st.integers(1, 8), st.sampled_from(["before", "after"]))
troubles = st.one_of(
    st.just(None),
    st.just(("twice",)),
    st.just(("at once",)),
    st.just(("late answer",)),
    st.tuples(st.just("killed"), steps),
    st.just(("503",)),
)
faults = st.lists(
    st.tuples(
        st.sampled_from(["throttle", "error", "close_before", "close_after"]),
        st.sampled_from(["CreateEntitlement", "DeleteEntitlement", "ListVmEntitlements"]),
        st.integers(0, 2),
    ),
    max_size=2,
)


@dataclass
class Declared:
    """A resource as CloudFormation knows it."""

    physical_id: str
    vm_ids: set[str]
    connector: str


@dataclass
class Side:
    """A stack, what its resources declare, and what resources that were retained left entitled."""

    stack: Stack
    resources: dict[str, Declared] = field(default_factory=dict)
    retained: dict[tuple[str, str], set[str]] = field(default_factory=dict)

    def declared(self, connector: str) -> set[str]:
        return set().union(*(one.vm_ids for one in self.resources.values() if one.connector == connector))

    def left(self, connector: str) -> set[str]:
        return set().union(*(vm_ids for (_, there), vm_ids in self.retained.items() if there == connector))

    def taken_over(self, name: str, vm_ids: set[str], connector: str) -> set[str]:
        """Let a resource that is back take over what it declares of what it left; returns that."""
        retained = self.retained.get((name, connector), set())
        taken = retained & vm_ids
        retained -= taken
        return taken


class Lifecycle(RuleBasedStateMachine):
    """CloudFormation, Lambda and people."""

    make: "type[object]"

    @initialize(
        already=st.sampled_from(["return", "refuse"]),
        refuse_creating=st.booleans(),
        several_rows=st.booleans(),
        latency=st.sampled_from([0.0, 0.3]),
        delete_latency=st.sampled_from([0.0, 0.5]),
    )
    def begin(
        self, already: str, refuse_creating: bool, several_rows: bool, latency: float, delete_latency: float
    ) -> None:
        self.sides = [Side(stack) for stack in PLAYGROUND()]
        self.evs = self.sides[0].stack.evs
        self.evs.set(
            already_entitled=already,
            refuse_delete_while_creating=refuse_creating,
            keep_former_rows=several_rows,
            shuffle_rows=several_rows,
            create_latency=latency,
            delete_latency=delete_latency,
        )
        self.by_hand: dict[str, set[str]] = {CONNECTOR: set(), OTHER_CONNECTOR: set()}
        self.deliveries: list[Delivery] = []

    def teardown(self) -> None:
        for side in getattr(self, "sides", []):
            side.stack.close()

    # --- playing ---------------------------------------------------------------------------------------------------

    def play(self, side: Side, event: dict[str, Any], trouble: Trouble, fault: Sequence[Fault] = ()) -> dict[str, Any]:
        """Deliver a request with trouble on its way, and return its answer."""
        for effect, operation, after in fault:
            self.evs.fault(effect, operations=[operation], after_calls=after, count=1)
        kind = trouble[0] if trouble else None
        stack = side.stack
        began = len(stack.invocations)
        if kind == "503":
            stack.receiver.statuses[:] = [503, 0]
        if trouble and kind == "killed":
            stack.deliver(event, at=(*trouble[1], "SIGKILL")).invocation.wait()
        delivery = stack.deliver(event)
        if kind == "at once":
            stack.deliver(event)
        answer = delivery.answer(120)
        if kind == "twice":
            stack.deliver(event)
        stack.settle(began)
        self.deliveries.append(delivery)
        self.evs.clear_faults()
        note(
            f"{event['RequestType']} {event['LogicalResourceId']} {trouble} {fault} -> {answer['Status']} "
            f"{answer['PhysicalResourceId']} {answer['Reason'][:200]}"
        )
        return answer

    def event(
        self,
        side: Side,
        kind: str,
        name: str,
        vm_ids: set[str],
        connector: str,
        physical_id: str | None = None,
        **properties: Any,
    ) -> dict[str, Any]:
        return side.stack.event(
            kind,
            sorted(vm_ids),
            logical_id=name,
            physical_id=physical_id,
            connector=connector,
            service_timeout=120,
            **properties,
        )

    def foreign(self, side: Side, connector: str) -> set[str]:
        """VMs whose entitlement is not this stack's."""
        others = (other.declared(connector) | other.left(connector) for other in self.sides if other is not side)
        return self.by_hand[connector].union(*others)

    def delete(
        self,
        side: Side,
        name: str,
        physical_id: str,
        vm_ids: set[str],
        connector: str,
        trouble: Trouble = None,
        fault: Sequence[Fault] = (),
    ) -> None:
        answer = self.play(side, self.event(side, "Delete", name, vm_ids, connector, physical_id), trouble, fault)
        assert answer["Status"] == "SUCCESS", answer
        assert answer["PhysicalResourceId"] == physical_id
        side.stack.deleted(name, physical_id)

    def expected(self, side: Side, vm_ids: set[str], connector: str, adopt: bool) -> str:
        if LINUX in vm_ids:
            return "FAILED"
        return "FAILED" if vm_ids & self.foreign(side, connector) and not adopt else "SUCCESS"

    def adopting(self, side: Side, vm_ids: set[str], connector: str, adopt: bool) -> bool:
        # Taking over what another stack still declares is what the documentation warns of.
        others = self.foreign(side, connector) - self.by_hand[connector]
        return adopt and not vm_ids & others

    def given_back(self, side: Side, taken: set[str], connector: str) -> None:
        """What was retained, and taken over by an operation that was rolled back, belongs to nobody."""
        self.by_hand[connector] |= taken - side.declared(connector) - side.left(connector)

    # --- rules -----------------------------------------------------------------------------------------------------

    @rule(
        which=stacks,
        name=names,
        vm_ids=vm_sets,
        connector=connectors,
        linux=st.sampled_from([False] * 4 + [True]),
        adopt=st.booleans(),
        rolled_back=st.sampled_from([False, False, True]),
        trouble=troubles,
        fault=faults,
        cleaning=troubles,
    )
    def create(
        self,
        which: int,
        name: str,
        vm_ids: set[str],
        connector: str,
        linux: bool,
        adopt: bool,
        rolled_back: bool,
        trouble: Trouble,
        fault: Sequence[Fault],
        cleaning: Trouble,
    ) -> None:
        side = self.sides[which]
        if name in side.resources:
            return
        vm_ids = vm_ids | ({LINUX} if linux else set())
        adopt = self.adopting(side, vm_ids, connector, adopt)
        side.stack.reached("UPDATE_IN_PROGRESS")
        event = self.event(side, "Create", name, vm_ids, connector, AdoptExisting=str(adopt).lower())
        answer = self.play(side, event, trouble, fault)
        assert answer["Status"] == self.expected(side, vm_ids, connector, adopt), answer
        physical_id = answer["PhysicalResourceId"]
        taken = set()
        if answer["Status"] == "SUCCESS":
            side.stack.names(name, physical_id)
            taken = side.taken_over(name, vm_ids, connector)
        if answer["Status"] == "FAILED" or rolled_back:
            side.stack.reached("UPDATE_ROLLBACK_IN_PROGRESS")
            self.delete(side, name, physical_id, vm_ids, connector, cleaning)
            side.stack.reached("UPDATE_ROLLBACK_COMPLETE")
            self.given_back(side, taken, connector)
            return
        side.resources[name] = Declared(physical_id, vm_ids, connector)
        self.by_hand[connector] -= vm_ids
        side.stack.reached("UPDATE_COMPLETE")

    @rule(which=stacks, name=names, vm_ids=vm_sets, connector=connectors, step=steps, made_up=st.booleans())
    def create_that_is_cancelled(
        self, which: int, name: str, vm_ids: set[str], connector: str, step: Step, made_up: bool
    ) -> None:
        side = self.sides[which]
        if name in side.resources:
            return
        side.stack.reached("UPDATE_IN_PROGRESS")
        event = self.event(side, "Create", name, vm_ids, connector)
        older = side.stack.deliver(event, at=(*step, "SIGSTOP"))
        stopped = older.invocation.stopped()
        side.stack.names(name, "made-up")
        side.stack.reached("UPDATE_ROLLBACK_IN_PROGRESS")
        self.delete(side, name, "made-up", vm_ids, connector)
        if stopped:
            older.invocation.go_on()
        older.invocation.wait()
        side.stack.reached("UPDATE_ROLLBACK_COMPLETE")

    @rule(
        which=stacks,
        name=names,
        vm_ids=vm_sets,
        connector=connectors,
        linux=st.sampled_from([False] * 4 + [True]),
        adopt=st.booleans(),
        end=st.sampled_from(["complete", "complete", "rollback", "rollback with update"]),
        trouble=troubles,
        fault=faults,
        cleaning=troubles,
    )
    def update(
        self,
        which: int,
        name: str,
        vm_ids: set[str],
        connector: str,
        linux: bool,
        adopt: bool,
        end: str,
        trouble: Trouble,
        fault: Sequence[Fault],
        cleaning: Trouble,
    ) -> None:
        side = self.sides[which]
        if name not in side.resources:
            return
        old = side.resources[name]
        vm_ids = vm_ids | ({LINUX} if linux else set())
        adopt = self.adopting(side, vm_ids, connector, adopt)
        side.stack.reached("UPDATE_IN_PROGRESS")
        since = self.evs.changes()
        event = self.event(side, "Update", name, vm_ids, connector, old.physical_id, AdoptExisting=str(adopt).lower())
        answer = self.play(side, event, trouble, fault)
        assert answer["Status"] == self.expected(side, vm_ids, connector, adopt), answer
        new_id = answer["PhysicalResourceId"]
        if answer["Status"] == "FAILED":
            assert new_id == old.physical_id
            side.stack.reached("UPDATE_ROLLBACK_IN_PROGRESS")
            back = self.event(side, "Update", name, old.vm_ids, old.connector, old.physical_id)
            assert self.play(side, back, cleaning)["PhysicalResourceId"] == old.physical_id
            side.stack.reached("UPDATE_ROLLBACK_COMPLETE")
            self.unbroken(since, old.vm_ids, old.connector)
            return
        taken = side.taken_over(name, vm_ids, connector)
        if end == "complete":
            side.stack.names(name, new_id)
            side.resources[name] = Declared(new_id, vm_ids, connector)
            self.by_hand[connector] -= vm_ids
            side.stack.status = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
            if new_id != old.physical_id:
                self.delete(side, name, old.physical_id, old.vm_ids, old.connector, cleaning)
            side.stack.reached("UPDATE_COMPLETE")
            if connector == old.connector:
                self.unbroken(since, old.vm_ids & vm_ids, connector)
            return
        side.stack.reached("UPDATE_ROLLBACK_IN_PROGRESS")
        if end == "rollback with update":
            back = self.event(side, "Update", name, old.vm_ids, old.connector, new_id)
            assert self.play(side, back, cleaning)["PhysicalResourceId"] == old.physical_id
        if new_id != old.physical_id:
            self.delete(side, name, new_id, vm_ids, connector, cleaning)
        side.stack.reached("UPDATE_ROLLBACK_COMPLETE")
        self.given_back(side, taken, connector)
        self.unbroken(since, old.vm_ids, old.connector)

    @rule(which=stacks, name=names, vm_ids=vm_sets, connector=connectors, step=steps, goes_on_first=st.booleans())
    def update_that_is_cancelled(
        self, which: int, name: str, vm_ids: set[str], connector: str, step: Step, goes_on_first: bool
    ) -> None:
        side = self.sides[which]
        if name not in side.resources:
            return
        old = side.resources[name]
        since = self.evs.changes()
        side.stack.reached("UPDATE_IN_PROGRESS")
        event = self.event(side, "Update", name, vm_ids, connector, old.physical_id)
        older = side.stack.deliver(event, at=(*step, "SIGSTOP"))
        stopped = older.invocation.stopped()
        back = self.event(side, "Update", name, old.vm_ids, old.connector, old.physical_id)
        side.stack.reached("UPDATE_ROLLBACK_IN_PROGRESS")
        newer = side.stack.deliver(back)
        if stopped and goes_on_first:
            older.invocation.go_on()
        answer = newer.answer(120)
        assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", old.physical_id)
        if stopped and not goes_on_first:
            older.invocation.go_on()
        older.invocation.wait()
        side.stack.settle()
        side.stack.reached("UPDATE_ROLLBACK_COMPLETE")
        self.unbroken(since, old.vm_ids, old.connector)
        note(f"cancelled update {name} {sorted(vm_ids)} at {step}")

    @rule(which=stacks, name=names, trouble=troubles, fault=faults)
    def take_out(self, which: int, name: str, trouble: Trouble, fault: Sequence[Fault]) -> None:
        side = self.sides[which]
        if name not in side.resources:
            return
        old = side.resources.pop(name)
        side.stack.status = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
        side.stack.named.pop(name, None)
        self.delete(side, name, old.physical_id, old.vm_ids, old.connector, trouble, fault)
        side.stack.reached("UPDATE_COMPLETE")

    @rule(which=stacks, name=names)
    def retain(self, which: int, name: str) -> None:
        """A resource with DeletionPolicy Retain leaves the template: no Delete comes."""
        side = self.sides[which]
        if name not in side.resources or any(left for (who, _), left in side.retained.items() if who == name):
            return
        old = side.resources.pop(name)
        side.stack.named.pop(name, None)
        side.retained[name, old.connector] = set(old.vm_ids)
        side.stack.reached("UPDATE_COMPLETE")

    @rule(
        which=stacks,
        name=names,
        first=vm_sets,
        second=vm_sets,
        connector=connectors,
        trouble=troubles,
        fault=faults,
        linux=st.sampled_from([False, False, True]),
        cleaning=troubles,
    )
    def create_whose_answer_is_ignored(
        self,
        which: int,
        name: str,
        first: set[str],
        second: set[str],
        connector: str,
        trouble: Trouble,
        fault: Sequence[Fault],
        linux: bool,
        cleaning: Trouble,
    ) -> None:
        """Without rollback: a Create succeeds after CloudFormation has given it up, and the next operation creates."""
        side = self.sides[which]
        foreign = self.foreign(side, connector)
        first, second = first - foreign, second - foreign
        if name in side.resources or any(who == name for who, _ in side.retained) or not first or not second:
            return
        second = second | ({LINUX} if linux else set())
        side.stack.reached("UPDATE_IN_PROGRESS")
        answer = self.play(side, self.event(side, "Create", name, first, connector), trouble, fault)
        assert answer["Status"] == "SUCCESS", answer
        side.stack.names(name, "made-up")
        side.stack.reached("UPDATE_FAILED")
        side.stack.reached("UPDATE_IN_PROGRESS")
        answer = self.play(side, self.event(side, "Create", name, second, connector), trouble)
        assert answer["Status"] == ("FAILED" if linux else "SUCCESS"), answer
        physical_id = answer["PhysicalResourceId"]
        if linux:
            self.delete(side, name, physical_id, second, connector, cleaning)
        else:
            side.stack.names(name, physical_id)
            side.resources[name] = Declared(physical_id, second, connector)
        side.stack.status = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
        self.delete(side, name, "made-up", first, connector, cleaning)
        side.stack.reached("UPDATE_COMPLETE")

    @rule(
        which=stacks,
        name=names,
        second=vm_sets,
        third=vm_sets,
        connector=connectors,
        end=st.sampled_from(["complete", "rollback", "rollback with update"]),
        trouble=troubles,
        fault=faults,
        cleaning=troubles,
    )
    def updates_without_rollback(
        self,
        which: int,
        name: str,
        second: set[str],
        third: set[str],
        connector: str,
        end: str,
        trouble: Trouble,
        fault: Sequence[Fault],
        cleaning: Trouble,
    ) -> None:
        """A neighbour fails twice with rollback off; then all is well, or the stack goes back to where it began."""
        side = self.sides[which]
        foreign = self.foreign(side, connector)
        second, third = second - foreign, third - foreign
        if name not in side.resources or any(who == name for who, _ in side.retained) or not second or not third:
            return
        old = side.resources[name]
        since = self.evs.changes()
        ids = [old.physical_id]
        for vm_ids in (second, third):
            side.stack.reached("UPDATE_IN_PROGRESS")
            answer = self.play(side, self.event(side, "Update", name, vm_ids, connector, ids[-1]), trouble, fault)
            assert answer["Status"] == "SUCCESS", answer
            ids.append(answer["PhysicalResourceId"])
            side.stack.names(name, ids[-1])
            side.stack.reached("UPDATE_FAILED")
        made = [Declared(ids[1], second, connector), Declared(ids[2], third, connector)]
        declared = {one.physical_id: one for one in (old, *made)}
        if end == "complete":
            side.stack.reached("UPDATE_IN_PROGRESS")
            side.resources[name] = declared[ids[-1]]
            side.stack.status = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
        else:
            side.stack.reached("UPDATE_ROLLBACK_IN_PROGRESS")
            if end == "rollback with update":
                back = self.event(side, "Update", name, old.vm_ids, old.connector, ids[-1])
                assert self.play(side, back, cleaning)["PhysicalResourceId"] == old.physical_id
            side.stack.names(name, old.physical_id)
        for one in declared.values():
            if one.physical_id != side.resources[name].physical_id:
                self.delete(side, name, one.physical_id, one.vm_ids, one.connector, cleaning)
        side.stack.reached("UPDATE_COMPLETE" if end == "complete" else "UPDATE_ROLLBACK_COMPLETE")
        if end != "complete":
            self.unbroken(since, old.vm_ids, old.connector)

    @rule(vm_id=st.sampled_from(HEALTHY), connector=connectors)
    def entitle_by_hand(self, vm_id: str, connector: str) -> None:
        ours = (side.declared(connector) | side.left(connector) for side in self.sides)
        if vm_id in set().union(*ours) or vm_id in self.by_hand[connector]:
            return
        self.evs.entitle([vm_id], connector_id=connector)
        self.by_hand[connector].add(vm_id)

    # --- invariants ------------------------------------------------------------------------------------------------

    def unbroken(self, since: list[dict[str, Any]], vm_ids: set[str], connector: str) -> None:
        """What stays declared has not lost its entitlement for a moment."""
        ended = [
            change
            for change in self.evs.changes()[len(since) :]
            if change["vm_id"] in vm_ids and change["connector_id"] == connector and change["status"] == "DELETED"
        ]
        assert not ended

    @invariant()
    def exactly_what_is_declared_is_entitled(self) -> None:
        for connector in (CONNECTOR, OTHER_CONNECTOR):
            declared = set().union(*(side.declared(connector) | side.left(connector) for side in self.sides))
            held = set(self.evs.held(connector_id=connector))
            assert held == declared | self.by_hand[connector], f"{connector}: held {sorted(held)}"

    @invariant()
    def each_request_has_one_answer(self) -> None:
        for delivery in self.deliveries:
            assert len({put.body for put in delivery.puts}) == 1
        self.deliveries.clear()

    @invariant()
    def entitlements_and_ledger_agree(self) -> None:
        for side in self.sides:
            for connector, holding in read(side.stack).holdings.items():
                there = connector.connector_id
                assert set(holding.owned) == side.declared(there) | side.left(there)


def PLAYGROUND() -> list[Stack]:  # noqa: N802 - set by the test, called by the machine
    raise NotImplementedError


@pytest.mark.timeout(0)
@pytest.mark.parametrize("part", range(PARTS))
def test_random_histories(
    part: int,
    function: Lambda,
    receiver: Receiver,
    directory: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def playground() -> list[Stack]:
        function.aws.evs.reset()
        receiver.statuses.clear()
        receiver.received.clear()
        return [Stack(function, receiver, directory, patch=dict(QUICK)) for _ in range(2)]

    monkeypatch.setitem(globals(), "PLAYGROUND", playground)
    number = SEED + part
    with capsys.disabled():
        print(f"\nlifecycle: seed {number}, {-(-HISTORIES // PARTS)} histories")
    machine = seed(number)(Lifecycle)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=-(-HISTORIES // PARTS),
            stateful_step_count=10,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
