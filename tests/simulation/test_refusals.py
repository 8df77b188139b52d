"""Refusals and answers that say less, or more, than which VMs they mean: EVS's wording is not documented."""

from collections.abc import Callable
from typing import Any

import pytest

from .errors import Refusal
from .rows import Row, Where
from .scene import Scene, SceneStack, vms
from .world import HERE

Make = Callable[..., Scene]


def refuses_together(world: Scene, monkeypatch: pytest.MonkeyPatch, operation: str, *locked: str) -> None:
    """Let EVS refuse a call for locked VMs in one sentence that names the VM it means, or that names only others."""
    carry_out: Callable[[Where, list[str], str], list[Row]] = getattr(world.evs, operation)

    def carrying_out(where: Where, vm_ids: list[str], stack: str) -> list[Row]:
        if guilty := [vm_id for vm_id in vm_ids if vm_id in locked and (operation == "create" or world.evs.stuck)]:
            others = [vm_id for vm_id in vm_ids if vm_id not in guilty] or guilty
            raise Refusal("ValidationException", f"none of {others[0]} and others can be changed", reason="other")
        return carry_out(where, vm_ids, stack)

    monkeypatch.setattr(world.evs, operation, carrying_out)


# --- removing -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("refusal", ["message", "fields", "unnamed", "not found"])
@pytest.mark.parametrize(("last", "stuck"), [(3, [2]), (120, [7, 8, 101]), (120, list(range(1, 31)))])
def test_a_refusal_that_repeats_the_whole_request_holds_up_no_innocent(
    make_world: Make, refusal: str, last: int, stuck: list[int]
) -> None:
    world = make_world(refusal=refusal, repeats_request=True)
    stack = world.new_stack()
    stack.declare(vms(1, last))
    world.evs.stuck.update(f"vm-{number}" for number in stuck)
    operation = stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_FAILED", world.evs.stuck)
    request = operation.requests[0]
    assert request.answered_at - request.issued_at < 600
    world.evs.stuck.clear()
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", set())


def test_a_refusal_that_names_an_innocent_holds_it_up_no_longer(
    world: Scene, stack: SceneStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.declare(vms(1, 5))
    world.evs.stuck.add("vm-2")
    refuses_together(world, monkeypatch, "delete", "vm-2")
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_FAILED", {"vm-2"})
    world.evs.stuck.clear()
    stack.delete()


def test_where_evs_refuses_every_deletion_the_request_fails_soon_and_names_all(make_world: Make) -> None:
    """Not each of them is asked for alone: an environment that is being deleted is no matter of single VMs."""
    world = make_world(refusal="unnamed")
    stack = world.new_stack()
    stack.declare(vms(1, 400))
    world.evs.stuck.update(vms(1, 400))
    operation = stack.delete()
    request = operation.requests[0]
    assert stack.status == "DELETE_FAILED"
    assert request.answered_at - request.issued_at < 600
    assert "400 VMs" in request.answer["Reason"]
    assert len(world.calls("DeleteEntitlement")) < 3000
    world.evs.stuck.clear()
    stack.delete()


@pytest.mark.parametrize("function_timeout", [30.0, 900.0])
@pytest.mark.parametrize("is_named", [True, False])
@pytest.mark.parametrize("takes", [200.0, 800.0])
def test_a_deletion_that_takes_long_and_is_refused_a_second_time(
    make_world: Make, monkeypatch: pytest.MonkeyPatch, takes: float, is_named: bool, function_timeout: float
) -> None:
    """EVS says that the VM is being deleted. So it is, for longer than the ledger remembers that EVS took the call."""
    world = make_world(deletion_takes=takes, function_timeout=function_timeout)
    stack = world.new_stack()
    stack.declare(vms(1, 30))
    delete = world.evs.delete

    def deleting(where: Where, vm_ids: list[str], by: str) -> list[Row]:
        for row in world.evs.rows[where]:
            if row.vm_id in vm_ids and row.deletion_accepted and not row.is_over:
                which = row.vm_id if is_named else "one or more VMs"
                raise Refusal("ValidationException", f"{which}: being deleted", reason="other")
        return delete(where, vm_ids, by)

    monkeypatch.setattr(world.evs, "delete", deleting)
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", set())
    assert len(world.calls("DeleteEntitlement")) < 800


@pytest.mark.parametrize("function_timeout", [30.0, 900.0])
@pytest.mark.parametrize("status", ["CREATED", "AT_RISK", "ENTITLEMENT_REMOVED", "SUSPENDED"])
@pytest.mark.parametrize("hidden", [0, 1, 2])
def test_a_deletion_that_evs_takes_for_some_of_its_vms(
    make_world: Make, monkeypatch: pytest.MonkeyPatch, hidden: int, status: str, function_timeout: float
) -> None:
    """EVS answers with the entitlements that it has deleted. The looks after that pass the others over."""
    world = make_world(takes_some=True, function_timeout=function_timeout)
    stack = world.new_stack()
    stack.declare(vms(1, 7))
    for vm_id in vms(1, 7):
        world.evs.set_status(HERE, vm_id, status)
    page, looks = world.listing.page, [0]

    def hiding(where: Where, token: str | None, most: int) -> dict[str, Any]:
        answer = page(where, token, most)
        looks[0] += bool(world.calls("DeleteEntitlement"))
        return {**answer, "entitlements": []} if 1 <= looks[0] <= hidden else answer

    monkeypatch.setattr(world.listing, "page", hiding)
    stack.delete()
    assert stack.status == "DELETE_COMPLETE"
    assert world.evs.all_held(HERE) == []
    assert world.calls("DeleteEntitlement")[0] == vms(1, 7)


# --- entitling ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("repeats", [True, False])
def test_a_refusal_that_names_others_leaves_no_vm_unlicensed(
    world: Scene, stack: SceneStack, monkeypatch: pytest.MonkeyPatch, repeats: bool
) -> None:
    """Three VMs were ours and got lost; one of them can't be entitled again."""
    stack.declare(vms(1, 4))
    world.run_for(200)
    for vm_id in vms(1, 3):
        world.evs.remove_by_hand(HERE, vm_id)
    if repeats:
        world.weather.repeats_request = True
        world.evs.bad["vm-2"] = "refused"
    else:
        refuses_together(world, monkeypatch, "create", "vm-2")
    stack.declare(vms(1, 5))
    assert stack.status == "UPDATE_COMPLETE"
    assert world.entitled() == set(vms(1, 5)) - {"vm-2"}


def test_the_reason_names_no_vm_that_only_shared_a_refused_call(make_world: Make) -> None:
    world = make_world(repeats_request=True)
    world.evs.bad["vm-2"] = "refused"
    stack = world.new_stack()
    operation = stack.declare(vms(1, 3))
    assert (stack.status, world.entitled()) == ("ROLLBACK_COMPLETE", set())
    assert "1 of 3 VMs could not be entitled: vm-2:" in operation.requests[0].answer["Reason"]


@pytest.mark.parametrize("held_answer", ["named", "unnamed"])
def test_a_refusal_that_repeats_the_whole_request_for_a_vm_that_is_entitled_already(
    make_world: Make, held_answer: str
) -> None:
    """Somebody entitles vm-2 and the list does not show it yet. It is adopted; the others are created."""
    world = make_world(held_answer=held_answer, repeats_request=True, lag_created=20.0)
    stack = world.new_stack()
    world.by_hand("vm-2")
    world.run_for(2)
    stack.declare(vms(1, 3), adopts=True)
    assert (stack.status, world.entitled()) == ("CREATE_COMPLETE", set(vms(1, 3)))
