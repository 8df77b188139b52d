"""Delete, rollback, clean-up, retain: what is ours and in no set goes, and nothing else."""

from collections.abc import Callable

import pytest

from .scene import Scene, SceneStack, properties
from .trouble import Fate, broken, internal_error, not_found, silence
from .world import ENVIRONMENT, HERE, THERE

Make = Callable[..., Scene]


def test_delete_removes_the_set_and_nothing_else(world: Scene, stack: SceneStack) -> None:
    world.by_hand("vm-9")
    stack.declare(["vm-1", "vm-2"])
    stack.delete()
    assert world.entitled() == {"vm-9"}


def test_delete_waits_until_nothing_is_held(make_world: Make) -> None:
    world = make_world(deletion_takes=40.0)
    stack = world.new_stack()
    stack.declare(["vm-1"])
    operation = stack.delete()
    assert operation.requests[0].answered_at - operation.requests[0].issued_at > 20


def test_the_old_set_goes_but_for_what_the_new_one_declares(world: Scene, stack: SceneStack) -> None:
    stack.declare(["vm-1", "vm-2"])
    stack.declare(["vm-2", "vm-3"])
    assert world.entitled() == {"vm-2", "vm-3"}
    assert world.calls("DeleteEntitlement") == [["vm-1"]]


@pytest.mark.parametrize("absent", ["taken", "named", "unnamed", "not found"])
def test_delete_succeeds_where_the_entitlements_are_gone(make_world: Make, absent: str) -> None:
    world = make_world(absent_answer=absent)
    stack = world.new_stack()
    stack.declare(["vm-1", "vm-2"])
    world.run_for(200)
    world.evs.remove_by_hand(HERE, "vm-1")
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", set())


def test_delete_succeeds_where_the_environment_is_gone(world: Scene, stack: SceneStack) -> None:
    stack.declare(["vm-1"])
    world.run_for(200)
    world.evs.remove_by_hand(HERE, "vm-1")
    world.evs.places.clear()
    stack.delete()
    assert stack.status == "DELETE_COMPLETE"


@pytest.mark.parametrize("operation", ["ListVmEntitlements", "DeleteEntitlement"])
def test_not_found_once_at_a_delete_is_not_believed(world: Scene, stack: SceneStack, operation: str) -> None:
    """NotFound for the environment is believed only when it is still so after some seconds."""
    stack.declare(["vm-1", "vm-2", "vm-3"])
    world.trouble.plan(operation, not_found(ENVIRONMENT))
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", set())


@pytest.mark.parametrize("updates_back", [False, True])
def test_a_rollback_ends_in_the_old_set(world: Scene, stack: SceneStack, updates_back: bool) -> None:
    stack.declare(["vm-1", "vm-2"])
    stack.declare(["vm-2", "vm-3"], fails_after=5.0, fails_last=True, updates_back=updates_back)
    assert (stack.status, world.entitled()) == ("UPDATE_ROLLBACK_COMPLETE", {"vm-1", "vm-2"})
    assert world.calls("DeleteEntitlement") == [["vm-3"]]


def test_a_rolled_back_replacement_leaves_the_old_connector_alone(world: Scene, stack: SceneStack) -> None:
    stack.declare(["vm-1"])
    stack.declare(["vm-1"], there=True, fails_after=5.0, fails_last=True)
    assert (world.entitled(HERE), world.entitled(THERE)) == ({"vm-1"}, set())


def test_an_id_made_up_for_a_create_that_never_answered(world: Scene, stack: SceneStack) -> None:
    request = stack.issue("Create", ["vm-1"], ServiceTimeout="300")
    request.planned = [(12, "kill", 0.0)]
    request.is_retried = False
    world.run_for(310)
    assert stack.ask("Delete", ["vm-1"], "stack-1-Windows-MADEUP")["Status"] == "SUCCESS"
    assert world.entitled() == set()


# --- adopted ------------------------------------------------------------------------------------------------------


def test_adopted_by_an_operation_that_is_rolled_back_is_given_back(world: Scene, stack: SceneStack) -> None:
    world.by_hand("vm-1")
    stack.declare(["vm-1", "vm-2"], adopts=True, fails_after=5.0, fails_last=True)
    assert (stack.status, world.entitled()) == ("ROLLBACK_COMPLETE", {"vm-1"})


@pytest.mark.parametrize("nested", [False, True])
def test_adopted_and_completed_is_removed(world: Scene, nested: bool) -> None:
    """A nested stack completes with its root; then what was adopted is removed as in any other."""
    world.by_hand("vm-1", "vm-2")
    stack = world.new_stack(nested=nested)
    stack.declare(["vm-1", "vm-2"], adopts=True)
    stack.declare(["vm-2"], adopts=True)
    assert world.entitled() == {"vm-2"}
    stack.delete()
    assert world.entitled() == set()


def test_a_nested_stack_is_done_and_its_root_fails(world: Scene) -> None:
    """The nested stack has reached CREATE_COMPLETE, and yet it is all rolled back: what was adopted stays."""
    world.by_hand("vm-1")
    stack = world.new_stack(nested=True)
    stack.declare(["vm-1", "vm-2"], adopts=True, fails_after=5.0, fails_last=True)
    assert world.entitled() == {"vm-1"}


def test_adopted_is_removed_though_its_clean_up_was_refused(world: Scene, stack: SceneStack) -> None:
    """The adopting operation has completed; a bad update and its Update back change nothing about that."""
    world.by_hand("vm-1")
    stack.declare(["vm-1", "vm-2"], adopts=True)
    world.evs.stuck.add("vm-1")
    stack.declare(["vm-2"], adopts=True)
    world.evs.stuck.clear()
    stack.deploy({"Windows": properties(["vm-2"], AdoptExisting="perhaps")})
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    stack.delete()
    assert world.entitled() == set()


# --- refusals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("refusal", ["message", "fields", "unnamed", "not found"])
def test_one_refused_vm_of_a_batch_holds_up_no_other(make_world: Make, refusal: str) -> None:
    world = make_world(refusal=refusal)
    stack = world.new_stack()
    stack.declare(["vm-1", "vm-2", "vm-3"])
    world.evs.stuck.add("vm-2")
    operation = stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_FAILED", {"vm-2"})
    assert "vm-2" in operation.requests[0].answer["Reason"]
    world.evs.stuck.clear()
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", set())


@pytest.mark.parametrize("function_timeout", [30.0, 60.0, 900.0])
def test_a_refusal_that_lasts_fails_soon_whatever_the_functions_timeout(
    make_world: Make, function_timeout: float
) -> None:
    """What an invocation has learnt outlives it."""
    world = make_world(function_timeout=function_timeout)
    stack = world.new_stack()
    stack.declare(["vm-1", "vm-2"])
    world.evs.stuck.add("vm-2")
    operation = stack.delete()
    request = operation.requests[0]
    assert request.answered_at - request.issued_at < 600
    assert request.invocations < 20
    world.evs.stuck.clear()
    stack.delete()


def test_rows_that_are_creating_are_awaited_then_deleted(make_world: Make) -> None:
    world = make_world(creation_takes=40.0, refuse_delete_while_creating=True)
    stack = world.new_stack()
    stack.declare(["vm-1"], fails_after=5.0)
    assert (stack.status, world.entitled()) == ("ROLLBACK_COMPLETE", set())


@pytest.mark.parametrize("status", ["ENTITLEMENT_REMOVED", "CREATE_FAILED"])
@pytest.mark.parametrize("refused", [False, True])
def test_what_evs_removed_or_failed_goes_too(make_world: Make, status: str, refused: bool) -> None:
    world = make_world(failed_delete_refused=refused, absent_answer="named")
    stack = world.new_stack()
    stack.declare(["vm-1", "vm-2"])
    world.evs.set_status(HERE, "vm-1", status)
    stack.delete()
    assert stack.status == "DELETE_COMPLETE"
    assert world.evs.held(HERE, "vm-1") is None


def test_our_own_in_a_status_not_known_is_deleted(world: Scene, stack: SceneStack) -> None:
    stack.declare(["vm-1", "vm-2"])
    world.evs.set_status(HERE, "vm-1", "SUSPENDED")
    stack.delete()
    assert world.evs.held(HERE, "vm-1") is None


def test_our_own_in_a_status_not_known_whose_deletion_is_refused_fails(world: Scene, stack: SceneStack) -> None:
    stack.declare(["vm-1", "vm-2"])
    world.evs.set_status(HERE, "vm-1", "SUSPENDED")
    world.evs.stuck.add("vm-1")
    stack.delete()
    assert stack.status == "DELETE_FAILED"
    world.evs.stuck.clear()
    stack.delete()
    assert world.evs.held(HERE, "vm-1") is None


# --- what the list does not show yet ------------------------------------------------------------------------------


@pytest.mark.parametrize("lag", [10.0, 18.0, 60.0])
def test_a_vm_is_refused_and_the_list_shows_the_others_late(make_world: Make, lag: float) -> None:
    """What was created and then failed is removed, however late the list shows it."""
    world = make_world(lag_created=lag)
    world.evs.bad["vm-2"] = "refused"
    stack = world.new_stack()
    stack.declare(["vm-1", "vm-2", "vm-3"])
    assert (stack.status, world.entitled()) == ("ROLLBACK_COMPLETE", set())


@pytest.mark.parametrize("lands", [5.0, 25.0, 45.0, 50.0])
@pytest.mark.parametrize("how", [broken, silence])
def test_a_lost_creation_that_lands_late_is_removed(
    world: Scene, stack: SceneStack, lands: float, how: Callable[[float], Fate]
) -> None:
    """The Create is cancelled; its call takes effect after the Delete has begun."""
    world.trouble.plan("CreateEntitlement", how(lands))
    stack.declare(["vm-1", "vm-2", "vm-3"], fails_after=1.0)
    world.run_for(200)
    assert (stack.status, world.entitled()) == ("ROLLBACK_COMPLETE", set())


@pytest.mark.parametrize("lag", [0.0, 20.0, 60.0])
def test_a_creation_answered_with_500_that_took_effect_and_shows_late(make_world: Make, lag: float) -> None:
    world = make_world(lag_created=lag)
    world.trouble.plan("CreateEntitlement", internal_error(0.0))
    stack = world.new_stack()
    stack.declare(["vm-1"], fails_after=1.0)
    world.run_for(200)
    assert world.entitled() == set()


def test_a_lost_deletion_hits_nobody_who_comes_next(world: Scene, stack: SceneStack) -> None:
    """The Delete answers when its call can no longer take effect."""
    stack.declare(["vm-1"])
    world.trouble.plan("DeleteEntitlement", broken(40.0))
    stack.delete()
    again = world.new_stack()
    again.declare(["vm-1"])
    world.run_for(200)
    assert (again.status, world.entitled()) == ("CREATE_COMPLETE", {"vm-1"})
