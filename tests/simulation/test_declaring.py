"""Create and Update: what is declared is entitled, what is somebody else's is not touched."""

from collections.abc import Callable
from typing import Any

import pytest

from .scene import Scene, SceneStack, properties
from .trouble import not_found
from .world import ENVIRONMENT, HERE, THERE

Make = Callable[..., Scene]


def test_new_vms_are_entitled_and_removed_with_the_stack(world: Scene, stack: SceneStack) -> None:
    stack.declare(["vm-1", "vm-2"])
    assert (stack.status, world.entitled()) == ("CREATE_COMPLETE", {"vm-1", "vm-2"})
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", set())


@pytest.mark.parametrize(
    ("name", "value"),
    [("EnvironmentId", None), ("ConnectorId", "cnctr-x"), ("VmIds", []), ("VmIds", ["vm-x"]), ("AdoptExisting", "yes")],
)
def test_a_wrong_property_fails_by_name_without_any_call(
    world: Scene, stack: SceneStack, name: str, value: Any
) -> None:
    answer = stack.ask("Create", ["vm-1"], **{name: value})
    assert answer["Status"] == "FAILED"
    assert name in answer["Reason"]
    assert not world.calls("CreateEntitlement")


def test_what_somebody_else_has_entitled_is_a_conflict(world: Scene, stack: SceneStack) -> None:
    world.by_hand("vm-2")
    operation = stack.declare(["vm-1", "vm-2"])
    assert "vm-2" in operation.reason
    assert world.entitled() == {"vm-2"}
    assert not world.calls("CreateEntitlement")


def test_adopting_takes_over_without_a_call(world: Scene, stack: SceneStack) -> None:
    world.by_hand("vm-1")
    stack.declare(["vm-1"], adopts=True)
    assert not world.calls("CreateEntitlement")
    stack.delete()
    assert world.entitled() == set()


def test_an_unknown_connector_is_named(stack: SceneStack) -> None:
    answer = stack.ask("Create", ["vm-1"], ConnectorId="cnctr-unknown123")
    assert answer["Status"] == "FAILED"
    where = "in region us-east-1 of account 000000000000"
    assert f"connector cnctr-unknown123 of environment {ENVIRONMENT} was not found {where}" in answer["Reason"]


def test_an_unknown_environment_is_named(stack: SceneStack) -> None:
    answer = stack.ask("Create", ["vm-1"], EnvironmentId="env-unknown123")
    assert answer["Status"] == "FAILED"
    named = "environment env-unknown123 was not found in region us-east-1 of account 000000000000"
    assert named in answer["Reason"]


def test_at_most_100_vms_a_call(world: Scene, stack: SceneStack) -> None:
    stack.declare([f"vm-{number}" for number in range(1, 251)])
    assert [len(vm_ids) for vm_ids in world.calls("CreateEntitlement")] == [100, 100, 50]


def test_held_vms_of_ours_see_no_call(world: Scene, stack: SceneStack) -> None:
    stack.declare(["vm-1", "vm-2"])
    stack.declare(["vm-1", "vm-2", "vm-3"])
    assert world.calls("CreateEntitlement") == [["vm-1", "vm-2"], ["vm-3"]]
    assert not world.calls("DeleteEntitlement")


def test_success_waits_until_every_new_vm_is_created(make_world: Make) -> None:
    world = make_world(creation_takes=200.0)
    operation = world.new_stack().declare(["vm-1"])
    assert operation.requests[0].answered_at - operation.requests[0].issued_at > 100
    assert world.status("vm-1") == "CREATED"


def test_at_risk_counts_as_created(world: Scene, stack: SceneStack) -> None:
    world.evs.lose_connector(3600.0)
    stack.declare(["vm-1"])
    assert stack.status == "CREATE_COMPLETE"


@pytest.mark.parametrize("kind", ["refused", "fails", "failed"])
def test_what_a_failed_creation_made_is_removed(world: Scene, stack: SceneStack, kind: str) -> None:
    world.evs.bad["vm-2"] = kind
    operation = stack.declare(["vm-1", "vm-2", "vm-3"])
    assert "vm-2" in operation.reason
    assert world.entitled() == set()


def test_a_failed_update_gives_back_what_it_would_adopt(world: Scene, stack: SceneStack) -> None:
    stack.declare(["vm-1"])
    world.by_hand("vm-2")
    world.evs.bad["vm-3"] = "refused"
    stack.declare(["vm-1", "vm-2", "vm-3"], adopts=True)
    assert (stack.status, world.entitled()) == ("UPDATE_ROLLBACK_COMPLETE", {"vm-1", "vm-2"})


@pytest.mark.parametrize("loss", ["by hand", "failed", "removed by EVS"])
def test_what_was_ours_and_got_lost_is_created_again(world: Scene, stack: SceneStack, loss: str) -> None:
    stack.declare(["vm-1", "vm-2"])
    if loss == "by hand":
        world.run_for(200)
        world.evs.remove_by_hand(HERE, "vm-1")
    else:
        world.evs.set_status(HERE, "vm-1", "CREATE_FAILED" if loss == "failed" else "ENTITLEMENT_REMOVED")
    stack.declare(["vm-1", "vm-2", "vm-3"])
    assert (stack.status, world.entitled()) == ("UPDATE_COMPLETE", {"vm-1", "vm-2", "vm-3"})


def test_a_request_never_fails_for_what_was_ours_before(world: Scene, stack: SceneStack) -> None:
    stack.declare(["vm-1", "vm-2"])
    world.run_for(200)
    world.evs.remove_by_hand(HERE, "vm-1")
    world.evs.bad["vm-1"] = "refused"
    stack.declare(["vm-1", "vm-2", "vm-3"])
    assert (stack.status, world.entitled()) == ("UPDATE_COMPLETE", {"vm-2", "vm-3"})


def test_only_other_properties_change_nothing_is_called(world: Scene, stack: SceneStack) -> None:
    stack.declare(["vm-1"])
    before = stack.physical_id
    stack.declare(["vm-1"], adopts=True)
    assert stack.physical_id == before
    assert len(world.calls("CreateEntitlement")) == 1


def test_the_set_moves_to_another_connector(world: Scene, stack: SceneStack) -> None:
    stack.declare(["vm-1"])
    stack.declare(["vm-1"], there=True)
    assert (world.entitled(HERE), world.entitled(THERE)) == (set(), {"vm-1"})


def test_another_logical_id_for_the_same_set_is_no_call(world: Scene, stack: SceneStack) -> None:
    stack.declare(["vm-1"])
    stack.deploy({"Token": properties(["vm-1"])})
    assert world.calls("CreateEntitlement") == [["vm-1"]]
    assert not world.calls("DeleteEntitlement")


def test_a_held_row_counts_before_a_failed_one(make_world: Make) -> None:
    world = make_world(former_rows="kept")
    stack = world.new_stack()
    world.evs.bad["vm-1"] = "fails"
    stack.declare(["vm-1"])
    world.evs.bad.clear()
    stack.delete()
    again = world.new_stack()
    again.declare(["vm-1"])
    assert again.status == "CREATE_COMPLETE"


# --- somebody else's ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("adopts", [False, True])
def test_a_status_that_is_not_known_is_somebody_elses(world: Scene, stack: SceneStack, adopts: bool) -> None:
    """A VM that is SUSPENDED is held by whoever entitled it; no undo deletes it."""
    world.by_hand("vm-102", status="SUSPENDED")
    stack.declare(["vm-101", "vm-102"], adopts=adopts)
    assert world.status("vm-102") == "SUSPENDED"


@pytest.mark.parametrize("lag", [5.0, 14.0, 60.0])
@pytest.mark.parametrize("answer", ["named", "unnamed", "taken", "old row"])
def test_somebody_entitles_a_vm_just_before_us_and_the_list_is_late(make_world: Make, lag: float, answer: str) -> None:
    """Ours is only what EVS took from us, however it answers for a VM that is held."""
    world = make_world(lag_created=lag, held_answer=answer)
    stack = world.new_stack()
    world.by_hand("vm-2")
    world.run_for(5)
    stack.declare(["vm-1", "vm-2", "vm-3"])
    assert (stack.status, world.entitled()) == ("ROLLBACK_COMPLETE", {"vm-2"})


@pytest.mark.parametrize("twice_after", [0.05, 0.5, 1.0])
def test_one_create_delivered_twice_while_the_list_is_late(make_world: Make, twice_after: float) -> None:
    """Another invocation's calls for the same request are ours."""
    world = make_world(lag_created=1.0)
    stack = world.new_stack()
    request = stack.issue("Create", ["vm-1", "vm-2"])
    stack.model.function.deliver(request.event, request, twice_after)
    assert stack.answer(request)["Status"] == "SUCCESS"
    assert sorted(vm for call in world.calls("CreateEntitlement") for vm in call) == ["vm-1", "vm-2"]


@pytest.mark.parametrize("apart", [0.0, 0.5])
def test_two_resources_share_a_vm_while_the_list_is_late(make_world: Make, apart: float) -> None:
    """Another resource's calls in the same ledger are ours."""
    world = make_world(lag_created=5.0)
    stack = world.new_stack()
    first = stack.issue("Create", ["vm-1", "vm-2"], logical_id="Web")
    world.run_for(apart)
    second = stack.issue("Create", ["vm-2", "vm-3"], logical_id="Database")
    assert {stack.answer(first)["Status"], stack.answer(second)["Status"]} == {"SUCCESS"}


def test_two_stacks_that_claim_one_vm(world: Scene) -> None:
    first, second = world.new_stack(), world.new_stack()
    first.declare(["vm-1"])
    second.declare(["vm-1", "vm-2"])
    assert (second.status, world.entitled()) == ("ROLLBACK_COMPLETE", {"vm-1"})
    first.delete()
    assert world.entitled() == set()


def test_our_own_deletion_that_the_list_shows_late_is_no_conflict(make_world: Make) -> None:
    """A VM that has left the set comes back while the list still shows the entitlement that is over."""
    world = make_world(lag_deleted=18.0)
    stack = world.new_stack()
    stack.declare(["vm-1", "vm-2"])
    stack.declare(["vm-1"])
    stack.declare(["vm-1", "vm-2"])
    assert (stack.status, world.entitled()) == ("UPDATE_COMPLETE", {"vm-1", "vm-2"})


def test_not_found_once_at_an_update_loses_nothing(world: Scene, stack: SceneStack) -> None:
    stack.declare(["vm-1"])
    world.trouble.plan("ListVmEntitlements", not_found(ENVIRONMENT))
    stack.declare(["vm-1", "vm-2"])
    assert "vm-1" in world.entitled()
