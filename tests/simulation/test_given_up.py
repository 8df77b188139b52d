"""What CloudFormation has given up: a Delete that never reached the function, three times, and what comes after it."""

from collections.abc import Callable
from typing import Any

import pytest

from .scene import Scene, SceneStack, properties
from .trouble import internal_error

Make = Callable[..., Scene]
OTHER = {"Other": properties(["vm-9"], there=True)}


@pytest.mark.parametrize("how", ["attribute", "property"])
def test_what_was_to_be_retained_stays_whatever_is_declared_later(world: Scene, stack: SceneStack, how: str) -> None:
    stack.deploy({"Windows": properties(["vm-1"], retains=True), **OTHER}, retain={"Windows": "property"})
    world.is_lost = lambda request: request.type == "Delete"
    stack.deploy(OTHER)
    world.is_lost = lambda _: False
    stack.deploy({"Windows": properties(["vm-2"], retains=True), **OTHER}, retain={"Windows": how})
    assert world.entitled() == {"vm-1", "vm-2"}
    stack.deploy(OTHER)
    assert world.entitled() == {"vm-1", "vm-2"}
    stack.deploy({"Windows": properties(["vm-3"]), **OTHER})
    assert world.entitled() == {"vm-1", "vm-2", "vm-3"}
    stack.deploy({"Windows": properties(["vm-4"]), **OTHER})
    assert world.entitled() == {"vm-1", "vm-2", "vm-4"}


def retained_after_an_update_that_nobody_heard_of(world: Scene, stack: SceneStack) -> None:
    """Retain vm-1, whose Delete never reaches the function; the answer for a newer set came too late."""
    stack.deploy({"Windows": properties(["vm-1"], retains=True), **OTHER}, retain={"Windows": "property"})
    stack.deploy(
        {"Windows": properties(["vm-2"], retains=True), **OTHER},
        retain={"Windows": "property"},
        fails_after=0.6,
        rolls_back=False,
    )
    world.run_for(100)
    assert world.entitled() == {"vm-1", "vm-2"}
    world.is_lost = lambda request: request.type == "Delete"
    stack.deploy(OTHER)
    world.is_lost = lambda _: False


def test_a_newer_set_that_nobody_heard_of_makes_no_former_one_of_it(world: Scene, stack: SceneStack) -> None:
    retained_after_an_update_that_nobody_heard_of(world, stack)
    stack.deploy({"Windows": properties(["vm-3"]), **OTHER})
    assert "vm-1" in world.entitled()
    stack.deploy({"Windows": properties(["vm-4"]), **OTHER})
    assert "vm-1" in world.entitled()


def test_nor_does_it_where_the_next_create_never_comes(world: Scene, stack: SceneStack) -> None:
    retained_after_an_update_that_nobody_heard_of(world, stack)
    world.is_lost = lambda request: request.type == "Create"
    stack.deploy({"Windows": properties(["vm-3"]), **OTHER})
    world.is_lost = lambda _: False
    assert "vm-1" in world.entitled()


def test_a_former_set_that_says_retain_goes_with_the_stack(world: Scene, stack: SceneStack) -> None:
    """The clean-up of vm-1 never reached the function; the resource's set is skipped by its DeletionPolicy."""
    stack.deploy({"Windows": properties(["vm-1"], retains=True), **OTHER}, retain={"Windows": "attribute"})
    world.is_lost = lambda request: request.type == "Delete"
    stack.deploy({"Windows": properties(["vm-2"], retains=True), **OTHER}, retain={"Windows": "attribute"})
    world.is_lost = lambda _: False
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", {"vm-2"})


@pytest.mark.parametrize("same_second", [False, True])
def test_what_is_retained_while_another_delete_decides_is_not_dropped(make_world: Make, same_second: bool) -> None:
    world = make_world(same_second=same_second)
    stack = world.new_stack()
    stack.declare(["vm-1"])
    stack.declare(["vm-2"], retain="property", fails_after=20.0, fails_last=True, rolls_back=False)
    world.run_for(100)
    world.trouble.plan("DescribeStackResource", *[internal_error(None)] * 300)
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", {"vm-2"})


@pytest.mark.parametrize(("numbers", "latency"), [(60, 0.05), (8, 1.5)], ids=["too many pages", "too little time"])
def test_more_events_than_are_read_block_no_deletion(make_world: Make, numbers: int, latency: float) -> None:
    """There are too many of them, or no invocation has the time to come to their end."""
    world = make_world(event_page=1)
    stack = world.new_stack()
    stack.deploy({"Windows": properties(["vm-1"], retains=True), **OTHER}, retain={"Windows": "attribute"})
    stack.deploy(OTHER)
    for number in range(numbers):
        stack.deploy({"Other": properties(["vm-9", f"vm-{20 + number}"], there=True)})
    world.is_lost = lambda request: request.logical_id == "Windows" and request.type == "Create"
    stack.deploy({"Windows": properties(["vm-2"]), **OTHER}, rolls_back=False)
    world.is_lost = lambda _: False
    world.weather.latency = latency
    stack.model.function.timeout = 900.0 if latency < 1 else 30.0
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", {"vm-1"})


@pytest.mark.parametrize("gap", [0.0, 100.0])
def test_an_earlier_life_of_a_set_says_nothing_of_this_one(make_world: Make, gap: float) -> None:
    """It was cleaned up, and is declared again seconds later in a Create that nobody waits for."""
    world = make_world()
    stack = world.new_stack()
    other = {"Other": properties(["vm-9"])}

    def windows(*vm_ids: str) -> dict[str, Any]:
        return {**other, "Windows": properties(vm_ids, retains=True)}

    retain = {"Windows": "attribute"}
    stack.deploy(windows("vm-1"), retain=retain)
    world.run_for(3600)
    stack.deploy(windows("vm-2"), retain=retain)
    assert world.entitled() == {"vm-2", "vm-9"}
    stack.deploy(other)
    world.run_for(gap)
    world.is_lost = lambda request: request.type == "Delete" and request.logical_id == "Windows"
    stack.deploy(windows("vm-1"), retain=retain, fails_after=1.0)
    world.is_lost = lambda _: False
    world.run_for(100)
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", {"vm-2"})


def test_a_create_that_never_answered_and_whose_deletes_were_refused_within_the_hour(make_world: Make) -> None:
    """Its invocation might still go on by the clock. The stack that goes does not have its resource any more."""
    world = make_world()
    stack = world.new_stack()
    windows = {"Windows": properties(["vm-1"])}
    stack.deploy(windows)

    def lost(request: Any) -> bool:
        if request.logical_id == "Web" and request.type == "Create":
            request.planned, request.is_retried = [(14, "kill", 0.0)], False
            world.after(4.0, world.outage, "dynamodb", 1000.0)
        return False

    world.is_lost = lost
    stack.deploy({**windows, "Web": properties(["vm-2"])}, fails_after=5.0)
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert world.entitled() == {"vm-1", "vm-2"}
    world.run_for(100)
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", set())
