"""Handing a request over to a fresh invocation while Lambda, or the ledger with it, does not do its part.

Each scene is judged when its test ends: every request answered once and in time, nothing left behind. So many a test
asserts only what the judge does not know.
"""

from collections.abc import Callable

import pytest

from .scene import Scene
from .trouble import Fate, broken, silence, throttled, unreachable

Make = Callable[..., Scene]
NO_CONNECTION = Fate("connect time-out", None, unreachable().error, late=2.95)
FOR_GOOD = 1e12


@pytest.mark.parametrize("dated_urls", [True, False])
@pytest.mark.parametrize("fate", [silence(None), NO_CONNECTION], ids=["silent", "no connection"])
@pytest.mark.parametrize("function_timeout", [20.5, 30.0, 60.0, 900.0])
@pytest.mark.parametrize("kind", ["Create", "Delete"])
def test_lambda_does_not_answer_the_hand_over(
    make_world: Make, function_timeout: float, fate: Fate, kind: str, dated_urls: bool
) -> None:
    world = make_world(function_timeout=function_timeout, dated_urls=dated_urls)
    stack = world.new_stack()
    if kind == "Delete":
        stack.declare(["vm-1"])
        world.weather.deletion_takes = 10_000.0
        stack.model.release("Windows", stack.physical_id)
    world.weather.creation_takes = 10_000.0
    world.trouble.lasting["lambda"] = fate, FOR_GOOD
    request = stack.issue(kind, ["vm-1"], None if kind == "Create" else stack.physical_id)
    request.excuses.add("hand-over refused")
    answer = stack.answer(request)
    assert answer["Status"] == "FAILED"
    assert "can't go on in a fresh invocation" in answer["Reason"]
    world.trouble.lasting.clear()
    world.run_for(12_000)
    world.weather.deletion_takes = 1.0
    stack.ask("Delete", ["vm-1"], answer["PhysicalResourceId"])


@pytest.mark.parametrize("calls", [1, 2, 3, 4])
@pytest.mark.parametrize("function_timeout", [30.0, 60.0])
def test_a_call_that_hangs_before_a_hand_over_that_hangs(make_world: Make, function_timeout: float, calls: int) -> None:
    """EVS is silent each so many calls, so that the hand-over begins with as little time as there may be."""
    world = make_world(function_timeout=function_timeout, creation_takes=10_000.0)
    stack = world.new_stack()
    create = stack.issue("Create", ["vm-1"])
    create.excuses.add("hand-over refused")
    world.run_for(3)
    world.trouble.plan("ListVmEntitlements", *[*[Fate("ok")] * (calls - 1), silence(None)] * 300)
    world.trouble.lasting["lambda"] = silence(None), FOR_GOOD
    answer = stack.answer(create)
    assert answer["Status"] == "FAILED"
    world.trouble.lasting.clear()
    world.trouble.planned.clear()
    world.run_for(12_000)
    stack.ask("Delete", ["vm-1"], answer["PhysicalResourceId"])


@pytest.mark.parametrize("after", [0.0, 5.0, 40.0])
@pytest.mark.parametrize("fate", [silence(None), unreachable()], ids=["silent", "unreachable"])
@pytest.mark.parametrize("dated_urls", [True, False])
@pytest.mark.parametrize("function_timeout", [30.0, 60.0, 900.0])
@pytest.mark.parametrize("kind", ["Create", "Delete"])
def test_neither_ledger_nor_lambda_can_be_reached_for_a_while(
    make_world: Make, kind: str, function_timeout: float, dated_urls: bool, fate: Fate, after: float
) -> None:
    """No ledger counts how often Lambda has tried. The time tells, or nothing does."""
    world = make_world(function_timeout=function_timeout, dated_urls=dated_urls)
    stack = world.new_stack()
    if kind == "Delete":
        stack.declare(["vm-1"])
        world.run_for(5)
        stack.model.release("Windows", stack.physical_id)
    world.weather.creation_takes = world.weather.deletion_takes = 10_000.0
    request = stack.issue(kind, ["vm-1"], None if kind == "Create" else stack.physical_id)
    request.excuses.add("no ledger")
    world.run_for(after)
    world.outage("dynamodb", 1200.0)
    if fate.silent:
        world.trouble.lasting["dynamodb"] = fate, world.clock.now + 1200.0
    world.trouble.lasting["lambda"] = fate, world.clock.now + 1200.0
    answer = stack.answer(request)
    world.run_for(12_000)
    world.weather.deletion_takes = 1.0
    if answer["Status"] == "FAILED":
        stack.ask("Delete", ["vm-1"], answer["PhysicalResourceId"])


@pytest.mark.parametrize("times", [2, 4])
def test_hand_overs_that_fail_for_half_a_minute_far_apart(make_world: Make, times: int) -> None:
    """Each time Lambda tries again after a minute, and long before the answer is due: the work goes on."""
    world = make_world(function_timeout=60.0, creation_takes=3000.0)
    stack = world.new_stack()
    request = stack.issue("Create", ["vm-1"])
    for number in range(times):
        world.after(30.0 + number * 400, setattr, world.weather, "hand_over", "throttled for good")
        world.after(75.0 + number * 400, setattr, world.weather, "hand_over", "taken")
    answer = stack.answer(request)
    assert answer["Status"] == "SUCCESS", answer["Reason"]


@pytest.mark.parametrize("fate", [broken(0.0), silence(0.0), silence(1.0)], ids=["broken", "silent", "late"])
@pytest.mark.parametrize("lasts", [0.0, 18.0, 36.0, 300.0])
@pytest.mark.parametrize("function_timeout", [30.0, 60.0])
def test_hand_overs_whose_answer_is_lost_do_not_multiply(
    make_world: Make, function_timeout: float, lasts: float, fate: Fate
) -> None:
    """Lambda takes each event, and the connection breaks before it says so; for so many seconds, then never more."""
    world = make_world(function_timeout=function_timeout, creation_takes=1200.0)
    stack = world.new_stack()
    request = stack.issue("Create", ["vm-1"])
    world.trouble.lasting["lambda"] = fate, request.issued_at + lasts
    most = 0

    def count() -> None:
        nonlocal most
        most = max(most, sum(one.is_running for one in world.invocations))

    for second in range(0, 500, 5):
        world.after(float(second), count)
    world.run_for(500)
    assert sum(one.is_running for one in world.invocations) == 1
    assert most <= 2
    assert stack.answer(request)["Status"] == "SUCCESS"


def test_a_pause_is_slept_by_one_invocation_though_answers_of_lambda_are_lost(make_world: Make) -> None:
    """EVS asks for a pause that takes several invocations, and Lambda takes each of their events without an answer."""
    world = make_world(function_timeout=30.0, creation_takes=400.0)
    world.trouble.plan("ListVmEntitlements", throttled(250))
    stack = world.new_stack()
    request = stack.issue("Create", ["vm-1"])
    world.trouble.lasting["lambda"] = broken(0.0), request.issued_at + 200.0
    world.run_for(240)
    assert sum(one.is_running for one in world.invocations) == 1
    assert stack.answer(request)["Status"] == "SUCCESS"
    first = next(at for at, fact in world.story.facts if fact[0] == "call" and fact[2] == "CreateEntitlement")
    assert first - request.issued_at > 240


def test_an_invocation_that_is_not_the_newest_of_its_request_hands_nothing_over(make_world: Make) -> None:
    """Lambda delivers the event twice. Both invocations wait, and one of them goes on."""
    world = make_world(function_timeout=30.0, creation_takes=600.0)
    stack = world.new_stack()
    request = stack.issue("Create", ["vm-1"], delivered=[0.0, 4.0])
    world.run_for(9)
    request.delivered = [0.1]
    assert sum(one.is_running for one in world.invocations) == 2
    world.run_for(300)
    assert sum(one.is_running for one in world.invocations) == 1
    assert stack.answer(request)["Status"] == "SUCCESS"
