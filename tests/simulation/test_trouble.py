"""Services in trouble, time that runs out, and answers that meet trouble."""

from collections.abc import Callable
from typing import Any

import pytest

from .rows import Where
from .scene import Scene, SceneStack
from .trouble import broken, denied, garbage, internal_error, silence, throttled, unreachable
from .world import HERE

Make = Callable[..., Scene]


@pytest.mark.parametrize("operation", ["CreateEntitlement", "DeleteEntitlement", "ListVmEntitlements"])
@pytest.mark.parametrize(
    "fate",
    [
        throttled(),
        throttled(30),
        internal_error(None),
        internal_error(0.0),
        broken(None),
        broken(0.0),
        silence(None),
        silence(0.0),
        unreachable(),
        garbage(),
        denied(),
    ],
    ids=lambda fate: f"{fate.name} {fate.effect}",
)
def test_a_fault_at_every_operation(world: Scene, stack: SceneStack, operation: str, fate: object) -> None:
    world.trouble.plan(operation, fate)  # type: ignore[arg-type]
    stack.declare(["vm-1", "vm-2"])
    world.trouble.plan(operation, fate)  # type: ignore[arg-type]
    stack.declare(["vm-2", "vm-3"])
    assert (stack.status, world.entitled()) == ("UPDATE_COMPLETE", {"vm-2", "vm-3"})
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", set())


@pytest.mark.parametrize("operation", ["GetItem", "PutItem", "UpdateItem"])
@pytest.mark.parametrize(
    "fate", [throttled(), internal_error(0.0), broken(0.0), silence(0.0), unreachable()], ids=lambda fate: fate.name
)
def test_a_ledger_in_trouble_is_ridden_out(world: Scene, stack: SceneStack, operation: str, fate: object) -> None:
    for _ in range(3):
        world.trouble.plan(operation, fate)  # type: ignore[arg-type]
    stack.declare(["vm-1", "vm-2"])
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", set())


def test_throttled_twice_in_a_long_create_is_no_long_trouble(make_world: Make) -> None:
    """Trouble ends with the first call that succeeds, in whichever invocation."""
    world = make_world(creation_takes=3400.0)
    stack = world.new_stack()
    request = stack.issue("Create", ["vm-1"])
    for at in (868.0, 1763.0):
        world.after(at, world.trouble.plan, "ListVmEntitlements", throttled())
    assert stack.answer(request)["Status"] == "SUCCESS"
    assert request.answered_at - request.issued_at > 1700


def test_each_service_has_its_own_trouble(world: Scene, stack: SceneStack) -> None:
    """EVS is away for 290 s; then DynamoDB throttles once, and nothing fails for that."""
    stack.declare(["vm-1"])
    world.run_for(2)
    world.outage("evs", 290.0)
    world.after(288.0, world.trouble.plan, "UpdateItem", throttled(), throttled())
    world.after(288.0, world.trouble.plan, "PutItem", throttled(), throttled())
    stack.declare(["vm-1", "vm-2"])
    assert stack.status == "UPDATE_COMPLETE"


def test_evs_out_of_reach_until_the_deadline_fails_and_says_so(world: Scene, stack: SceneStack) -> None:
    world.outage("evs", 4000.0)
    answer = stack.ask("Create", ["vm-1"])
    assert answer["Status"] == "FAILED"
    assert "evs:" in answer["Reason"]


def test_access_denied_that_heals(world: Scene, stack: SceneStack) -> None:
    world.trouble.denied_until["ListVmEntitlements"] = world.clock.now + 60
    stack.declare(["vm-1"])
    assert stack.status == "CREATE_COMPLETE"


@pytest.mark.parametrize("function_timeout", [30.0, 900.0])
def test_access_denied_that_stays_is_reported_with_its_action(make_world: Make, function_timeout: float) -> None:
    """It is ridden out from the request's arrival on, however many invocations that takes."""
    world = make_world(function_timeout=function_timeout)
    stack = world.new_stack()
    world.trouble.denied_until["CreateEntitlement"] = world.clock.now + 9000
    request = stack.issue("Create", ["vm-1"])
    request.excuses.add("denied")
    answer = stack.answer(request)
    assert answer["Status"] == "FAILED"
    assert "evs:CreateEntitlement" in answer["Reason"]
    assert 50 < request.answered_at - request.issued_at < 110


# --- time ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function_timeout", [30.0, 60.0, 900.0])
def test_creation_outlives_the_function(make_world: Make, function_timeout: float) -> None:
    world = make_world(creation_takes=600.0, function_timeout=function_timeout)
    stack = world.new_stack()
    stack.declare([f"vm-{number}" for number in range(1, 121)])
    assert stack.status == "CREATE_COMPLETE"


@pytest.mark.parametrize("function_timeout", [30.0, 900.0])
def test_at_the_deadline_it_fails_in_time_and_is_undone(make_world: Make, function_timeout: float) -> None:
    world = make_world(creation_takes=5000.0, function_timeout=function_timeout)
    stack = world.new_stack()
    request = stack.issue("Create", ["vm-1"], ServiceTimeout="300")
    answer = stack.answer(request)
    assert answer["Status"] == "FAILED"
    assert "CREATING" in answer["Reason"]
    stack.ask("Delete", ["vm-1"], answer["PhysicalResourceId"])
    world.run_for(200)
    assert world.evs.held(HERE, "vm-1") is None


def test_a_long_list_a_short_function_and_slow_pages(make_world: Make) -> None:
    """Each invocation carries on where the look was, or the request fails in time; no chain outlives the deadline."""
    world = make_world(function_timeout=30.0, latency=0.7, page_size=100)
    world.by_hand(*(f"vm-{number}" for number in range(1000, 6000)))
    stack = world.new_stack()
    request = stack.issue("Create", ["vm-1"])
    stack.answer(request)
    assert request.invocations < 100


@pytest.mark.parametrize("kind", ["Create", "Delete"])
def test_a_list_without_end(world: Scene, stack: SceneStack, kind: str) -> None:
    """A page token that leads to itself for ever."""
    if kind == "Delete":
        stack.declare(["vm-1"])
        world.run_for(2)
    page = world.listing.page

    def endless(where: Where, token: str | None, most: int) -> dict[str, Any]:
        return {**page(where, token, most), "nextToken": f"key/{world.clock.now}/0"}

    world.listing.page = endless  # type: ignore[method-assign]
    request = stack.issue(kind, ["vm-1"], None if kind == "Create" else stack.physical_id)
    request.excuses.add("a list without end")
    answer = stack.answer(request)
    assert answer["Status"] == "FAILED"
    world.run_for(4000)
    assert request.invocations < 200
    world.listing.page = page  # type: ignore[method-assign]
    if kind == "Delete":
        stack.delete()


@pytest.mark.parametrize("timeout", [5.0, 11.0])
def test_a_function_timeout_that_is_too_short_is_said_at_once(make_world: Make, timeout: float) -> None:
    world = make_world(function_timeout=timeout)
    stack = world.new_stack()
    request = stack.issue("Create", ["vm-1"])
    answer = stack.answer(request)
    assert answer["Status"] == "FAILED"
    assert "timeout" in answer["Reason"]
    assert request.answered_at - request.issued_at < timeout


def test_a_hand_over_that_is_refused_for_good_is_answered(make_world: Make) -> None:
    world = make_world(creation_takes=2000.0, function_timeout=60.0, hand_over="refused")
    stack = world.new_stack()
    answer = stack.ask("Create", ["vm-1"])
    assert answer["Status"] == "FAILED"
    world.weather.hand_over = "taken"
    world.run_for(2500)
    stack.ask("Delete", ["vm-1"], answer["PhysicalResourceId"])


@pytest.mark.parametrize("service_timeout", [60, 90, 105, 115, 120, 130, 150, 175, 190, 200, 210, 225, 240, 300, 600])
@pytest.mark.parametrize("function_timeout", [30.0, 45.0])
@pytest.mark.parametrize("kind", ["Create", "Update", "Delete"])
def test_lambdas_retry_is_relied_on_only_where_it_comes_in_time(
    make_world: Make, kind: str, function_timeout: float, service_timeout: int
) -> None:
    """It tries after one minute, then after two, then no more."""
    world = make_world(creation_takes=2000.0, function_timeout=function_timeout)
    stack = world.new_stack()
    if kind != "Create":
        world.weather.creation_takes = 1.0
        stack.declare(["vm-1"])
        world.weather.creation_takes = 2000.0
    if kind == "Delete":
        world.evs.stuck.add("vm-1")
    world.weather.hand_over = "throttled for good"
    vm_ids = ["vm-1", "vm-2"] if kind == "Update" else ["vm-1"]
    physical_id = None if kind == "Create" else stack.physical_id
    request = stack.issue(kind, vm_ids, physical_id, ServiceTimeout=str(service_timeout))
    answer = stack.answer(request)
    assert answer["Status"] == "FAILED"
    assert request.answered_at <= request.deadline
    world.weather.hand_over = "taken"
    world.evs.stuck.clear()
    world.run_for(2500)
    if kind == "Create":
        stack.ask("Delete", ["vm-1"], answer["PhysicalResourceId"])
    else:
        stack.delete()


@pytest.mark.parametrize(
    ("service_timeout", "reason"),
    [(230, "can't go on in a fresh invocation"), (258, "can't go on in a fresh invocation"), (315, "time is up")],
)
def test_a_pause_that_cannot_be_handed_on_is_answered_in_time(
    make_world: Make, service_timeout: int, reason: str
) -> None:
    """An invocation that only sleeps does not know how often it was tried."""
    world = make_world(function_timeout=30.0)
    world.trouble.plan("ListVmEntitlements", throttled(150))
    world.clock.after(20.0, setattr, world.weather, "hand_over", "throttled for good")
    stack = world.new_stack()
    request = stack.issue("Create", ["vm-1"], ServiceTimeout=str(service_timeout))
    answer = stack.answer(request)
    assert answer["Status"] == "FAILED"
    assert reason in answer["Reason"]
    assert request.answered_at <= request.deadline
    world.weather.hand_over = "taken"
    stack.ask("Delete", ["vm-1"], answer["PhysicalResourceId"])


# --- the answer ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", [[500, 503, "broken"], ["lost"], ["lost with 500", "lost"], [500] * 12])
@pytest.mark.parametrize("function_timeout", [30.0, 900.0])
def test_an_answer_that_meets_trouble_is_sent_again(
    make_world: Make, trouble: list[int | str], function_timeout: float
) -> None:
    world = make_world(function_timeout=function_timeout)
    world.answers.planned = list(trouble)
    stack = world.new_stack()
    stack.declare(["vm-1"])
    assert stack.status == "CREATE_COMPLETE"


def test_an_answer_that_is_refused_is_given_up(world: Scene, stack: SceneStack) -> None:
    world.answers.planned = [403]
    request = stack.issue("Create", ["vm-1"])
    world.run_for(600)
    assert not request.bodies
    assert not world.answers.planned
    stack.ask("Delete", ["vm-1"], "stack-1-Windows-MADEUP")
