"""Several resources of one stack at work at once, or one after the other's Delete was left to it."""

from collections.abc import Callable
from typing import Any

import pytest

from .rows import Where
from .scene import Scene, SceneStack, properties
from .world import HERE, THERE

Make = Callable[..., Scene]


@pytest.mark.parametrize(("refusal", "latency"), [("message", 0.05), ("message", 0.7), ("unnamed", 1.5)])
def test_two_deletes_leave_it_to_each_other(make_world: Make, refusal: str, latency: float) -> None:
    """What is left at another connector: the last of them to be answered fails, and names it."""
    world = make_world(same_second=True, refusal=refusal, latency=latency)
    stack = world.new_stack()
    rest = {"Windows": properties(["vm-1"]), "Web": properties(["vm-2"])}
    stack.deploy({**rest, "There": properties(["vm-20"], there=True)})
    world.evs.stuck.add("vm-20")
    stack.deploy(rest)
    assert stack.status == "UPDATE_COMPLETE"
    assert world.entitled(THERE) == {"vm-20"}
    stack.delete()
    held = world.entitled(THERE)
    world.evs.stuck.clear()
    assert (stack.status, held) == ("DELETE_FAILED", {"vm-20"})
    stack.delete()
    assert (stack.status, world.entitled(THERE)) == ("DELETE_COMPLETE", set())


def leave(world: Scene, stack: SceneStack, logical_id: str, vm_id: str, **given: Any) -> None:
    """Let a failed Create leave a VM that is CREATING for long, and that no set declares."""
    create = stack.ask("Create", [vm_id], logical_id=logical_id, ServiceTimeout="60", **given)
    assert create["Status"] == "FAILED"
    gone = stack.ask(
        "Delete", [vm_id], create["PhysicalResourceId"], logical_id=logical_id, ServiceTimeout="60", **given
    )
    assert gone["Status"] == "FAILED"


def test_what_somebody_else_will_come_for_takes_no_time_from_what_nobody_comes_for(make_world: Make) -> None:
    """vm-20 is at the connector of another resource; nobody but this Delete comes for vm-30."""
    world = make_world(refuse_delete_while_creating=True)
    third = (HERE[0], "cnctr-third12345")
    world.evs.places.add(third)
    stack = world.new_stack()
    stack.ask("Create", ["vm-1"])
    stack.ask("Create", ["vm-19"], logical_id="There", there=True)
    world.weather.creation_takes = 20_000.0
    leave(world, stack, "There2", "vm-20", there=True)
    world.weather.creation_takes = 600.0
    leave(world, stack, "Third", "vm-30", ConnectorId=third[1])
    delete = stack.issue("Delete", ["vm-1"], stack.physical_id, ServiceTimeout="900")
    stack.model.release("Windows", stack.physical_id)
    answer = stack.answer(delete)
    took = delete.answered_at - delete.issued_at
    left = world.entitled(third)
    world.run_for(20_000)
    stack.ask("Delete", ["vm-19"], stack.model.resources["There"].physical_id, logical_id="There", there=True)
    assert (answer["Status"], left) == ("SUCCESS", set())
    assert took < 800


@pytest.mark.parametrize("step", range(5, 20))
def test_a_set_that_was_retained_and_comes_back_while_another_request_writes(make_world: Make, step: int) -> None:
    """Web has asked CloudFormation for Windows, is held up, and writes that Windows' set counts as kept."""
    world = make_world()
    stack = world.new_stack()
    other = {"Other": properties(["vm-9"])}
    windows, web = properties(["vm-1"]), properties(["vm-1", "vm-2"])
    stack.deploy({**other, "Windows": windows}, retain={"Windows": "attribute"})
    stack.deploy(other)
    assert world.entitled() == {"vm-1", "vm-9"}
    is_planned: list[Any] = []

    def lost(request: Any) -> bool:
        if request.type == "Create" and request.logical_id == "Web" and not is_planned:
            request.planned = [(step, "freeze", 30.0)]
            is_planned.append(request)
        return False

    world.is_lost = lost
    stack.deploy({**other, "Web": web, "Windows": windows})
    assert stack.status == "UPDATE_COMPLETE"
    stack.deploy({**other, "Windows": windows})
    assert world.entitled() == {"vm-1", "vm-9"}


def test_what_was_adopted_and_is_missing_in_a_list_is_given_back(make_world: Make) -> None:
    """EVS takes a call for a VM that is held already, and says nothing of the entitlement that there is."""
    world = make_world(held_answer="taken")
    world.by_hand("vm-1")
    stack = world.new_stack()
    stack.declare(["vm-9"])
    world.run_for(10)
    stack.model.reach("UPDATE_IN_PROGRESS")
    web = stack.ask("Create", ["vm-1"], logical_id="Web", adopts=True)
    assert web["Status"] == "SUCCESS"
    page = world.listing.page

    def hiding(where: Where, token: str | None, most: int) -> dict[str, Any]:
        shown = page(where, token, most)
        return {**shown, "entitlements": [row for row in shown["entitlements"] if row["vmId"] != "vm-1"]}

    world.run_for(10)
    world.listing.page = hiding  # type: ignore[method-assign]
    world.after(0.3, setattr, world.listing, "page", page)
    second = stack.ask("Create", ["vm-1", "vm-2"], logical_id="Second")
    stack.model.reach("UPDATE_ROLLBACK_IN_PROGRESS")
    stack.ask("Delete", ["vm-1", "vm-2"], second["PhysicalResourceId"], logical_id="Second")
    stack.ask("Delete", ["vm-1"], web["PhysicalResourceId"], logical_id="Web", adopts=True)
    stack.model.reach("UPDATE_ROLLBACK_COMPLETE")
    assert "vm-1" in world.entitled()
