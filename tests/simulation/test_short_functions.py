"""Limits of a request hold for all of its invocations together: a short function's timeout makes none of them longer.

Each scene is judged when its test ends: nothing left behind, nothing foreign touched, every request answered once.
"""

from collections.abc import Callable
from typing import Any

import pytest

from .errors import client_error
from .rows import Row, Where
from .scene import Scene, SceneStack
from .trouble import GOOD, Fate, throttled
from .world import HERE

Make = Callable[..., Scene]


@pytest.mark.parametrize("function_timeout", [900.0, 30.0])
def test_what_is_still_creating_is_deleted_after_70_percent_of_the_time(
    make_world: Make, function_timeout: float
) -> None:
    world = make_world(function_timeout=function_timeout, creation_takes=10_000.0, deletion_takes=60.0)
    stack = world.new_stack()
    create = stack.issue("Create", ["vm-1"], ServiceTimeout="60", delivered=[0.0])
    create.planned = [(12, "kill", 0.0)]
    create.is_retried = False
    world.run_for(61)
    assert world.status("vm-1") == "CREATING"
    request = stack.issue("Delete", ["vm-1"], "stack-1-Windows-MADEUP", ServiceTimeout="600")
    answer = stack.answer(request)
    first = next(at for at, fact in world.story.facts if fact[0] == "call" and fact[2] == "DeleteEntitlement")
    assert 0.65 * 570 < first - request.issued_at < 0.8 * 570
    assert answer["Status"] == "SUCCESS"


def leave(world: Scene, stack: SceneStack, logical_id: str, vm_id: str) -> None:
    """Let a failed Create leave a VM at another connector that is CREATING for long, and that no set declares."""
    usual, world.weather.creation_takes = world.weather.creation_takes, 20_000.0
    given: dict[str, Any] = {"logical_id": logical_id, "there": True, "ServiceTimeout": "60"}
    create = stack.ask("Create", [vm_id], **given)
    gone = stack.ask("Delete", [vm_id], create["PhysicalResourceId"], **given)
    assert (create["Status"], gone["Status"]) == ("FAILED", "FAILED")
    world.weather.creation_takes = usual


@pytest.mark.parametrize("function_timeout", [900.0, 60.0])
def test_what_others_have_left_elsewhere_gets_two_minutes(make_world: Make, function_timeout: float) -> None:
    world = make_world(function_timeout=function_timeout, refuse_delete_while_creating=True, creation_takes=1.0)
    stack = world.new_stack()
    stack.ask("Create", ["vm-1"])
    leave(world, stack, "There", "vm-20")
    update = stack.issue("Update", ["vm-1", "vm-2"], stack.physical_id)
    assert stack.answer(update)["Status"] == "SUCCESS"
    assert 110 < update.answered_at - update.issued_at < 300
    world.run_for(20_000)
    stack.ask("Delete", ["vm-1"], update.physical_id)


@pytest.mark.parametrize("function_timeout", [900.0, 30.0])
def test_an_environment_that_is_gone_is_believed_across_invocations(make_world: Make, function_timeout: float) -> None:
    """EVS says so each second time, and asks for a pause in between; no invocation of 30 s is told three times."""
    world = make_world(function_timeout=function_timeout)
    stack = world.new_stack()
    stack.declare(["vm-1"])
    world.run_for(5)
    world.evs.remove_place(HERE)
    world.trouble.plan("ListVmEntitlements", *[GOOD, throttled(15)] * 500)
    request = stack.issue("Delete", ["vm-1"], stack.physical_id)
    stack.model.release("Windows", stack.physical_id)
    assert stack.answer(request)["Status"] == "SUCCESS"
    assert request.answered_at - request.issued_at < 300


@pytest.mark.parametrize("function_timeout", [900.0, 30.0])
def test_a_refusal_that_the_list_never_explains_is_believed_in_the_same_time(
    make_world: Make, function_timeout: float
) -> None:
    world = make_world(function_timeout=function_timeout)
    world.by_hand("vm-2")
    page = world.listing.page

    def hiding(where: Where, token: str | None, most: int) -> dict[str, Any]:
        shown = page(where, token, most)
        return {**shown, "entitlements": [row for row in shown["entitlements"] if row["vmId"] != "vm-2"]}

    world.listing.page = hiding  # type: ignore[method-assign]
    stack = world.new_stack()
    request = stack.issue("Create", ["vm-1", "vm-2"], adopts=True)
    answer = stack.answer(request)
    assert answer["Status"] == "FAILED"
    stack.ask("Delete", ["vm-1", "vm-2"], answer["PhysicalResourceId"], adopts=True)
    assert request.answered_at - request.issued_at < 300


@pytest.mark.parametrize("function_timeout", [900.0, 60.0, 30.0])
def test_what_evs_takes_and_never_lists_is_called_for_twice(make_world: Make, function_timeout: float) -> None:
    world = make_world(function_timeout=function_timeout)
    create = world.evs.create

    def forgetting(where: Where, vm_ids: list[str], maker: str) -> list[Row]:
        return create(where, [vm_id for vm_id in vm_ids if vm_id != "vm-2"], maker)

    world.evs.create = forgetting  # type: ignore[method-assign]
    stack = world.new_stack()
    request = stack.issue("Create", ["vm-1", "vm-2"])
    request.excuses.add("EVS forgets a VM")
    answer = stack.answer(request)
    assert answer["Status"] == "FAILED"
    assert "EVS does not list it any more" in answer["Reason"]
    stack.ask("Delete", ["vm-1", "vm-2"], answer["PhysicalResourceId"])
    assert world.calls("CreateEntitlement") == [["vm-1", "vm-2"], ["vm-2"]]
    assert 120 < request.answered_at - request.issued_at < 300


@pytest.mark.parametrize("function_timeout", [30.0, 900.0])
@pytest.mark.parametrize(("lasts", "status"), [(250.0, "SUCCESS"), (1e9, "FAILED")])
def test_evs_refuses_to_list_what_is_being_deleted(
    make_world: Make, function_timeout: float, lasts: float, status: str
) -> None:
    """It is asked again for five minutes, whatever the function's timeout. Then the Delete says what EVS says."""
    world = make_world(function_timeout=function_timeout)
    stack = world.new_stack()
    stack.declare(["vm-1", "vm-2"])
    world.run_for(200)
    refused = Fate("refused", None, lambda name: client_error(name, "ValidationException", "is being deleted", 400))
    world.trouble.lasting["evs"] = refused, world.clock.now + lasts
    began = world.clock.now
    request = stack.issue("Delete", ["vm-1", "vm-2"], stack.physical_id)
    request.excuses.add("EVS refuses to list")
    stack.model.release("Windows", stack.physical_id)
    answer = stack.answer(request)
    assert answer["Status"] == status
    assert world.clock.now - began < 420.0
    if status == "FAILED":
        assert "is being deleted" in answer["Reason"]
        world.trouble.lasting.clear()
        assert stack.ask("Delete", ["vm-1", "vm-2"], stack.physical_id)["Status"] == "SUCCESS"
    assert world.entitled() == set()
