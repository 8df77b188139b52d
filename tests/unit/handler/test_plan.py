"""What a Create or Update has to do, as a pure decision."""

from collections.abc import Iterable

import pytest

from lambda_handler.cloudformation.properties import Properties
from lambda_handler.evs.listing import Look
from lambda_handler.evs.rows import Row, Status
from lambda_handler.ledger.records import Call, DeclaredSet, Holding
from lambda_handler.ledger.state import State
from lambda_handler.steps.plan import Plan, plan
from lambda_handler.values import Connector

NOW = 1000.0
HERE = Connector("env-abcde12345", "cnctr-abcde12345")
OTHERS_FOR = 15.0


def decide(
    declared: Iterable[str],
    *,
    owned: Iterable[str] = (),
    established: Iterable[str] = (),
    rows: Iterable[Row] = (),
    adopt: bool = False,
    calls: Iterable[Call] = (),
) -> Plan:
    sets = {"live": DeclaredSet("A", HERE, frozenset(established), "r", 1, live=True)}
    state = State(
        sets=sets,
        holdings={HERE: Holding(frozenset(owned))},
        calls={str(number): one for number, one in enumerate(calls)},
    )
    look = Look({row.vm_id: row for row in rows}, NOW)
    return plan(Properties(HERE, frozenset(declared), adopt_existing=adopt), state, look, OTHERS_FOR)


def row(status: str, started: float = 0.0) -> Row:
    known = {one.value: one for one in Status}
    return Row("vm-1", known.get(status, Status.UNKNOWN), status, started)


def creation(left_at: float, until: float, *, taken: bool = False, renewed: bool = False) -> Call:
    one = frozenset({"vm-1"})
    return Call("CreateEntitlement", HERE, one, left_at, until, until, "other", taken, one if renewed else frozenset())


def deletion(until: float, *, taken: bool, left_at: float = NOW - 10) -> Call:
    return Call("DeleteEntitlement", HERE, frozenset({"vm-1", "vm-2"}), left_at, until, until, "other", taken)


@pytest.mark.parametrize("rows", [[], [row("DELETED")], [row("CREATE_FAILED")]])
def test_what_is_new_and_not_held_is_created_and_required(rows: list[Row]) -> None:
    planned = decide(["vm-1"], rows=rows)
    assert planned.create == planned.required == planned.added == {"vm-1"}
    assert not planned.conflicts


@pytest.mark.parametrize("status", ["CREATING", "CREATED", "AT_RISK", "ENTITLEMENT_REMOVED", "SUSPENDED"])
def test_what_is_somebody_elses_is_a_conflict(status: str) -> None:
    planned = decide(["vm-1", "vm-2"], rows=[row(status)])
    assert planned.conflicts.keys() == {"vm-1"}
    assert not planned.adopt


@pytest.mark.parametrize(("status", "awaited"), [("CREATING", True), ("CREATED", True), ("ENTITLEMENT_REMOVED", False)])
def test_adopting_calls_nothing_and_waits_for_what_can_come(status: str, awaited: bool) -> None:
    planned = decide(["vm-1"], rows=[row(status)], adopt=True)
    assert planned.adopt == {"vm-1"}
    assert not planned.create
    assert not planned.conflicts
    assert planned.required == ({"vm-1"} if awaited else set())


@pytest.mark.parametrize("rows", [[], [row("ENTITLEMENT_REMOVED")], [row("CREATE_FAILED")]])
def test_what_a_live_set_relies_on_is_restored_and_not_required(rows: list[Row]) -> None:
    planned = decide(["vm-1"], owned=["vm-1"], established=["vm-1"], rows=rows)
    assert planned.restore == {"vm-1"}
    assert not planned.create
    assert not planned.required


@pytest.mark.parametrize("status", ["CREATED", "AT_RISK", "SUSPENDED"])
def test_what_is_ours_and_held_sees_no_call(status: str) -> None:
    planned = decide(["vm-1"], owned=["vm-1"], established=["vm-1"], rows=[row(status)])
    assert not planned.create | planned.restore | planned.adopt | planned.required


def test_what_an_overtaken_request_of_ours_left_is_taken_up_and_required() -> None:
    planned = decide(["vm-1"], owned=["vm-1"], rows=[row("CREATING")])
    assert not planned.create
    assert planned.required == {"vm-1"}


@pytest.mark.parametrize(
    ("until", "taken", "listed", "busy"),
    [
        (NOW + 1, False, True, True),
        (NOW + 1, False, False, True),
        (NOW - 1, False, True, False),
        (NOW + 1, True, True, True),
        (NOW + 1, True, False, False),
    ],
)
def test_a_removal_under_way_is_awaited_for_as_long_as_it_may_still_hit(
    until: float, taken: bool, listed: bool, busy: bool
) -> None:
    rows = [row("CREATED")] if listed else []
    planned = decide(["vm-1"], owned=["vm-1"], rows=rows, calls=[deletion(until, taken=taken)])
    assert planned.busy == ({"vm-1"} if busy else set())


def test_a_row_from_before_our_deletion_is_stale_and_a_later_one_is_somebody_elses() -> None:
    calls = [deletion(NOW + 100, taken=True)]
    stale = decide(["vm-1"], rows=[row("CREATED", NOW - 500.5)], calls=calls)
    assert (set(stale.busy), stale.conflicts) == ({"vm-1"}, {})
    foreign = decide(["vm-1"], rows=[row("CREATED", NOW - 5.5)], calls=calls)
    assert (set(foreign.busy), set(foreign.conflicts)) == (set(), {"vm-1"})


@pytest.mark.parametrize(
    ("call", "awaited"),
    [
        (creation(NOW - 5, NOW + 60, taken=True), NOW + 60),
        (creation(NOW - 5, NOW + 115), NOW - 5 + OTHERS_FOR),
        (creation(NOW - 70, NOW - 5, taken=True), None),
        (creation(NOW - 20, NOW + 100), None),
    ],
    ids=["taken", "under way", "taken long ago", "of an invocation that died"],
)
def test_what_another_request_of_ours_has_called_for_is_awaited(call: Call, awaited: float | None) -> None:
    planned = decide(["vm-1"], calls=[call])
    assert planned.awaited == ({"vm-1": awaited} if awaited else {})
    assert planned.create == (set() if awaited else {"vm-1"})
    assert planned.required == {"vm-1"}


def test_an_entitlement_that_a_call_of_ours_explains_is_ours() -> None:
    calls = [creation(NOW - 5, NOW + 115)]
    assert not decide(["vm-1"], rows=[row("CREATING", NOW - 4.5)], calls=calls).conflicts
    assert not decide(["vm-1"], rows=[row("CREATING")], calls=calls).conflicts
    assert decide(["vm-1"], rows=[row("CREATED", NOW - 9.5)], calls=calls).conflicts.keys() == {"vm-1"}


def test_a_row_from_before_a_call_says_nothing_of_it() -> None:
    calls = [creation(NOW - 5, NOW + 60, taken=True, renewed=True)]
    planned = decide(["vm-1"], rows=[row("CREATE_FAILED", NOW - 500.5)], calls=calls)
    assert planned.awaited == {"vm-1": NOW + 60}
    assert not planned.create
