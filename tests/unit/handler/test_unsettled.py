"""What the list does not say yet: whose a row is, what may still be created or deleted."""

import pytest

from lambda_handler.evs.rows import Row, Status
from lambda_handler.ledger.records import Call, Holding, Operation
from lambda_handler.ledger.state import State
from lambda_handler.steps import unsettled
from lambda_handler.steps.unsettled import Ours
from lambda_handler.values import NO_VMS, Connector

HERE = Connector("env-abcde12345", "cnctr-abcde12345")
ONE = frozenset({"vm-1"})


def state(*calls: Call, owned: bool = False) -> State:
    holdings = {HERE: Holding(ONE)} if owned else {}
    return State(holdings=holdings, calls={str(number): one for number, one in enumerate(calls)})


def call(
    left_at: float,
    lands_by: float = 0.0,
    until: float = 0.0,
    *,
    operation: Operation = "CreateEntitlement",
    taken: bool = False,
    renewed: bool = False,
) -> Call:
    return Call(operation, HERE, ONE, left_at, lands_by, until, "i", taken, ONE if renewed else NO_VMS)


def deletion(left_at: float, lands_by: float = 0.0, *, taken: bool = False) -> Call:
    return call(left_at, lands_by, lands_by, operation="DeleteEntitlement", taken=taken)


def row(status: Status, started: float = 0.0, newest: float = 0.0) -> Row:
    return Row("vm-1", status, "", started, newest)


@pytest.mark.parametrize(
    ("ledger", "started", "is_ours"),
    [
        (state(), 5.5, False),
        (state(owned=True), 5.5, True),
        (state(call(10)), 5.5, False),
        (state(call(10)), 10.5, True),
        (state(call(10)), 0.0, True),
        (state(call(10, renewed=True)), 5.5, True),
        (state(call(10), call(20)), 15.5, True),
    ],
    ids=["no call", "owned", "before the call", "after it", "no start", "the row goes on", "after the first of two"],
)
def test_whose_an_entitlement_is(ledger: State, started: float, is_ours: bool) -> None:
    shown = row(Status.CREATED, started)
    assert Ours(ledger, HERE).has(shown) == is_ours
    assert Ours(ledger, HERE).others_in([shown]) == (NO_VMS if is_ours else ONE)


@pytest.mark.parametrize(
    ("ledger", "shown", "is_shown"),
    [
        (state(call(10)), row(Status.CREATED, 5.5), False),
        (state(call(10)), row(Status.CREATED, 10.5), True),
        (state(call(10)), row(Status.CREATE_FAILED, 10.5), True),
        (state(call(10, renewed=True)), row(Status.CREATE_FAILED, 5.5, 6.5), False),
        (state(call(10, renewed=True)), row(Status.CREATE_FAILED, 5.5, 12.5), True),
        (state(call(10, renewed=True)), row(Status.ENTITLEMENT_REMOVED, 5.5, 6.5), False),
        (state(call(10)), row(Status.DELETED, 5.5, 6.5), False),
        (state(call(10)), row(Status.DELETED, 5.5, 12.5), False),
        (state(call(10)), row(Status.DELETED, 10.5, 12.5), True),
        (state(owned=True), row(Status.CREATED, 5.5), False),
    ],
)
def test_what_a_row_shows_of_a_call(ledger: State, shown: Row, is_shown: bool) -> None:
    """A row of what failed or ended is not merely the one from before the call."""
    assert Ours(ledger, HERE).shown({"vm-1": shown}, ONE) == ({"vm-1": shown.started_by} if is_shown else {})


def test_a_creation_may_show_and_may_land() -> None:
    assert unsettled.may_be_created(state(call(1, 5, 9)), HERE, 8.0) == ONE
    assert unsettled.may_be_created(state(call(1, 5, 9)), HERE, 9.0) == NO_VMS
    assert unsettled.may_land(state(call(1, 5, 9)), HERE, 4.0) == ONE
    assert unsettled.may_land(state(call(1, 5, 9)), HERE, 5.0) == NO_VMS
    assert unsettled.may_land(state(call(1, 5, 9, taken=True)), HERE, 4.0) == NO_VMS


@pytest.mark.parametrize(
    ("calls", "may_hit"),
    [
        ([deletion(1, 9)], False),
        ([deletion(1, 9), deletion(2, 9)], True),
        ([deletion(1, 9), deletion(2, 4)], False),
        ([deletion(1, 9), deletion(2, 9, taken=True)], True),
        ([deletion(2, 9, taken=True)], False),
    ],
    ids=["one explains that the VM has gone", "of two one is left", "one is over", "another was taken", "answered"],
)
def test_an_unanswered_deletion_may_hit_whoever_comes_next(calls: list[Call], may_hit: bool) -> None:
    assert unsettled.may_be_deleted(state(*calls), HERE, 5.0) == (ONE if may_hit else NO_VMS)


def test_the_newest_deletion_that_evs_took_counts() -> None:
    calls = [deletion(3, taken=True), deletion(7, taken=True), deletion(5, taken=True), deletion(9)]
    assert unsettled.asked_at(state(*calls), HERE) == {"vm-1": 7}
    assert unsettled.asked_at(state(deletion(9)), HERE) == {}


@pytest.mark.parametrize(
    ("creation", "started", "explains"),
    [(call(10), 10.5, True), (call(10), 0.0, True), (call(10), 7.5, False), (call(3), 7.5, False)],
    ids=["since", "no start", "began before it", "left before the deletion"],
)
def test_what_was_created_again_after_a_deletion(creation: Call, started: float, explains: bool) -> None:
    rows = {"vm-1": row(Status.CREATED, started)}
    again = unsettled.created_again(state(creation), HERE, {"vm-1": 5.0}, rows)
    assert again == (ONE if explains else NO_VMS)


def test_a_call_of_another_invocation_is_awaited_for_seconds_and_one_that_evs_took_until_it_shows() -> None:
    assert unsettled.awaited_until([call(10, 60, 120)], 15.0) == 25.0
    assert unsettled.awaited_until([call(10, 10, 70, taken=True)], 15.0) == 70.0
    assert unsettled.awaited_until([call(10, 60, 120), call(10, 10, 70, taken=True)], 15.0) == 70.0
    assert unsettled.awaited_until([], 15.0) == 0.0
