"""What breaking the product on purpose has found about entitlements that would be left behind.

Each scene is judged when its test ends: nothing left behind, nothing foreign touched, every request answered once. So
many a test asserts only what the judge does not know.
"""

from collections.abc import Callable
from typing import Any

import pytest

from lambda_handler.pace import Pace

from .scene import Scene, SceneStack, properties, vms
from .trouble import broken, not_found, silence
from .world import ENVIRONMENT, HERE, THERE

Make = Callable[..., Scene]


@pytest.mark.parametrize("lag", [0.0, 5.0, 18.0, 60.0])
@pytest.mark.parametrize("bad", ["refused", "fails", "failed"])
@pytest.mark.parametrize("function_timeout", [30.0, 60.0, 900.0])
def test_one_vm_fails_and_the_list_shows_the_others_late(
    make_world: Make, lag: float, bad: str, function_timeout: float
) -> None:
    world = make_world(lag_created=lag, function_timeout=function_timeout)
    world.evs.bad["vm-2"] = bad
    stack = world.new_stack()
    stack.declare(vms(1, 3))
    assert (stack.status, world.entitled()) == ("ROLLBACK_COMPLETE", set())


@pytest.mark.parametrize("how", ["emptied", "replaced"])
@pytest.mark.parametrize("then", ["delete", "update", "fail", "update back", "two resources"])
@pytest.mark.parametrize("nested", [False, True])
def test_the_ledger_is_lost_while_the_stack_lives(world: Scene, how: str, then: str, nested: bool) -> None:
    """A set's id is its own proof."""
    stack = world.new_stack(nested=nested)
    resources = {"Windows": properties(vms(1, 4))}
    if then == "two resources":
        resources["Web"] = properties(vms(7, 8))
    stack.deploy(resources)
    world.run_for(400)
    if how == "replaced":
        stack.model.table = type(stack.model.table)()
    else:
        stack.model.table.empty()
    if then == "update":
        stack.declare(vms(3, 6))
        assert world.entitled() == set(vms(3, 6))
    elif then == "fail":
        stack.declare(vms(3, 6), fails_after=5.0, fails_last=True)
        assert (stack.status, world.entitled()) == ("UPDATE_ROLLBACK_COMPLETE", set(vms(1, 4)))
    elif then == "update back":
        stack.declare(vms(1, 4), ConnectorId="cnctr-unknown123")
        assert (stack.status, world.entitled()) == ("UPDATE_ROLLBACK_COMPLETE", set(vms(1, 4)))
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", set())


def test_an_update_back_proves_a_set_that_no_other_request_has_proved(world: Scene, stack: SceneStack) -> None:
    """The Update before it never reached the ledger."""
    stack.declare(["vm-1"])
    physical_id, old = stack.physical_id, properties(["vm-2"])
    world.run_for(400)
    stack.model.table.empty()
    answer = stack.ask("Update", ["vm-1"], physical_id, old=old)
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", physical_id)
    stack.delete()
    assert world.entitled() == set()


@pytest.mark.parametrize("what", ["environment", "connector"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_not_found_that_does_not_last_leaves_nothing(world: Scene, stack: SceneStack, what: str, times: int) -> None:
    stack.declare(vms(1, 3))
    place = ENVIRONMENT if what == "environment" else HERE[1]
    for operation in ("ListVmEntitlements", "DeleteEntitlement"):
        for _ in range(times):
            world.trouble.plan(operation, not_found(place))
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", set())


def test_a_not_found_at_another_connector_says_nothing_of_this_one(world: Scene, stack: SceneStack) -> None:
    """A Delete has left a VM. A request for a connector that does not exist looks after it, and EVS errs once."""
    stack.declare(vms(1, 3))
    world.evs.stuck.add("vm-4")
    other = stack.ask("Create", ["vm-4"], logical_id="Other")["PhysicalResourceId"]
    assert stack.ask("Delete", ["vm-4"], other, logical_id="Other")["Status"] == "FAILED"
    world.evs.stuck.clear()
    world.run_for(100)
    looks = int(Pace().not_found_for / (Pace().not_found_for / 4)) + 1
    for place in [*["cnctr-unknown123"] * looks, ENVIRONMENT]:
        world.trouble.plan("ListVmEntitlements", not_found(place))
    answer = stack.ask("Update", vms(7, 9), stack.physical_id, ConnectorId="cnctr-unknown123")
    assert "cnctr-unknown123" in answer["Reason"]
    assert world.entitled() == set(vms(1, 3))


@pytest.mark.parametrize("delivered", [[0.5], [3.0], [30.0], [0.1, 0.5], [0.1, 3.0], [0.1, 30.0]])
@pytest.mark.parametrize("number", [3, 250])
def test_a_create_that_comes_after_its_delete_of_the_same_second(
    world: Scene, stack: SceneStack, delivered: list[float], number: int
) -> None:
    create = stack.issue("Create", vms(1, number), delivered=delivered)
    create.is_retried = False
    assert stack.ask("Delete", vms(1, number), "stack-1-Windows-MADEUP")["Status"] == "SUCCESS"
    world.run_for(300)
    assert world.entitled() == set()


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("number", [2, 150])
def test_adopted_two_updates_ago_and_left_the_set(world: Scene, nested: bool, number: int) -> None:
    world.by_hand(*vms(1, number))
    stack = world.new_stack(nested=nested)
    stack.declare(vms(1, number), adopts=True)
    stack.declare([*vms(1, number), "vm-999"], adopts=True)
    stack.declare(["vm-999"], adopts=True)
    assert world.entitled() == {"vm-999"}


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("why", ["refused", "never delivered"])
def test_what_a_skipped_clean_up_left_goes_with_the_next_update(world: Scene, nested: bool, why: str) -> None:
    stack = world.new_stack(nested=nested)
    stack.declare(vms(1, 3))
    if why == "refused":
        world.evs.stuck.add("vm-1")
    else:
        world.is_lost = lambda request: request.type == "Delete"
    stack.declare(vms(2, 3))
    assert world.entitled() == set(vms(1, 3))
    world.evs.stuck.clear()
    world.is_lost = lambda _: False
    stack.declare(vms(2, 4))
    assert world.entitled() == set(vms(2, 4))


@pytest.mark.parametrize("status", ["SUSPENDED", "CREATED", "AT_RISK"])
@pytest.mark.parametrize("refusal", ["message", "fields", "unnamed", "not found"])
def test_an_entitlement_of_ours_that_evs_will_not_delete_is_a_failure(
    make_world: Make, status: str, refusal: str
) -> None:
    world = make_world(refusal=refusal)
    stack = world.new_stack()
    stack.declare(vms(1, 2))
    world.evs.set_status(HERE, "vm-1", status)
    world.evs.stuck.add("vm-1")
    operation = stack.delete()
    assert stack.status == "DELETE_FAILED"
    assert "vm-1" in operation.requests[0].answer["Reason"]
    world.evs.stuck.clear()
    stack.delete()
    assert world.evs.held(HERE, "vm-1") is None


@pytest.mark.parametrize("bad", [{"AdoptExisting": "perhaps"}, {"VmIds": []}, {"EnvironmentId": None}])
@pytest.mark.parametrize("nested", [False, True])
def test_adopted_for_good_though_its_clean_up_was_refused(world: Scene, bad: dict[str, Any], nested: bool) -> None:
    world.by_hand("vm-1")
    stack = world.new_stack(nested=nested)
    stack.declare(["vm-1", "vm-2"], adopts=True)
    world.evs.stuck.add("vm-1")
    stack.declare(["vm-2"], adopts=True)
    world.evs.stuck.clear()
    stack.deploy({"Windows": properties(["vm-2"], **bad)})
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    stack.delete()
    assert world.entitled() == set()


@pytest.mark.parametrize("lands", [1.0, 20.0, 45.0])
@pytest.mark.parametrize("lag", [0.0, 18.0, 60.0])
@pytest.mark.parametrize("how", [broken, silence])
@pytest.mark.parametrize("function_timeout", [30.0, 900.0])
def test_a_call_without_an_answer_that_lands_late_leaves_nothing(
    make_world: Make, lands: float, lag: float, how: Callable[[float], Any], function_timeout: float
) -> None:
    world = make_world(lag_created=lag, function_timeout=function_timeout)
    world.trouble.plan("CreateEntitlement", how(lands))
    stack = world.new_stack()
    stack.declare(vms(1, 3), fails_after=1.0)
    assert stack.status == "ROLLBACK_COMPLETE"
    world.run_for(200)
    assert world.entitled() == set()


def test_created_again_after_a_deletion_and_killed_before_it_was_written_down(make_world: Make) -> None:
    """Our own deletion of the VM came before: the new entitlement is ours, not somebody else's."""
    world = make_world(creation_takes=200.0)
    stack = world.new_stack()
    world.evs.bad["vm-2"] = "failed"
    failed = stack.ask("Create", ["vm-1", "vm-2"])
    assert failed["Status"] == "FAILED"
    request = stack.issue("Create", ["vm-1"], ServiceTimeout="600", logical_id="Web")
    request.planned, request.is_retried = [(20, "kill", 0.0)], False
    world.run_for(700)
    assert world.calls("CreateEntitlement")[-1] == ["vm-1"]
    assert stack.ask("Delete", ["vm-1"], "stack-1-Web-MADEUP", logical_id="Web")["Status"] == "SUCCESS"
    assert world.entitled() == set()
    stack.ask("Delete", ["vm-1", "vm-2"], failed["PhysicalResourceId"])


def test_a_lost_creation_and_its_retry_that_nobody_has_told_of(make_world: Make) -> None:
    """EVS took the retry. Its invocation waits, and tells the ledger of that only when it finds itself overtaken."""
    world = make_world(creation_takes=30.0)
    world.trouble.plan("CreateEntitlement", broken(48.0))
    stack = world.new_stack()
    request = stack.issue("Create", ["vm-1"])
    world.run_for(5)
    assert stack.ask("Delete", ["vm-1"], "stack-1-Windows-MADEUP")["Status"] == "SUCCESS"
    assert not request.bodies
    world.run_for(200)
    assert world.entitled() == set()


def test_what_is_left_elsewhere_gets_the_whole_time_where_all_that_is_declared_says_retain(
    world: Scene, stack: SceneStack
) -> None:
    """When the stack goes, CloudFormation skips its only resource: no request would come."""
    stack.declare(["vm-1"], retain="attribute")
    world.after(0.5, world.outage, "evs", 600.0)
    stack.declare(["vm-2"], there=True)
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    stack.delete()
    assert (stack.status, world.entitled(), world.entitled(THERE)) == ("DELETE_COMPLETE", {"vm-1"}, set())


def test_where_another_request_comes_what_is_left_elsewhere_holds_nothing_up(world: Scene, stack: SceneStack) -> None:
    stack.declare(["vm-1"])
    world.after(0.5, world.outage, "evs", 900.0)
    back = stack.declare(["vm-2"], there=True).requests[-1]
    assert back.answered_at - back.issued_at < 150
    world.run_for(900)
    stack.delete()


def test_what_a_rollback_could_not_remove_stays_where_no_request_comes(world: Scene, stack: SceneStack) -> None:
    """It is in docs/limits.md: the next request removes it, and the deletion of this stack sends none."""
    stack.declare(["vm-1"], retain="attribute")
    world.after(0.5, world.outage, "evs", 1200.0)
    stack.declare(["vm-2"], there=True)
    stack.delete()
    assert (stack.status, world.entitled(THERE)) == ("DELETE_COMPLETE", {"vm-2"})
