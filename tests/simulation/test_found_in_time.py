"""What breaking the product on purpose has found about requests that were answered late, or not at all.

Each scene is judged when its test ends: nothing left behind, nothing foreign touched, every request answered once. So
many a test asserts only what the judge does not know.
"""

from collections.abc import Callable

import pytest

from lambda_handler.pace import Pace

from .scene import Scene, properties, vms
from .trouble import silence, throttled
from .world import HERE

Make = Callable[..., Scene]


@pytest.mark.parametrize("kind", ["Create", "Delete"])
@pytest.mark.parametrize("latency", [0.35, 0.7])
@pytest.mark.parametrize("rows", [5000, 9000])
def test_a_list_that_no_invocation_can_finish_is_read_across_invocations(
    make_world: Make, kind: str, latency: float, rows: int
) -> None:
    world = make_world(function_timeout=30.0)
    stack = world.new_stack()
    if kind == "Delete":
        stack.declare(["vm-1"])
    world.weather.latency = latency
    world.by_hand(*vms(10_000, 10_000 + rows))
    request = stack.issue(kind, ["vm-1"], None if kind == "Create" else stack.physical_id)
    if kind == "Delete":
        stack.model.release("Windows", stack.physical_id)
    assert stack.answer(request)["Status"] == "SUCCESS"
    assert request.invocations < 60
    assert request.answered_at - request.issued_at < 1200


@pytest.mark.parametrize("timeout", [3.0, 5.0, 11.0, 19.0])
@pytest.mark.parametrize("kind", ["Create", "Update", "Delete"])
def test_a_function_timeout_that_is_too_short_for_anything(world: Scene, timeout: float, kind: str) -> None:
    stack = world.new_stack(function_timeout=900.0)
    if kind != "Create":
        stack.declare(["vm-1"])
    stack.model.function.timeout = timeout
    request = stack.issue(kind, ["vm-1"], None if kind == "Create" else stack.physical_id)
    answer = stack.answer(request)
    assert (answer["Status"], request.invocations) == ("FAILED", 1)
    assert "timeout is too short" in answer["Reason"]
    stack.model.function.timeout = 900.0


@pytest.mark.parametrize("kind", ["Create", "Update", "Delete"])
@pytest.mark.parametrize("function_timeout", [30.0, 60.0])
def test_a_hand_over_that_is_never_taken_is_answered(make_world: Make, kind: str, function_timeout: float) -> None:
    world = make_world(function_timeout=function_timeout)
    stack = world.new_stack()
    if kind != "Create":
        stack.declare(["vm-1"])
    world.weather.hand_over, world.weather.creation_takes = "refused", 2000.0
    if kind == "Delete":
        world.evs.stuck.add("vm-1")
    number = {"Create": ["vm-1"], "Update": ["vm-1", "vm-2"], "Delete": ["vm-1"]}[kind]
    request = stack.issue(kind, number, None if kind == "Create" else stack.physical_id)
    request.excuses.add("hand-over refused")
    answer = stack.answer(request)
    assert answer["Status"] == "FAILED"
    assert request.answered_at - request.issued_at < 400
    world.evs.stuck.clear()
    world.weather.hand_over = "taken"
    world.run_for(2500)
    if kind == "Create":
        stack.ask("Delete", ["vm-1"], answer["PhysicalResourceId"])
    else:
        stack.delete()


@pytest.mark.parametrize("same_second", [False, True])
@pytest.mark.parametrize("number", [2, 3])
def test_clean_ups_of_several_former_sets_at_once(make_world: Make, same_second: bool, number: int) -> None:
    """Rollback is off: each failed operation leaves a former set, and the next good one deletes them together."""
    world = make_world(same_second=same_second, deletion_takes=5.0)
    stack = world.new_stack()
    stack.declare(["vm-1"])
    for one in range(2, 2 + number):
        stack.declare([f"vm-{one}"], fails_after=20.0, fails_last=True, rolls_back=False)
    stack.declare(["vm-9"])
    assert (stack.status, world.entitled()) == ("UPDATE_COMPLETE", {"vm-9"})


@pytest.mark.parametrize("function_timeout", [30.0, 60.0, 900.0])
@pytest.mark.parametrize("refusal", ["message", "unnamed"])
@pytest.mark.parametrize("number", [2, 250])
def test_a_refused_deletion_is_reported_within_minutes(
    make_world: Make, function_timeout: float, refusal: str, number: int
) -> None:
    world = make_world(function_timeout=function_timeout, refusal=refusal)
    stack = world.new_stack()
    stack.declare(vms(1, number))
    world.evs.stuck.add("vm-2")
    request = stack.delete().requests[0]
    assert request.answer["Status"] == "FAILED"
    assert request.answered_at - request.issued_at < 600
    assert request.invocations < 25
    assert world.entitled() == {"vm-2"}
    world.evs.stuck.clear()
    stack.delete()


@pytest.mark.parametrize("operation", ["ListVmEntitlements", "GetItem", "PutItem"])
@pytest.mark.parametrize("function_timeout", [30.0, 900.0])
@pytest.mark.parametrize("shift", [0.0, 5.0, 10.0, 15.0])
def test_single_throttles_far_apart_are_no_long_trouble(
    make_world: Make, operation: str, function_timeout: float, shift: float
) -> None:
    """Some of them are the last that an invocation of 900 s sees before it hands over."""
    world = make_world(creation_takes=3300.0, function_timeout=function_timeout)
    stack = world.new_stack()
    request = stack.issue("Create", ["vm-1"])
    for at in (25.0, 855.0, 1250.0, 1740.0, 2620.0):
        world.after(at + shift, world.trouble.plan, operation, *[throttled()] * 5)
    assert stack.answer(request)["Status"] == "SUCCESS"


@pytest.mark.parametrize("operation", ["GetItem", "PutItem", "UpdateItem"])
@pytest.mark.parametrize("away", [250.0, 296.0, 299.0])
@pytest.mark.parametrize("function_timeout", [33.0, 63.0, 72.0, 96.0, 900.0])
def test_the_ledger_throttles_once_while_evs_comes_back(
    make_world: Make, operation: str, away: float, function_timeout: float
) -> None:
    world = make_world(function_timeout=function_timeout)
    stack = world.new_stack()
    stack.declare(["vm-1"])
    world.run_for(2)
    world.outage("evs", away)
    world.after(away - 1, world.trouble.plan, operation, throttled())
    stack.declare(["vm-1", "vm-2"])
    assert (stack.status, world.entitled()) == ("UPDATE_COMPLETE", {"vm-1", "vm-2"})


@pytest.mark.parametrize("at", [60.0, 200.0, 400.0, 800.0])
def test_a_throttled_question_to_cloudformation_late_in_an_invocation(make_world: Make, at: float) -> None:
    """It is tried again, as one that comes early is: or what was adopted would be given back for good."""
    world = make_world(deletion_takes=10.0)
    world.by_hand("vm-1")
    stack = world.new_stack()
    stack.declare(["vm-1", "vm-2"], adopts=True)
    request = stack.issue("Delete", ["vm-1", "vm-2"], stack.physical_id, adopts=True)
    stack.model.release("Windows", stack.physical_id)
    request.planned = [(4, "freeze", at)]
    for operation in ("DescribeStacks", "DescribeStackEvents", "DescribeStackResource"):
        world.trouble.plan(operation, throttled(0, "Throttling"))
    stack.model.status = "DELETE_IN_PROGRESS"
    assert stack.answer(request)["Status"] == "SUCCESS"
    assert world.entitled() == set()


@pytest.mark.parametrize("seconds", [30.0, 150.0, 220.0])
@pytest.mark.parametrize("function_timeout", [60.0, 900.0])
def test_evs_refuses_everything_while_an_environment_is_being_deleted(
    make_world: Make, seconds: float, function_timeout: float
) -> None:
    world = make_world(function_timeout=function_timeout, refusal="unnamed")
    stack = world.new_stack()
    stack.declare(vms(1, 3))
    world.evs.stuck |= set(vms(1, 3))
    world.after(seconds, world.evs.stuck.clear)
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", set())


def test_an_environment_that_goes_while_it_is_being_emptied(make_world: Make) -> None:
    world = make_world(refusal="unnamed")
    stack = world.new_stack()
    stack.declare(vms(1, 3))
    world.evs.stuck |= set(vms(1, 3))
    world.after(100.0, world.evs.remove_place, HERE)
    stack.delete()
    assert stack.status == "DELETE_COMPLETE"


@pytest.mark.parametrize("operation", ["GetItem", "PutItem"])
@pytest.mark.parametrize("shift", range(-20, 4, 2))
def test_the_ledger_throttles_once_when_the_time_to_create_is_up(make_world: Make, operation: str, shift: int) -> None:
    """An invocation that begins just then still has all the time that is kept for the undo."""
    world = make_world(creation_takes=10_000.0, function_timeout=30.0)
    stack = world.new_stack()
    request = stack.issue("Create", ["vm-1"])
    # The answer is due 30 s before CloudFormation gives up; 300 s of the time before that are kept for the undo.
    for after in (0.0, 0.5, 1.0, 1.5):
        world.after(3270.0 + shift + after, world.trouble.plan, operation, throttled())
    answer = stack.answer(request)
    assert answer["Status"] == "FAILED"
    assert "still CREATING" in answer["Reason"]
    world.trouble.planned.clear()
    stack.ask("Delete", ["vm-1"], answer["PhysicalResourceId"])


@pytest.mark.parametrize("throttles", [1, 3])
def test_an_event_that_comes_again_late_is_answered_as_before_though_the_ledger_throttles(
    world: Scene, throttles: int
) -> None:
    stack = world.new_stack()
    request = stack.issue("Create", ["vm-1"], delivered=[0.0, 360.0], ServiceTimeout="300")
    assert stack.answer(request)["Status"] == "SUCCESS"
    world.after(
        350.0 - request.answered_at + request.issued_at, world.trouble.plan, "GetItem", *[throttled()] * throttles
    )
    # Another answer than the first would be a violation.
    world.run_for(400)
    assert request.invocations == 2
    stack.delete()


@pytest.mark.parametrize("service_timeout", [60, 100, 300, 3600])
@pytest.mark.parametrize("kind", ["Create", "Delete"])
@pytest.mark.parametrize("before", [0.05, 0.5, 2.0])
def test_one_call_without_an_answer_when_the_time_is_up(
    make_world: Make, service_timeout: int, kind: str, before: float
) -> None:
    """One question of the list, asked shortly before the answer is due, is never answered."""
    world = make_world(refuse_delete_while_creating=True, latency=0.01)
    stack = world.new_stack()
    world.weather.creation_takes = 20_000.0
    request = stack.issue("Create", ["vm-1"], ServiceTimeout=str(service_timeout if kind == "Create" else 60))
    margin = service_timeout - Pace().answer_by(0.0, service_timeout)
    if kind == "Delete":
        stack.answer(request)
        request = stack.issue("Delete", ["vm-1"], "stack-1-Windows-MADEUP", ServiceTimeout=str(service_timeout))
    at = service_timeout - margin - before
    world.after(at, world.trouble.plan, "ListVmEntitlements", silence(None))
    world.run_for(service_timeout + 60)
    assert request.bodies
    late = request.answered_at - request.deadline
    world.run_for(21_000)
    stack.ask("Delete", ["vm-1"], request.answer["PhysicalResourceId"])
    assert late < 0


def test_an_update_that_is_stopped_since_the_stack_goes_keeps_its_id(make_world: Make) -> None:
    """Rollback is off, so that it was cancelled and still goes on; the resource itself is retained."""
    world = make_world(creation_takes=30.0)
    stack = world.new_stack()
    other, retain = {"Other": properties(["vm-9"])}, {"Windows": "attribute"}
    stack.deploy({"Windows": properties(["vm-1"], retains=True), **other}, retain=retain)
    physical_id = stack.physical_id
    windows = {"Windows": properties(["vm-2"], retains=True), **other}
    update = stack.deploy(windows, retain=retain, fails_after=5.0, rolls_back=False).requests[-1]
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", {"vm-1"})
    assert (update.answer["Status"], update.answer["PhysicalResourceId"]) == ("FAILED", physical_id)
