"""A ledger that is emptied, restored, deleted, or holds what can't be read."""

from collections.abc import Callable
from typing import Any

import pytest

from .rows import Where
from .scene import Scene, SceneStack, properties
from .world import HERE

Make = Callable[..., Scene]


@pytest.mark.parametrize("then", ["delete", "update", "roll back"])
def test_a_ledger_that_was_emptied(world: Scene, stack: SceneStack, then: str) -> None:
    """The id of a set proves it: it is taken up again, and the request goes on."""
    stack.declare(["vm-1", "vm-2"])
    world.run_for(200)
    stack.model.table.empty()
    if then == "update":
        stack.declare(["vm-2", "vm-3"])
        assert world.entitled() == {"vm-2", "vm-3"}
    elif then == "roll back":
        stack.declare(["vm-2", "vm-3"], fails_after=5.0, fails_last=True)
        assert world.entitled() == {"vm-1", "vm-2"}
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", set())


def test_a_ledger_that_was_restored_to_an_older_state(world: Scene, stack: SceneStack) -> None:
    stack.declare(["vm-1"])
    backup = stack.model.table.backup()
    stack.declare(["vm-2"])
    world.run_for(200)
    stack.model.table.restore(backup)
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", set())


def test_without_its_table_a_create_fails_before_any_call(world: Scene, stack: SceneStack) -> None:
    stack.model.table.is_gone = True
    request = stack.issue("Create", ["vm-1"])
    request.excuses.add("no table")
    answer = stack.answer(request)
    assert answer["Status"] == "FAILED"
    assert "ledger" in answer["Reason"]
    assert not world.calls("CreateEntitlement")


def test_without_its_table_a_delete_falls_back_to_its_properties(world: Scene, stack: SceneStack) -> None:
    stack.declare(["vm-1", "vm-2"])
    world.run_for(200)
    stack.model.table.is_gone = True
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", set())


@pytest.mark.parametrize("garbage", [b"garbage", b""])
def test_a_ledger_that_cannot_be_read_says_so_and_changes_nothing(
    world: Scene, stack: SceneStack, garbage: bytes
) -> None:
    stack.declare(["vm-1"])
    world.run_for(2)
    backup = stack.model.table.backup()
    stack.model.table.restore({key: {**item, "Body": {"B": garbage}} for key, item in backup.items()})
    request = stack.issue("Update", ["vm-1", "vm-2"], stack.physical_id, old=properties(["vm-1"]))
    request.excuses.add("garbage")
    answer = stack.answer(request)
    assert answer["Status"] == "FAILED"
    assert "ledger" in answer["Reason"]
    assert "Nothing was changed" in answer["Reason"]
    assert world.calls("CreateEntitlement") == [["vm-1"]]
    stack.model.table.restore(backup)


@pytest.mark.parametrize("kind", ["Update", "Delete"])
def test_the_ledger_is_restored_under_a_request_that_waits(world: Scene, stack: SceneStack, kind: str) -> None:
    """That the ledger has forgotten the request does not mean that a newer one has come."""
    stack.declare(["vm-1", "vm-2"])
    former, backup = stack.physical_id, stack.model.table.backup()
    world.weather.creation_takes, world.weather.deletion_takes = 60.0, 60.0
    vm_ids = ["vm-1", "vm-3"] if kind == "Update" else ["vm-1", "vm-2"]
    if kind == "Delete":
        stack.model.release("Windows", former)
    old = properties(["vm-1", "vm-2"]) if kind == "Update" else None
    request = stack.issue(kind, vm_ids, former, old=old)
    world.run_for(20)
    stack.model.table.restore(backup)
    stack.model.has_lost_ledger = True
    answer = stack.answer(request)
    assert answer["Status"] == "SUCCESS"
    if kind == "Update":
        assert stack.ask("Delete", ["vm-1", "vm-2"], former)["Status"] == "SUCCESS"
        assert world.entitled() == {"vm-1", "vm-3"}
        stack.ask("Delete", vm_ids, answer["PhysicalResourceId"])
    assert world.entitled() == set()


def test_the_ledger_is_emptied_between_an_update_and_its_clean_up(world: Scene, stack: SceneStack) -> None:
    """The Delete proves the former set alone. CloudFormation names the newer one, which declares vm-1 as well."""
    stack.declare(["vm-1", "vm-2"])
    former = stack.physical_id
    update = stack.ask("Update", ["vm-1", "vm-3"], former, old=properties(["vm-1", "vm-2"]))
    assert update["Status"] == "SUCCESS"
    world.run_for(200)
    stack.model.reach("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
    stack.model.table.empty()
    stack.model.has_lost_ledger = True
    delete = stack.ask("Delete", ["vm-1", "vm-2"], former)
    assert delete["Status"] == "FAILED"
    assert update["PhysicalResourceId"] in delete["Reason"]
    stack.model.reach("UPDATE_COMPLETE")
    assert world.entitled() == {"vm-1", "vm-2", "vm-3"}
    # Taken up again, it goes as before. What only the lost ledger knew stays.
    stack.ask("Delete", ["vm-1", "vm-3"], update["PhysicalResourceId"])
    assert world.entitled() == {"vm-2"}
    world.evs.remove_by_hand(HERE, "vm-2")


@pytest.mark.parametrize("function_timeout", [900.0, 30.0])
@pytest.mark.parametrize("after", [3.0, 100.0])
def test_the_table_goes_while_a_create_waits(make_world: Make, function_timeout: float, after: float) -> None:
    """What this request has made, in whichever invocation, is removed by itself: nobody will ever know again."""
    world = make_world(function_timeout=function_timeout, creation_takes=200.0, lag_created=60.0)
    stack = world.new_stack()
    request = stack.issue("Create", ["vm-1"])
    request.excuses.add("no table")
    world.after(after, setattr, stack.model.table, "is_gone", True)
    answer = stack.answer(request)
    assert answer["Status"] == "FAILED"
    assert "1 VM removed again" in answer["Reason"]
    assert stack.ask("Delete", ["vm-1"], answer["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert world.entitled() == set()


@pytest.mark.parametrize("function_timeout", [900.0, 30.0])
def test_the_table_goes_while_a_create_is_undone(make_world: Make, function_timeout: float) -> None:
    world = make_world(function_timeout=function_timeout, deletion_takes=1.0, lag_created=60.0)
    stack = world.new_stack()
    world.evs.bad["vm-2"] = "refused"
    request = stack.issue("Create", ["vm-1", "vm-2"])
    request.excuses.add("no table")
    world.after(5.0, setattr, stack.model.table, "is_gone", True)
    answer = stack.answer(request)
    assert answer["Status"] == "FAILED"
    assert "1 VM removed again" in answer["Reason"]
    assert stack.ask("Delete", ["vm-1", "vm-2"], answer["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert world.entitled() == set()


@pytest.mark.parametrize("function_timeout", [900.0, 30.0])
def test_without_its_table_a_delete_deletes_once_what_the_list_shows_late(
    make_world: Make, function_timeout: float
) -> None:
    world = make_world(function_timeout=function_timeout, lag_deleted=60.0)
    stack = world.new_stack()
    stack.declare(["vm-1"])
    world.run_for(200)
    stack.model.table.is_gone = True
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", set())
    assert world.calls("DeleteEntitlement") == [["vm-1"]]


@pytest.mark.parametrize("function_timeout", [30.0, 900.0])
def test_without_its_table_a_delete_believes_no_single_look(
    make_world: Make, monkeypatch: pytest.MonkeyPatch, function_timeout: float
) -> None:
    """Rows move up while a list is read; with a ledger no VM counts as gone by one look."""
    world = make_world(function_timeout=function_timeout)
    stack = world.new_stack()
    stack.declare(["vm-1", "vm-2", "vm-3"])
    stack.model.table.is_gone = True
    world.run_for(200)
    page = world.listing.page

    def hiding(where: Where, token: str | None, most: int) -> dict[str, Any]:
        answer = page(where, token, most)
        return {**answer, "entitlements": [row for row in answer["entitlements"] if row["vmId"] != "vm-2"]}

    monkeypatch.setattr(world.listing, "page", hiding)
    world.after(2.5, setattr, world.listing, "page", page)
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", set())


@pytest.mark.parametrize("then", ["UPDATE_ROLLBACK_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "DELETE_IN_PROGRESS"])
def test_without_its_table_what_may_be_adopted_is_not_removed_by_a_rollback(
    world: Scene, stack: SceneStack, then: str
) -> None:
    """Whether vm-2 was adopted, too, only the ledger knew. So the answer names both."""
    world.by_hand("vm-1")
    stack.model.reach("CREATE_IN_PROGRESS")
    created = stack.ask("Create", ["vm-1", "vm-2"], adopts=True)
    world.run_for(60)
    stack.model.table.is_gone = True
    if then == "DELETE_IN_PROGRESS":
        stack.model.reach("ROLLBACK_IN_PROGRESS")
        stack.model.reach("ROLLBACK_FAILED")
    stack.model.reach(then)
    request = stack.issue("Delete", ["vm-1", "vm-2"], created["PhysicalResourceId"], adopts=True)
    request.excuses.add("no table")
    answer = stack.answer(request)
    assert (answer["Status"], world.entitled()) == ("FAILED", {"vm-1", "vm-2"})
    assert "vm-1, vm-2" in answer["Reason"]
    world.run_for(200)
    world.evs.remove_by_hand(HERE, "vm-2")


def test_without_its_table_what_was_adopted_and_completed_is_removed(world: Scene, stack: SceneStack) -> None:
    world.by_hand("vm-1")
    stack.declare(["vm-1", "vm-2"], adopts=True)
    world.run_for(200)
    stack.model.table.is_gone = True
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", set())
