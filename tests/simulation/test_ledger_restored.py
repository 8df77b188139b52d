"""A ledger that was emptied or restored: which of the sets that CloudFormation has are taken up again."""

from collections.abc import Callable
from typing import Any

import pytest

from .scene import Scene, SceneStack, properties, vms
from .world import HERE

Make = Callable[..., Scene]


def lose(stack: SceneStack, backup: dict[str, Any] | None = None) -> None:
    """Empty the ledger, or restore it."""
    stack.model.table.empty() if backup is None else stack.model.table.restore(backup)
    stack.model.has_lost_ledger = True


# --- the ledger has the set as one that is pending --------------------------------------------------------------------


@pytest.mark.parametrize("then", ["update", "refused", "delete"])
@pytest.mark.parametrize("at", [0.4, 20.0])
def test_restored_to_when_the_live_set_was_still_pending(make_world: Make, then: str, at: float) -> None:
    """CloudFormation has had the Create's SUCCESS since: an id that it names proves a pending set, too."""
    world = make_world(creation_takes=40.0)
    stack = world.new_stack()
    backup: dict[str, Any] = {}
    world.after(at, lambda: backup.update(stack.model.table.backup()))
    stack.declare(vms(1, 3))
    world.weather.creation_takes = 2.0
    assert (stack.status, bool(backup)) == ("CREATE_COMPLETE", True)
    world.run_for(400)
    lose(stack, backup)
    if then == "update":
        stack.declare(vms(2, 4), fails_after=5.0, fails_last=True)
    elif then == "refused":
        world.evs.bad["vm-5"] = "refused"
        stack.declare(["vm-3", "vm-5"])
    if then != "delete":
        assert world.calls("DeleteEntitlement") in ([], [["vm-4"]])
        assert (stack.status, world.entitled()) == ("UPDATE_ROLLBACK_COMPLETE", set(vms(1, 3)))
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", set())


def test_restored_to_before_the_first_call_and_deleted(make_world: Make) -> None:
    """The backup has the set pending and nothing of its VMs: the Create was still waiting for a slow list."""
    world = make_world(page_size=1, latency=1.0)
    stack = world.new_stack()
    backup: dict[str, Any] = {}
    world.by_hand(*vms(50, 55))
    world.after(6.0, lambda: backup.update(stack.model.table.backup()))
    stack.declare(vms(1, 3))
    assert (stack.status, bool(backup)) == ("CREATE_COMPLETE", True)
    world.run_for(400)
    lose(stack, backup)
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", set(vms(50, 55)))


@pytest.mark.parametrize("step", [4, 8])
def test_a_create_comes_again_after_the_ledger_was_emptied_and_is_killed(
    world: Scene, stack: SceneStack, step: int
) -> None:
    """What it leaves is a pending set, of the very id that CloudFormation has."""
    create = stack.declare(vms(1, 3)).requests[0]
    world.run_for(400)
    lose(stack)
    create.planned, create.is_retried = [(step, "kill", 0.0)], False
    stack.model.function.deliver(create.event, create, 1.0)
    world.run_for(60)
    stack.declare(vms(2, 4))
    assert (stack.status, world.entitled()) == ("UPDATE_COMPLETE", set(vms(2, 4)))
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", set())


def test_restored_to_when_an_update_was_waiting_and_its_clean_up_comes(make_world: Make) -> None:
    """The Delete names the former set, which the ledger knows. The newer one it would drop as overtaken."""
    world = make_world(creation_takes=40.0)
    stack = world.new_stack()
    stack.declare(["vm-1", "vm-2"])
    former = stack.physical_id
    request = stack.issue("Update", ["vm-2", "vm-3"], former, old=properties(["vm-1", "vm-2"]))
    world.run_for(20)
    backup = stack.model.table.backup()
    newer = stack.answer(request)["PhysicalResourceId"]
    world.run_for(200)
    lose(stack, backup)
    assert stack.ask("Delete", ["vm-1", "vm-2"], former)["Status"] == "SUCCESS"
    assert world.entitled() == {"vm-2", "vm-3"}
    assert stack.ask("Delete", ["vm-2", "vm-3"], newer)["Status"] == "SUCCESS"
    assert world.entitled() == set()


# --- the ledger remembers that the set was dropped --------------------------------------------------------------------


@pytest.mark.parametrize("then", ["delete", "update", "fail"])
@pytest.mark.parametrize("how", ["rolled back", "went and came"])
def test_restored_to_when_the_set_had_been_dropped_once(world: Scene, stack: SceneStack, how: str, then: str) -> None:
    """A deployment is rolled back and then repeated. That CloudFormation has the set counts for more."""
    stack.declare(vms(1, 2))
    if how == "rolled back":
        stack.declare(vms(2, 4), fails_after=5.0, fails_last=True)
    else:
        stack.declare(vms(2, 4))
        stack.declare(vms(1, 2))
    backup = stack.model.table.backup()
    world.run_for(400)
    stack.declare(vms(2, 4))
    assert world.entitled() == set(vms(2, 4))
    world.run_for(400)
    lose(stack, backup)
    if then == "update":
        stack.declare(vms(3, 6))
        assert (stack.status, world.entitled()) == ("UPDATE_COMPLETE", set(vms(3, 6)))
    elif then == "fail":
        stack.declare(vms(3, 6), fails_after=5.0, fails_last=True)
        assert (stack.status, world.entitled()) == ("UPDATE_ROLLBACK_COMPLETE", set(vms(2, 4)))
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", set())


@pytest.mark.parametrize("is_askable", [True, False])
def test_what_a_delete_has_removed_before_it_failed_is_not_taken_up_when_it_is_repeated(
    world: Scene, stack: SceneStack, is_askable: bool
) -> None:
    """No ledger was lost. CloudFormation still names the set, and a VM of it is somebody else's by now."""
    stack.declare(["vm-1", "vm-2"])
    world.evs.stuck.add("vm-2")
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_FAILED", {"vm-2"})
    world.evs.stuck.clear()
    world.run_for(200)
    world.by_hand("vm-1")
    if not is_askable:
        world.outage("cloudformation", 900.0)
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", {"vm-1"})


# --- a request comes again after the ledger was emptied ---------------------------------------------------------------


@pytest.mark.parametrize("how", ["another resource stays", "declared again"])
def test_a_delete_comes_again_after_the_ledger_was_emptied(world: Scene, stack: SceneStack, how: str) -> None:
    """CloudFormation has had its answer. By now the VM is somebody else's, or declared again."""
    web = {"Web": properties(["vm-8"])}
    stack.deploy({"Windows": properties(["vm-1"]), **web})
    delete = stack.deploy(web).requests[-1]
    assert (delete.type, world.entitled()) == ("Delete", {"vm-8"})
    world.run_for(400)
    if how == "declared again":
        stack.deploy({"Windows": properties(["vm-1"]), **web})
    else:
        world.by_hand("vm-1")
    lose(stack)
    stack.model.function.deliver(delete.event, delete, 1.0)
    world.run_for(200)
    assert world.entitled() == {"vm-1", "vm-8"}


def test_an_update_comes_again_after_the_ledger_was_emptied(world: Scene, stack: SceneStack) -> None:
    """It takes up the set that CloudFormation has, and not the one that it had replaced."""
    stack.declare(["vm-1", "vm-2"])
    update = stack.declare(["vm-2", "vm-3"]).requests[0]
    assert (update.type, world.entitled()) == ("Update", {"vm-2", "vm-3"})
    world.run_for(400)
    world.by_hand("vm-1")
    lose(stack)
    stack.model.function.deliver(update.event, update, 1.0)
    world.run_for(200)
    stack.declare(["vm-3", "vm-4"])
    assert (stack.status, world.entitled()) == ("UPDATE_COMPLETE", {"vm-1", "vm-3", "vm-4"})


def test_an_update_comes_again_after_the_ledger_was_emptied_and_before_its_clean_up(
    world: Scene, stack: SceneStack
) -> None:
    """Then the ledger knows the newer set, so that the clean-up removes what that one does not declare."""
    stack.declare(["vm-1", "vm-2"])
    former = stack.physical_id
    update = stack.issue("Update", ["vm-2", "vm-3"], former, old=properties(["vm-1", "vm-2"]))
    newer = stack.answer(update)["PhysicalResourceId"]
    world.run_for(200)
    lose(stack)
    stack.model.function.deliver(update.event, update, 1.0)
    world.run_for(200)
    assert stack.ask("Delete", ["vm-1", "vm-2"], former)["Status"] == "SUCCESS"
    assert world.entitled() == {"vm-2", "vm-3"}
    assert stack.ask("Delete", ["vm-2", "vm-3"], newer)["Status"] == "SUCCESS"
    assert world.entitled() == set()


# --- CloudFormation can't be asked ------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["emptied", "gone"])
def test_the_ledger_is_lost_before_a_clean_up_and_cloudformation_cannot_be_asked(
    world: Scene, stack: SceneStack, how: str
) -> None:
    """Only CloudFormation knows that a newer set declares vm-2 as well."""
    stack.declare(["vm-1", "vm-2"])
    former = stack.physical_id
    update = stack.ask("Update", ["vm-2", "vm-3"], former, old=properties(["vm-1", "vm-2"]))
    world.run_for(200)
    stack.model.reach("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
    if how == "emptied":
        lose(stack)
    else:
        stack.model.table.is_gone = stack.model.has_lost_ledger = True
    world.outage("cloudformation", 900.0)
    delete = stack.ask("Delete", ["vm-1", "vm-2"], former)
    assert (update["Status"], delete["Status"]) == ("SUCCESS", "FAILED")
    assert "CloudFormation can't be asked" in delete["Reason"]
    assert world.entitled() == set(vms(1, 3))
    # What only the lost ledger knew stays (docs/limits.md).
    world.run_for(200)
    world.evs.remove_by_hand(HERE, "vm-1")


def test_the_ledger_is_emptied_and_at_an_update_cloudformation_cannot_be_asked(world: Scene, stack: SceneStack) -> None:
    """The id that the request names is proof enough for what removes nothing."""
    stack.declare(["vm-1", "vm-2"])
    world.run_for(200)
    lose(stack)
    world.outage("cloudformation", 300.0)
    former = stack.physical_id
    update = stack.ask("Update", ["vm-2", "vm-3"], former, old=properties(["vm-1", "vm-2"]))
    assert update["Status"] == "SUCCESS"
    assert world.calls("CreateEntitlement") == [["vm-1", "vm-2"], ["vm-3"]]
    world.run_for(400)
    clean_up = stack.ask("Delete", ["vm-1", "vm-2"], former)
    assert (clean_up["Status"], world.entitled()) == ("SUCCESS", {"vm-2", "vm-3"})
    stack.ask("Delete", ["vm-2", "vm-3"], update["PhysicalResourceId"])


@pytest.mark.parametrize("kind", ["Update", "Delete"])
def test_the_ledger_is_emptied_and_cloudformation_knows_nothing_of_the_resource(
    world: Scene, stack: SceneStack, kind: str
) -> None:
    """Neither a resource nor an event of it: then nothing contradicts the id that CloudFormation itself has sent."""
    stack.declare(["vm-1", "vm-2"])
    physical_id = stack.physical_id
    world.run_for(200)
    lose(stack)
    resource = stack.model.resources.pop("Windows")
    stack.model.events.clear()
    if kind == "Update":
        update = stack.ask("Update", ["vm-2", "vm-3"], physical_id, old=properties(["vm-1", "vm-2"]))
        assert (update["Status"], world.entitled()) == ("SUCCESS", {"vm-1", "vm-2", "vm-3"})
        assert stack.ask("Delete", ["vm-2", "vm-3"], update["PhysicalResourceId"])["Status"] == "SUCCESS"
    stack.model.resources["Windows"] = resource
    assert stack.ask("Delete", ["vm-1", "vm-2"], physical_id)["Status"] == "SUCCESS"
    assert world.entitled() == set()


# --- while a request waits --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function_timeout", [900.0, 30.0])
@pytest.mark.parametrize("how", ["emptied", "before", "admitted"])
@pytest.mark.parametrize("after", [10.0, 40.0])
def test_the_ledger_is_lost_while_a_create_waits(
    make_world: Make, how: str, after: float, function_timeout: float
) -> None:
    """EVS has answered the calls, so that the request knows what it made. It goes on, in whichever invocation."""
    world = make_world(creation_takes=60.0, function_timeout=function_timeout)
    stack = world.new_stack()
    stack.deploy({"Web": properties(["vm-8"])})
    world.weather.creation_takes = 60.0
    backup = stack.model.table.backup()
    stack.model.reach("UPDATE_IN_PROGRESS")
    request = stack.issue("Create", vms(1, 3), ServiceTimeout="900")
    world.clock.run(world.clock.now + 2.0, done=lambda: stack.model.table.backup() != backup)
    if how == "admitted":
        backup = stack.model.table.backup()
    world.run_for(after)
    lose(stack, None if how == "emptied" else backup)
    answer = stack.answer(request)
    assert (answer["Status"], world.entitled()) == ("SUCCESS", {"vm-1", "vm-2", "vm-3", "vm-8"})
    stack.model.release("Windows", answer["PhysicalResourceId"])
    stack.model.reach("UPDATE_ROLLBACK_IN_PROGRESS")
    assert stack.ask("Delete", vms(1, 3), answer["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert world.entitled() == {"vm-8"}


@pytest.mark.parametrize("how", ["emptied", "restored"])
def test_the_ledger_is_lost_while_a_create_that_fails_waits(make_world: Make, how: str) -> None:
    """What the request made is undone. What somebody else has entitled meanwhile stays."""
    world = make_world(creation_takes=60.0)
    stack = world.new_stack()
    backup = stack.model.table.backup()
    world.evs.bad["vm-3"] = "fails"
    request = stack.issue("Create", vms(1, 3), ServiceTimeout="900")
    world.run_for(10)
    lose(stack, None if how == "emptied" else backup)
    answer = stack.answer(request)
    assert answer["Status"] == "FAILED"
    stack.model.release("Windows", answer["PhysicalResourceId"])
    assert stack.ask("Delete", vms(1, 3), answer["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert world.entitled() == set()


@pytest.mark.parametrize("how", ["emptied", "restored"])
@pytest.mark.parametrize("is_askable", [True, False])
def test_the_ledger_is_lost_while_an_update_waits(make_world: Make, how: str, is_askable: bool) -> None:
    world = make_world()
    stack = world.new_stack()
    backup = stack.model.table.backup()
    stack.declare(["vm-1", "vm-2"])
    former = stack.physical_id
    world.weather.creation_takes = 60.0
    request = stack.issue("Update", ["vm-2", "vm-3"], former, old=properties(["vm-1", "vm-2"]), ServiceTimeout="900")
    world.run_for(10)
    lose(stack, None if how == "emptied" else backup)
    if not is_askable:
        world.outage("cloudformation", 200.0)
    answer = stack.answer(request)
    world.run_for(300)
    assert answer["Status"] == "SUCCESS"
    assert stack.ask("Delete", ["vm-1", "vm-2"], former)["Status"] == "SUCCESS"
    assert world.entitled() == {"vm-2", "vm-3"}
    assert stack.ask("Delete", ["vm-2", "vm-3"], answer["PhysicalResourceId"])["Status"] == "SUCCESS"


def test_the_ledger_is_emptied_while_a_delete_waits(make_world: Make) -> None:
    world = make_world()
    stack = world.new_stack()
    stack.declare(vms(1, 3))
    world.weather.deletion_takes = 60.0
    world.after(10.0, lambda: lose(stack))
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", set())


def test_the_ledger_is_emptied_between_the_first_read_and_the_first_write(world: Scene, stack: SceneStack) -> None:
    """What was found out before the write is void: the set has to be taken up."""
    stack.declare(vms(1, 3))
    world.run_for(200)
    table = stack.model.table
    call = table.call

    def emptying(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        answer = call(operation, parameters)
        if operation == "GetItem" and not stack.model.has_lost_ledger:
            lose(stack)
        return answer

    table.call = emptying  # type: ignore[method-assign]
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", set())


@pytest.mark.parametrize("answers", [1, 4])
def test_some_answers_without_the_ledger_are_no_lost_ledger(
    make_world: Make, monkeypatch: pytest.MonkeyPatch, answers: int
) -> None:
    """It is read again, over some seconds."""
    world = make_world(creation_takes=30.0)
    stack = world.new_stack()
    request = stack.issue("Create", vms(1, 3), ServiceTimeout="900")
    world.run_for(10)
    table, left = stack.model.table, [answers]
    call = table.call

    def missing(operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        if operation == "GetItem" and left[0]:
            left[0] -= 1
            return {}
        return call(operation, parameters)

    monkeypatch.setattr(table, "call", missing)
    answer = stack.answer(request)
    assert (answer["Status"], left) == ("SUCCESS", [0])
    stack.ask("Delete", vms(1, 3), answer["PhysicalResourceId"])
    assert world.entitled() == set()
