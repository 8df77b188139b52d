"""A function that several stacks use: their ledgers are apart, and a stack that it may not ask about gets nothing."""

import pytest

from lambda_handler.wiring import SHARED

from .scene import Scene, SceneStack, properties


@pytest.fixture(autouse=True)
def is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SHARED, "true")


@pytest.fixture
def other(world: Scene, stack: SceneStack) -> SceneStack:
    """A second stack that uses the first one's function and table."""
    return world.new_stack(shares=stack.model)


# --- ledgers ------------------------------------------------------------------------------------------------------


def test_two_stacks_with_one_logical_id_and_one_environment_do_not_mix(
    world: Scene, stack: SceneStack, other: SceneStack
) -> None:
    stack.declare(["vm-1", "vm-2"])
    other.declare(["vm-3", "vm-4"])
    stack.declare(["vm-1"])
    assert world.entitled() == {"vm-1", "vm-3", "vm-4"}
    other.declare(["vm-4", "vm-5"], fails_after=5.0, fails_last=True)
    assert (other.status, world.entitled()) == ("UPDATE_ROLLBACK_COMPLETE", {"vm-1", "vm-3", "vm-4"})
    other.delete()
    assert (other.status, world.entitled()) == ("DELETE_COMPLETE", {"vm-1"})
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", set())


def test_two_stacks_at_once(world: Scene, stack: SceneStack, other: SceneStack) -> None:
    """Neither fences the other: what fences is the newest request of a logical id of one stack."""
    _, first = stack.begin({"Windows": properties(["vm-1", "vm-2"])})
    _, second = other.begin({"Windows": properties(["vm-3"])})
    world.clock.wait_for(first)
    world.clock.wait_for(second)
    assert (stack.status, other.status) == ("CREATE_COMPLETE", "CREATE_COMPLETE")
    assert world.entitled() == {"vm-1", "vm-2", "vm-3"}


def test_what_another_stack_of_the_function_holds_is_a_conflict(
    world: Scene, stack: SceneStack, other: SceneStack
) -> None:
    stack.declare(["vm-1"])
    operation = other.declare(["vm-1", "vm-2"])
    assert (other.status, world.entitled()) == ("ROLLBACK_COMPLETE", {"vm-1"})
    assert "not by this stack: vm-1" in operation.requests[0].answer["Reason"]


def test_the_same_stack_name_made_anew_has_a_ledger_of_its_own(world: Scene, stack: SceneStack) -> None:
    """A stack's id tells it from a namesake that was deleted: what that one retained is not this one's to remove."""
    guest = world.new_stack(shares=stack.model, name="guest")
    guest.declare(["vm-1"], retain="attribute")
    guest.delete()
    again = world.new_stack(shares=stack.model, name="guest-2")
    again.declare(["vm-2"])
    again.delete()
    assert world.entitled() == {"vm-1"}


# --- a stack that it may not ask about ------------------------------------------------------------------------------


def test_a_stack_that_it_may_not_ask_about_gets_nothing(world: Scene, stack: SceneStack, other: SceneStack) -> None:
    world.by_hand("vm-9")
    other.model.is_denied = True
    operation = other.declare(["vm-1", "vm-9"], adopts=True)
    reason = operation.requests[0].answer["Reason"]
    assert "access denied: cloudformation:DescribeStacks: AccessDenied" in reason
    assert "stack_names" in reason
    assert (other.status, world.entitled()) == ("ROLLBACK_COMPLETE", {"vm-9"})
    assert world.calls("CreateEntitlement") == world.calls("DeleteEntitlement") == []


def test_a_nested_stack_whose_root_it_may_not_ask_about_gets_nothing(world: Scene, stack: SceneStack) -> None:
    nested = world.new_stack(shares=stack.model, nested=True)
    assert nested.model.root is not None
    nested.model.unaskable = {nested.model.root.id}
    operation = nested.declare(["vm-1"])
    assert nested.model.root.id in operation.requests[0].answer["Reason"]
    assert world.calls("CreateEntitlement") == []


def test_the_permission_goes_and_what_is_live_stays_as_it_is(
    world: Scene, stack: SceneStack, other: SceneStack
) -> None:
    """The Update adds nothing, and the Update back needs no leave: the stack is not stuck."""
    other.declare(["vm-1", "vm-2"])
    other.model.is_denied = True
    other.declare(["vm-2", "vm-3"])
    assert (other.status, world.entitled()) == ("UPDATE_ROLLBACK_COMPLETE", {"vm-1", "vm-2"})
    assert ["vm-3"] not in world.calls("CreateEntitlement")


def test_the_permission_goes_and_the_stack_is_deleted(world: Scene, stack: SceneStack, other: SceneStack) -> None:
    """What the stack created goes. What it took over can't be told from what it must give back: that stays."""
    world.by_hand("vm-9")
    other.declare(["vm-1", "vm-9"], adopts=True)
    other.model.is_denied = other.model.is_unsure = True
    other.delete()
    assert (other.status, world.entitled()) == ("DELETE_COMPLETE", {"vm-9"})


def test_cloudformation_out_of_reach_is_no_refusal(world: Scene, stack: SceneStack, other: SceneStack) -> None:
    """Only IAM's refusal ends a request: any other trouble may have passed when a rule of removal asks."""
    world.outage("cloudformation", 400.0)
    other.declare(["vm-1"])
    assert (other.status, world.entitled()) == ("CREATE_COMPLETE", {"vm-1"})


def test_a_function_of_one_stack_does_not_ask_first(
    world: Scene, stack: SceneStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SHARED)
    stack.model.is_denied = True
    stack.declare(["vm-1"])
    assert (stack.status, world.entitled()) == ("CREATE_COMPLETE", {"vm-1"})


# --- reserved concurrency 1 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("function_timeout", [30.0, 60.0])
def test_with_a_concurrency_of_one_it_goes_on_in_fresh_invocations(world: Scene, function_timeout: float) -> None:
    """The event that an invocation sends to its own function waits in Lambda's queue until that invocation ends."""
    stack = world.new_stack(function_timeout=function_timeout)
    stack.model.function.concurrency = 1
    world.weather.creation_takes = 150.0
    operation = stack.declare(["vm-1", "vm-2"])
    assert (stack.status, world.entitled()) == ("CREATE_COMPLETE", {"vm-1", "vm-2"})
    assert operation.requests[0].invocations > 2
    assert world.calls("CreateEntitlement") == [["vm-1", "vm-2"]]
    stack.delete()
    assert world.entitled() == set()


def test_with_a_concurrency_of_one_two_stacks_wait_for_each_other(
    world: Scene, stack: SceneStack, other: SceneStack
) -> None:
    stack.model.function.concurrency = 1
    _, first = stack.begin({"Windows": properties(["vm-1"])})
    _, second = other.begin({"Windows": properties(["vm-2"])})
    world.clock.wait_for(first)
    world.clock.wait_for(second)
    assert stack.model.function.throttled > 0
    assert (stack.status, other.status) == ("CREATE_COMPLETE", "CREATE_COMPLETE")
    assert world.entitled() == {"vm-1", "vm-2"}


def test_with_a_concurrency_of_one_a_rollback_waits_for_what_it_undoes(world: Scene, stack: SceneStack) -> None:
    stack.model.function.concurrency = 1
    world.weather.creation_takes = 60.0
    stack.declare(["vm-1", "vm-2"], fails_after=5.0)
    assert stack.model.function.throttled > 0
    assert (stack.status, world.entitled()) == ("ROLLBACK_COMPLETE", set())
