"""Clean-ups that never came, answers that nobody read, and what is retained."""

from collections.abc import Callable

import pytest

from .scene import Scene, SceneStack, properties

Make = Callable[..., Scene]


# --- clean-ups that never came ------------------------------------------------------------------------------------


def test_a_clean_up_that_was_skipped_is_made_up_for_by_the_next_update(world: Scene, stack: SceneStack) -> None:
    stack.declare(["vm-1", "vm-2"])
    world.evs.stuck.add("vm-1")
    stack.declare(["vm-2"])
    assert world.entitled() == {"vm-1", "vm-2"}
    world.evs.stuck.clear()
    stack.declare(["vm-2", "vm-3"])
    assert world.entitled() == {"vm-2", "vm-3"}


@pytest.mark.parametrize("nested", [False, True])
def test_a_clean_up_that_was_skipped_is_made_up_for_when_the_stack_goes(world: Scene, nested: bool) -> None:
    stack = world.new_stack(nested=nested)
    stack.declare(["vm-1", "vm-2"])
    world.evs.stuck.add("vm-1")
    stack.declare(["vm-2"])
    world.evs.stuck.clear()
    stack.delete()
    assert world.entitled() == set()


def test_without_rollback_the_former_sets_stay_until_it_is_rolled_back(world: Scene, stack: SceneStack) -> None:
    stack.declare(["vm-1", "vm-2"])
    stack.declare(["vm-2", "vm-3"], fails_after=5.0, fails_last=True, rolls_back=False)
    stack.declare(["vm-3", "vm-4"], fails_after=5.0, fails_last=True, rolls_back=False)
    assert {"vm-1", "vm-2"} <= world.entitled()
    stack.roll_back()
    assert (stack.status, world.entitled()) == ("UPDATE_ROLLBACK_COMPLETE", {"vm-1", "vm-2"})


def test_two_former_sets_are_deleted_at_the_same_time(make_world: Make) -> None:
    """Neither Delete fences the other; both are answered."""
    world = make_world(same_second=True)
    stack = world.new_stack()
    stack.declare(["vm-1", "vm-2"])
    stack.declare(["vm-2", "vm-3"], fails_after=5.0, fails_last=True, rolls_back=False)
    operation = stack.declare(["vm-4"])
    deletes = [request for request in operation.requests if request.type == "Delete"]
    assert len(deletes) == 2
    assert {request.status for request in deletes} == {"SUCCESS"}
    assert world.entitled() == {"vm-4"}


def test_an_ignored_answer_of_a_cancelled_create_without_rollback(world: Scene, stack: SceneStack) -> None:
    stack.declare(["vm-1", "vm-2"], fails_after=1.0, rolls_back=False)
    world.run_for(60)
    stack.declare(["vm-2", "vm-3"])
    assert (stack.status, world.entitled()) == ("UPDATE_COMPLETE", {"vm-2", "vm-3"})


def test_an_ignored_answer_of_a_cancelled_update_whose_resource_then_leaves(world: Scene, stack: SceneStack) -> None:
    """Rollback off: the answer of the Update was never read, and no Delete names its set."""
    stack.deploy({"Windows": properties(["vm-1"]), "Web": properties(["vm-8"])})
    changed = {"Windows": properties(["vm-2"]), "Web": properties(["vm-8"])}
    stack.deploy(changed, fails_after=1.0, rolls_back=False)
    world.run_for(60)
    stack.deploy({"Web": properties(["vm-8"])})
    assert (stack.status, world.entitled()) == ("UPDATE_COMPLETE", {"vm-8"})


# --- retain -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["attribute", "property"])
def test_what_is_retained_stays_when_the_stack_goes(world: Scene, stack: SceneStack, how: str) -> None:
    """RemovalPolicy RETAIN counts, whatever CloudFormation made of the template's attribute."""
    stack.declare(["vm-1", "vm-2"], retain=how)
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", {"vm-1", "vm-2"})


@pytest.mark.parametrize("how", ["attribute", "property"])
def test_a_vm_that_leaves_a_retained_set_goes(world: Scene, stack: SceneStack, how: str) -> None:
    stack.declare(["vm-1", "vm-2"], retain=how)
    stack.declare(["vm-2"], retain=how)
    assert world.entitled() == {"vm-2"}


@pytest.mark.parametrize("how", ["attribute", "property"])
def test_a_rolled_back_first_deployment_leaves_nothing_though_it_says_retain(
    world: Scene, stack: SceneStack, how: str
) -> None:
    stack.declare(["vm-1"], retain=how, fails_after=5.0, fails_last=True)
    assert (stack.status, world.entitled()) == ("ROLLBACK_COMPLETE", set())


@pytest.mark.parametrize("how", ["attribute", "property"])
def test_retained_under_one_logical_id_and_declared_again_under_another(world: Scene, how: str) -> None:
    """VMs that leave the new set go, and the deletion of the stack leaves none."""
    stack = world.new_stack()
    both = {"Literal": properties(["vm-1", "vm-2"], retains=True), "Other": properties(["vm-9"], there=True)}
    stack.deploy(both, retain={"Literal": how})
    stack.deploy({"Token": properties(["vm-1", "vm-2"]), "Other": properties(["vm-9"], there=True)})
    assert world.entitled() == {"vm-1", "vm-2"}
    stack.deploy({"Token": properties(["vm-2"]), "Other": properties(["vm-9"], there=True)})
    assert world.entitled() == {"vm-2"}
    stack.delete()
    assert world.entitled() == set()


def test_what_a_retained_resource_left_is_kept_when_it_comes_back_and_fails(world: Scene, stack: SceneStack) -> None:
    other = {"Other": properties(["vm-9"], there=True)}
    stack.deploy({"Windows": properties(["vm-1"], retains=True), **other}, retain={"Windows": "attribute"})
    stack.deploy(other)
    stack.deploy({"Windows": properties(["vm-2"], AdoptExisting="perhaps"), **other})
    assert (stack.status, world.entitled()) == ("UPDATE_ROLLBACK_COMPLETE", {"vm-1"})
    stack.deploy({"Windows": properties(["vm-2", "vm-3"]), **other}, fails_after=5.0, fails_last=True)
    assert world.entitled() == {"vm-1"}


def test_two_deletes_at_once_and_the_vm_is_declared_again(world: Scene, stack: SceneStack) -> None:
    """Both clean-ups call for the same VM; what is made afterwards is ours all the same."""
    for _ in range(3):
        stack.deploy({"Web": properties(["vm-5", "vm-8"]), "Windows": properties(["vm-5", "vm-8"])})
        stack.deploy({"Other": properties(["vm-3"])})
    stack.deploy({"Other": properties(["vm-3"]), "Windows": properties(["vm-5"])}, fails_after=5.0, fails_last=True)
    assert world.entitled() == {"vm-3"}
