"""What a Create or Update has to do, as a pure decision."""

import pytest

from lambda_handler.evs import Row
from lambda_handler.ledger import Flight, Holding
from lambda_handler.plan import plan

NOW = 1000.0


def decide(declared, *, owned=(), established=(), rows=(), adopt=False, removing=()):
    return plan(
        frozenset(declared),
        adopt_existing=adopt,
        holding=Holding(owned=frozenset(owned), removing=tuple(removing)),
        established=frozenset(established),
        rows={row.vm_id: row for row in rows},
        now=NOW,
    )


@pytest.mark.parametrize("row", [[], [Row("vm-1", "DELETED")], [Row("vm-1", "CREATE_FAILED")]])
def test_what_is_new_and_not_held_is_created_and_required(row):
    planned = decide(["vm-1"], rows=row)
    assert planned.create == planned.required == {"vm-1"}
    assert not planned.conflicts


@pytest.mark.parametrize("status", ["CREATING", "CREATED", "AT_RISK", "ENTITLEMENT_REMOVED"])
def test_what_is_somebody_elses_is_a_conflict(status):
    planned = decide(["vm-1", "vm-2"], rows=[Row("vm-1", status)])
    assert planned.conflicts.keys() == {"vm-1"}
    assert not planned.adopt


@pytest.mark.parametrize(("status", "awaited"), [("CREATING", True), ("CREATED", True), ("ENTITLEMENT_REMOVED", False)])
def test_adopting_calls_nothing_and_waits_for_what_can_come(status, awaited):
    planned = decide(["vm-1"], rows=[Row("vm-1", status)], adopt=True)
    assert planned.adopt == {"vm-1"}
    assert not planned.create
    assert not planned.conflicts
    assert planned.required == ({"vm-1"} if awaited else set())


@pytest.mark.parametrize("row", [[], [Row("vm-1", "ENTITLEMENT_REMOVED")], [Row("vm-1", "CREATE_FAILED")]])
def test_what_a_live_set_relies_on_is_restored_and_not_required(row):
    planned = decide(["vm-1"], owned=["vm-1"], established=["vm-1"], rows=row)
    assert planned.restore == {"vm-1"}
    assert not planned.create
    assert not planned.required


def test_what_is_ours_and_held_sees_no_call():
    planned = decide(["vm-1"], owned=["vm-1"], established=["vm-1"], rows=[Row("vm-1", "CREATED")])
    assert not planned.create | planned.restore | planned.adopt | planned.required


def test_what_an_overtaken_request_of_ours_left_is_taken_up_and_required():
    planned = decide(["vm-1"], owned=["vm-1"], rows=[Row("vm-1", "CREATING")])
    assert not planned.create
    assert planned.required == {"vm-1"}


@pytest.mark.parametrize(
    ("until", "answered", "listed", "busy"),
    [(NOW + 1, False, True, True), (NOW + 1, False, False, True), (NOW - 1, False, True, False),
     (NOW + 1, True, True, True), (NOW + 1, True, False, False)],
)  # fmt: skip
def test_a_removal_under_way_is_awaited_for_as_long_as_it_may_still_hit(until, answered, listed, busy):
    planned = decide(
        ["vm-1"],
        owned=["vm-1"],
        rows=[Row("vm-1", "CREATED")] if listed else [],
        removing=[Flight(frozenset({"vm-1", "vm-2"}), until, "somebody", answered)],
    )
    assert planned.busy == ({"vm-1"} if busy else set())
