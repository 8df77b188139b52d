"""What breaking the product on purpose has found about entitlements of somebody else, and VMs that two claim.

Each scene is judged when its test ends: nothing left behind, nothing foreign touched, every request answered once. So
many a test asserts only what the judge does not know.
"""

from collections.abc import Callable
from typing import Any

import pytest

from .rows import Where
from .scene import Scene, properties, vms
from .world import HERE

Make = Callable[..., Scene]


@pytest.mark.parametrize("status", ["SUSPENDED", "ENTITLEMENT_REMOVED", "AT_RISK", "CREATING"])
@pytest.mark.parametrize("kind", ["Create", "Update"])
@pytest.mark.parametrize("nested", [False, True])
def test_no_undo_touches_what_somebody_else_holds_in_any_status(
    world: Scene, status: str, kind: str, nested: bool
) -> None:
    stack = world.new_stack(nested=nested)
    if kind == "Update":
        stack.declare(["vm-1"])
    world.by_hand("vm-102", status=status)
    operation = stack.declare(["vm-1", "vm-102", "vm-103"])
    assert "vm-102" in operation.reason
    assert world.evs.held(HERE, "vm-102") is not None
    assert world.entitled() - {"vm-102"} == ({"vm-1"} if kind == "Update" else set())


@pytest.mark.parametrize("lag", [5.0, 14.0, 18.0, 60.0])
@pytest.mark.parametrize("answer", ["named", "unnamed", "taken", "old row"])
@pytest.mark.parametrize("number", [3, 120])
def test_somebody_was_there_five_seconds_before(make_world: Make, lag: float, answer: str, number: int) -> None:
    """Whatever EVS answers for the VM that is held, it is neither claimed nor deleted."""
    world = make_world(lag_created=lag, held_answer=answer)
    world.by_hand("vm-2")
    world.run_for(5)
    stack = world.new_stack()
    request = stack.issue("Create", vms(1, number))
    answered = stack.answer(request)
    if answered["Status"] == "FAILED":
        stack.ask("Delete", vms(1, number), answered["PhysicalResourceId"])
        assert world.entitled() == {"vm-2"}
    else:
        stack.delete()
    assert "vm-2" in world.entitled()
    assert not any("vm-2" in vm_ids for vm_ids in world.calls("DeleteEntitlement"))


@pytest.mark.parametrize("paging", ["offset", "snapshot", "key"])
def test_a_held_vm_that_a_shifted_page_hides_is_not_claimed(make_world: Make, paging: str) -> None:
    """EVS answers the Create of a held VM with its old row, and the look had missed that row."""
    world = make_world(held_answer="old row", paging=paging, page_size=1, lag_created=0.0)
    world.by_hand(*vms(50, 60), "vm-2")
    page = world.listing.page

    def hiding(where: Where, token: str | None, most: int) -> dict[str, Any]:
        shown = page(where, token, most)
        return {**shown, "entitlements": [row for row in shown["entitlements"] if row["vmId"] != "vm-2"]}

    world.listing.page = hiding  # type: ignore[method-assign]
    world.after(20.0, setattr, world.listing, "page", page)
    stack = world.new_stack()
    stack.declare(["vm-1", "vm-2"])
    assert stack.status == "ROLLBACK_COMPLETE"
    assert "vm-2" in world.entitled()
    assert "vm-1" not in world.entitled()


@pytest.mark.parametrize("nested", [False, True])
def test_a_rollback_while_nobody_deletes_the_stack_keeps_the_live_set(world: Scene, nested: bool) -> None:
    stack = world.new_stack(nested=nested)
    stack.declare(vms(1, 5))
    world.run_for(2)
    stack.declare(vms(4, 8), fails_after=3.0, fails_last=True, updates_back=False)
    assert (stack.status, world.entitled()) == ("UPDATE_ROLLBACK_COMPLETE", set(vms(1, 5)))
    assert sorted(vm_id for call in world.calls("DeleteEntitlement") for vm_id in call) == vms(6, 8)


@pytest.mark.parametrize("lag", [0.5, 1.0, 18.0, 60.0])
@pytest.mark.parametrize("after", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("number", [1, 250])
def test_one_create_delivered_twice_succeeds_once(make_world: Make, lag: float, after: float, number: int) -> None:
    world = make_world(lag_created=lag)
    stack = world.new_stack()
    request = stack.issue("Create", vms(1, number))
    stack.model.function.deliver(request.event, request, after)
    assert stack.answer(request)["Status"] == "SUCCESS"
    assert world.entitled() == set(vms(1, number))


@pytest.mark.parametrize("lag", [0.5, 5.0, 60.0])
@pytest.mark.parametrize("same_second", [False, True])
@pytest.mark.parametrize("held_answer", ["named", "unnamed"])
def test_two_resources_of_one_ledger_share_vms(
    make_world: Make, lag: float, same_second: bool, held_answer: str
) -> None:
    world = make_world(lag_created=lag, same_second=same_second, held_answer=held_answer)
    stack = world.new_stack()
    stack.deploy({"Windows": properties(vms(1, 4)), "Database": properties(vms(3, 6))})
    assert (stack.status, world.entitled()) == ("CREATE_COMPLETE", set(vms(1, 6)))
    stack.deploy({"Windows": properties(vms(1, 4))})
    assert world.entitled() == set(vms(1, 4))


@pytest.mark.parametrize("held_answer", ["old row", "taken"])
@pytest.mark.parametrize("step", [6, 7])
def test_what_another_resource_adopts_meanwhile_stays_somebody_elses(
    make_world: Make, step: int, held_answer: str
) -> None:
    world = make_world(held_answer=held_answer)
    stack = world.new_stack()
    stack.declare(["vm-9"])
    stack.model.reach("UPDATE_IN_PROGRESS")
    windows = stack.issue("Create", ["vm-1", "vm-2"], logical_id="Second")
    windows.planned = [(step, "freeze", 20.0)]
    world.run_for(2.0)
    assert world.evs.entitle_by_hand(HERE, "vm-1")
    web = stack.ask("Create", ["vm-1"], logical_id="Web", adopts=True)
    assert web["Status"] == "SUCCESS"
    answer = stack.answer(windows)
    stack.model.reach("UPDATE_ROLLBACK_IN_PROGRESS")
    stack.ask("Delete", ["vm-1", "vm-2"], answer["PhysicalResourceId"], logical_id="Second")
    stack.ask("Delete", ["vm-1"], web["PhysicalResourceId"], logical_id="Web")
    stack.model.reach("UPDATE_ROLLBACK_COMPLETE")
    assert world.entitled() == {"vm-9", "vm-1"}


@pytest.mark.parametrize("nested", [False, True])
def test_what_an_update_adopted_that_cloudformation_never_took_on_is_given_back(world: Scene, nested: bool) -> None:
    """Rollback is off, so that it was cancelled; the operation that completed since did not have its set."""
    world.by_hand("vm-5")
    stack = world.new_stack(nested=nested)
    stack.declare(["vm-1"], retain="attribute")
    stack.declare(["vm-5"], adopts=True, fails_after=0.1, rolls_back=False)
    world.run_for(100)
    stack.deploy({"Other": properties(["vm-9"])})
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", {"vm-1", "vm-5"})


@pytest.mark.parametrize("is_shared", [False, True])
def test_nor_does_another_resource_make_it_the_stacks_own_unless_it_declares_it(world: Scene, is_shared: bool) -> None:
    world.by_hand("vm-5")
    stack = world.new_stack()
    stack.declare(["vm-1"], retain="attribute")
    others = ["vm-5", "vm-9"] if is_shared else ["vm-9"]
    both = {"Windows": properties(["vm-5"], adopts=True), "Other": properties(others, adopts=is_shared)}
    stack.deploy(both, fails_after=0.1, rolls_back=False)
    world.run_for(100)
    stack.deploy({"Other": properties(others, adopts=is_shared)})
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", {"vm-1"} if is_shared else {"vm-1", "vm-5"})
