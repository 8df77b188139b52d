"""What a rollback leaves to rules of removal: whether an operation, or a stack around this one, was rolled back."""

from collections.abc import Callable
from typing import Any

import pytest

from . import platform as simulated
from .scene import Scene, SceneStack, properties
from .stack_answers import describe
from .world import HERE

Make = Callable[..., Scene]


@pytest.mark.parametrize("then", ["update", "delete"])
@pytest.mark.parametrize("nested", [False, True])
def test_adopted_in_an_operation_that_was_rolled_back_and_whose_clean_up_never_came(
    world: Scene, nested: bool, then: str
) -> None:
    """That a later operation has completed says nothing of the one that adopted."""
    stack = world.new_stack(nested=nested)
    rest = {"Web": properties(["vm-8"])}
    stack.deploy({"Windows": properties(["vm-1"]), **rest})
    world.by_hand("vm-2")
    world.is_lost = lambda request: request.type == "Delete"
    stack.deploy({"Windows": properties(["vm-1", "vm-2"], adopts=True), **rest}, fails_after=5.0, fails_last=True)
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    world.is_lost = lambda _: False
    stack.deploy({"Windows": properties(["vm-1"]), "Web": properties(["vm-8", "vm-9"])})
    assert stack.status == "UPDATE_COMPLETE"
    if then == "update":
        stack.deploy({"Windows": properties(["vm-1", "vm-3"]), "Web": properties(["vm-8", "vm-9"])})
    else:
        stack.delete()
    assert world.evs.held(HERE, "vm-2") is not None


def test_retained_of_what_was_taken_over_in_an_operation_that_was_rolled_back(world: Scene, stack: SceneStack) -> None:
    """As with what was adopted: the clean-up of the rollback never came, and another operation completes."""
    rest = {"Web": properties(["vm-8"])}
    stack.deploy({"Windows": properties(["vm-1"], retains=True), **rest}, retain={"Windows": "attribute"})
    stack.deploy(rest)
    assert world.entitled() == {"vm-1", "vm-8"}
    world.is_lost = lambda request: request.type == "Delete"
    stack.deploy({"Web": properties(["vm-1", "vm-8"])}, fails_after=8.0, fails_last=True)
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    world.is_lost = lambda _: False
    stack.deploy({**rest, "Other": properties(["vm-9"])})
    assert stack.status == "UPDATE_COMPLETE"
    stack.deploy({"Web": properties(["vm-7", "vm-8"]), "Other": properties(["vm-9"])})
    assert "vm-1" in world.entitled()


def test_retain_in_a_stack_whose_parent_rolls_back_before_its_root_does(
    world: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first deployment is rolled back by the stack in between; the root learns of it only afterwards."""
    stack = world.new_stack(nested=True)
    middle = stack.model.id.replace("stack-1", "stack-1-middle")
    status = {"middle": "CREATE_IN_PROGRESS"}

    def described(one: Any, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        if parameters["StackName"] == middle:
            root = stack.model.root
            assert root is not None
            assert operation == "DescribeStacks"
            parents = {"ParentId": root.id, "RootId": root.id}
            return {"Stacks": [{"StackName": "m", "StackId": middle, "StackStatus": status["middle"], **parents}]}
        answer = describe(one, operation, parameters)
        if operation == "DescribeStacks" and parameters["StackName"] == stack.model.id:
            answer["Stacks"][0]["ParentId"] = middle
        return answer

    monkeypatch.setattr(simulated, "describe", described)
    stack.model.reach("CREATE_IN_PROGRESS")
    created = stack.ask("Create", ["vm-1"], retains=True)
    assert created["Status"] == "SUCCESS"
    stack.model.reach("CREATE_COMPLETE", "CREATE_IN_PROGRESS")
    world.run_for(30)
    status["middle"] = "ROLLBACK_IN_PROGRESS"
    stack.model.reach("DELETE_IN_PROGRESS", "CREATE_IN_PROGRESS")
    assert stack.ask("Delete", ["vm-1"], created["PhysicalResourceId"], retains=True)["Status"] == "SUCCESS"
    assert world.entitled() == set()


def test_a_root_that_was_rolled_back_long_ago_rolls_nothing_back_now(world: Scene) -> None:
    """Somebody updates the nested stack by itself; its resource leaves and says RETAIN."""
    stack = world.new_stack(nested=True)
    stack.declare(["vm-1"], retain="property")
    physical_id = stack.physical_id
    stack.deploy({"Windows": properties(["vm-1"], AdoptExisting="perhaps")}, retain={"Windows": "property"})
    assert stack.model.root is not None
    assert stack.model.root.status == "UPDATE_ROLLBACK_COMPLETE"
    world.run_for(60)
    stack.model.reach("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", stack.model.root.status)
    stack.model.keep("Windows", properties(["vm-1"]))
    stack.ask("Delete", ["vm-1"], physical_id, retains=True)
    assert "vm-1" in world.entitled()
