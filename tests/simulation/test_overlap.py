"""Requests that overlap, come late or twice, and invocations that are killed or held up anywhere."""

from collections.abc import Callable

import pytest

from .scene import Scene, SceneStack
from .world import HERE

Make = Callable[..., Scene]
STEPS = range(1, 27)


@pytest.mark.parametrize("step", STEPS)
def test_a_create_is_killed_anywhere_and_retried(world: Scene, stack: SceneStack, step: int) -> None:
    request = stack.issue("Create", ["vm-1", "vm-2"])
    request.planned = [(step, "kill", 0.0)]
    assert stack.answer(request)["Status"] == "SUCCESS"
    assert world.entitled() == {"vm-1", "vm-2"}


@pytest.mark.parametrize("step", STEPS)
def test_a_create_is_killed_anywhere_and_never_retried(world: Scene, stack: SceneStack, step: int) -> None:
    request = stack.issue("Create", ["vm-1", "vm-2"], ServiceTimeout="300")
    request.planned, request.is_retried = [(step, "kill", 0.0)], False
    world.run_for(310)
    if request.bodies:
        stack.ask("Delete", ["vm-1", "vm-2"], request.answer["PhysicalResourceId"])
    else:
        stack.ask("Delete", ["vm-1", "vm-2"], "stack-1-Windows-MADEUP")
    assert world.entitled() == set()


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("seconds", [3.0, 40.0])
def test_a_create_is_held_up_anywhere_while_its_delete_runs(
    world: Scene, stack: SceneStack, step: int, seconds: float
) -> None:
    """CloudFormation cancels the Create; what the held-up invocation does afterwards changes nothing."""
    create = stack.issue("Create", ["vm-1", "vm-2"])
    create.planned = [(step, "freeze", seconds)]
    world.run_for(1.5)
    if not create.bodies:
        assert stack.ask("Delete", ["vm-1", "vm-2"], "stack-1-Windows-MADEUP")["Status"] == "SUCCESS"
        world.run_for(200)
        assert world.entitled() == set()
    else:
        stack.ask("Delete", ["vm-1", "vm-2"], create.answer["PhysicalResourceId"])


def test_an_overtaken_invocation_that_was_held_up_before_its_answer_says_nothing(make_world: Make) -> None:
    """It can't know where it is held up after its last question to the ledger: before the call, or in it."""
    answered, silent = [], []
    for step in STEPS:
        world = make_world()
        stack = world.new_stack()
        create = stack.issue("Create", ["vm-1"])
        create.planned = [(step, "freeze", 30.0)]
        world.run_for(10.0)
        if not create.bodies:
            assert stack.ask("Delete", ["vm-1"], "stack-1-Windows-MADEUP")["Status"] == "SUCCESS"
            world.run_for(60.0)
            answered += [step] if create.bodies else []
            is_decided = any("answering SUCCESS" in line for line in world.invocations[0].lines)
            silent += [step] if is_decided and not create.bodies else []
        else:
            stack.ask("Delete", ["vm-1"], create.answer["PhysicalResourceId"])
    assert len(answered) <= 2
    assert silent


@pytest.mark.parametrize("step", STEPS)
def test_an_update_is_held_up_anywhere_while_the_rollback_runs(world: Scene, stack: SceneStack, step: int) -> None:
    stack.declare(["vm-1", "vm-2"])
    first, old = stack.physical_id, stack.model.resources["Windows"].properties
    world.run_for(2)
    update = stack.issue("Update", ["vm-2", "vm-3"], first, old=dict(old))
    update.planned = [(step, "freeze", 30.0)]
    world.run_for(1.5)
    answer = stack.ask("Update", ["vm-1", "vm-2"], first)
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", first)
    if update.bodies:
        stack.ask("Delete", ["vm-2", "vm-3"], update.answer["PhysicalResourceId"])
    world.run_for(200)
    assert world.entitled() == {"vm-1", "vm-2"}


@pytest.mark.parametrize("step", STEPS)
def test_a_delete_is_held_up_anywhere_while_a_vm_is_declared_again(world: Scene, stack: SceneStack, step: int) -> None:
    """Another resource of the stack declares the VM; the held-up invocation takes nothing away from it."""
    stack.declare(["vm-1", "vm-2"])
    world.run_for(2)
    delete = stack.issue("Delete", ["vm-1", "vm-2"], stack.physical_id)
    delete.planned = [(step, "freeze", 30.0)]
    stack.model.believed.clear()
    world.run_for(1.5)
    answer = stack.ask("Create", ["vm-2", "vm-3"], logical_id="Web")
    assert answer["Status"] == "SUCCESS"
    assert stack.answer(delete)["Status"] == "SUCCESS"
    world.run_for(200)
    assert world.entitled() == {"vm-2", "vm-3"}
    stack.ask("Delete", ["vm-2", "vm-3"], answer["PhysicalResourceId"], logical_id="Web")


@pytest.mark.parametrize("step", STEPS)
def test_a_delete_is_killed_anywhere_and_retried(world: Scene, stack: SceneStack, step: int) -> None:
    stack.declare(["vm-1", "vm-2"])
    world.run_for(2)
    delete = stack.issue("Delete", ["vm-1", "vm-2"], stack.physical_id)
    delete.planned = [(step, "kill", 0.0)]
    stack.model.believed.clear()
    assert stack.answer(delete)["Status"] == "SUCCESS"
    assert world.entitled() == set()


@pytest.mark.parametrize("after", [0.01, 0.2, 1.0, 2.4, 30.0])
@pytest.mark.parametrize("lag", [0.0, 1.0, 20.0])
def test_delivered_twice_ends_the_same_and_says_the_same(make_world: Make, after: float, lag: float) -> None:
    world = make_world(lag_created=lag, lag_deleted=lag)
    stack = world.new_stack()
    physical_id: str | None = None
    for kind in ("Create", "Delete"):
        request = stack.issue(kind, ["vm-1", "vm-2"], physical_id)
        stack.model.function.deliver(request.event, request, after)
        stack.model.believed.clear()
        answer = stack.answer(request)
        assert answer["Status"] == "SUCCESS"
        physical_id = answer["PhysicalResourceId"]
        world.run_for(after + 1)
    assert world.entitled() == set()


def test_a_request_first_delivered_after_a_newer_one_begins_nothing(world: Scene, stack: SceneStack) -> None:
    stack.declare(["vm-1"])
    world.run_for(2)
    late = stack.issue("Update", ["vm-1", "vm-2"], stack.physical_id)
    late.planned = [(1, "freeze", 30.0)]
    world.run_for(2)
    stack.ask("Update", ["vm-1", "vm-3"], stack.physical_id)
    world.run_for(60)
    assert "vm-2" not in world.entitled()
    assert not late.bodies


def test_a_create_delivered_after_its_delete_of_the_same_second_begins_nothing(world: Scene, stack: SceneStack) -> None:
    """Issued within one second, Create comes before Delete, whichever is delivered first."""
    create = stack.issue("Create", ["vm-1", "vm-2", "vm-3"])
    create.planned = [(1, "freeze", 20.0)]
    delete = stack.issue("Delete", ["vm-1", "vm-2", "vm-3"], "stack-1-Windows-MADEUP")
    assert stack.answer(delete)["Status"] == "SUCCESS"
    world.run_for(60)
    assert world.entitled() == set()


def test_a_request_past_its_deadline_begins_nothing(world: Scene, stack: SceneStack) -> None:
    request = stack.issue("Create", ["vm-1"], ServiceTimeout="60")
    request.planned = [(1, "freeze", 100.0)]
    request.excuses.add("delivered too late")
    world.run_for(300)
    assert world.entitled() == set()
    assert not world.calls("CreateEntitlement")


def test_a_cancelled_request_that_still_waits_is_fenced_off(make_world: Make) -> None:
    world = make_world(creation_takes=100.0)
    stack = world.new_stack()
    stack.declare(["vm-1", "vm-2"], fails_after=20.0)
    assert (stack.status, world.entitled()) == ("ROLLBACK_COMPLETE", set())


def test_a_vm_that_two_resources_declare_stays_until_both_are_gone(world: Scene, stack: SceneStack) -> None:
    web = stack.ask("Create", ["vm-1", "vm-2"], logical_id="Web")["PhysicalResourceId"]
    base = stack.ask("Create", ["vm-2", "vm-3"], logical_id="Database")["PhysicalResourceId"]
    world.run_for(2)
    stack.ask("Delete", ["vm-1", "vm-2"], web, logical_id="Web")
    assert world.entitled() == {"vm-2", "vm-3"}
    del stack.model.resources["Web"]
    world.run_for(2)
    stack.ask("Delete", ["vm-2", "vm-3"], base, logical_id="Database")
    assert world.entitled() == set()


def test_a_rollback_drops_nothing_of_the_live_set(world: Scene, stack: SceneStack) -> None:
    """A Delete for the id of a failed Update's new set; whether the stack is being deleted has to be asked."""
    stack.declare(["vm-1", "vm-2"])
    stack.declare(["vm-3"], fails_after=5.0, fails_last=True)
    assert world.entitled() == {"vm-1", "vm-2"}
    assert world.evs.held(HERE, "vm-1") is not None
