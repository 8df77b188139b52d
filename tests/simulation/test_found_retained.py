"""What breaking the product on purpose has found about what is retained.

Each scene is judged when its test ends: nothing left behind, nothing foreign touched, every request answered once. So
many a test asserts only what the judge does not know.
"""

import pytest

from .scene import Scene, SceneStack, properties, vms


def test_an_update_that_only_says_retain_counts(world: Scene, stack: SceneStack) -> None:
    """Step one of moving VMs: only the policy changes. Step two: the resource leaves, its attribute is not heeded."""
    stack.declare(vms(1, 3))
    stack.deploy({"Windows": properties(vms(1, 3), retains=True)}, retain={"Windows": "property"})
    stack.deploy({"Other": properties(["vm-9"])})
    assert world.entitled() == {*vms(1, 3), "vm-9"}
    stack.delete()
    assert world.entitled() == set(vms(1, 3))


@pytest.mark.parametrize("times", [1, 2])
def test_what_was_retained_stays_though_its_delete_comes_again(world: Scene, stack: SceneStack, times: int) -> None:
    """The Delete failed since another VM is stuck; CloudFormation tries it again."""
    stack.deploy(
        {"Windows": properties(["vm-1"], retains=True), "Web": properties(["vm-2"])}, retain={"Windows": "property"}
    )
    world.evs.stuck.add("vm-2")
    stack.declare(["vm-1"], retain="property")
    assert world.status("vm-2") == "CREATED"
    physical_id = stack.physical_id
    for _ in range(times):
        stack.model.keep("Windows", properties(["vm-1"]))
        stack.ask("Delete", ["vm-1"], physical_id, retains=True)
        world.run_for(5)
    assert world.status("vm-1") == "CREATED"
    world.evs.stuck.clear()
    assert stack.ask("Delete", ["vm-1"], physical_id, retains=True)["Status"] == "SUCCESS"
    assert world.entitled() == {"vm-1"}


@pytest.mark.parametrize("nested", [False, True])
def test_retained_though_the_answer_for_a_newer_set_was_never_heard(world: Scene, nested: bool) -> None:
    """Rollback is off, the Update is cancelled, its answer comes; then the stack goes."""
    stack = world.new_stack(nested=nested)
    stack.declare(["vm-1"], retain="property")
    stack.deploy({"Windows": properties(["vm-2"])}, fails_after=0.6, rolls_back=False)
    world.run_for(100)
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", {"vm-1"})


@pytest.mark.parametrize("how", ["emptied", "older"])
def test_a_vm_that_leaves_a_retained_set_goes_though_the_ledger_was_lost(
    world: Scene, stack: SceneStack, how: str
) -> None:
    stack.declare(["vm-9"])
    backup = stack.model.table.backup()
    stack.declare(["vm-1"], retain="property")
    world.run_for(400)
    if how == "emptied":
        stack.model.table.empty()
    else:
        stack.model.table.restore(backup)
    stack.declare(["vm-2"])
    assert world.entitled() == {"vm-2"}


@pytest.mark.parametrize("policy", ["DESTROY", "RETAIN"])
def test_retained_under_one_name_and_declared_under_another(world: Scene, stack: SceneStack, policy: str) -> None:
    """VMs that leave the new set go, and so does all of it with the stack, unless that says RETAIN again."""
    stack.declare(vms(1, 4), retain="property")
    stack.deploy({"Other": properties(["vm-9"])})
    how = {"Tokens": "property"} if policy == "RETAIN" else None
    retains = policy == "RETAIN"
    stack.deploy({"Tokens": properties(vms(1, 4), retains=retains)}, retain=how)
    stack.deploy({"Tokens": properties(vms(1, 2), retains=retains)}, retain=how)
    assert world.entitled() == set(vms(1, 2))
    stack.delete()
    assert world.entitled() == (set(vms(1, 2)) if retains else set())


def test_a_rolled_back_resource_gives_nothing_back_that_a_cancelled_create_made(
    world: Scene, stack: SceneStack
) -> None:
    """The answer of the cancelled Create was never heard; what it made was nobody's to retain."""
    stack.deploy(
        {"Windows": properties(["vm-1"], EnvironmentId="env-short"), "Web": properties(["vm-2"])}, rolls_back=False
    )
    world.run_for(25)
    stack.deploy({"Web": properties(["vm-1"], AdoptExisting="perhaps"), "Windows": properties(["vm-2"])})
    world.run_for(400)
    stack.declare(["vm-9"])
    stack.delete()
    assert world.entitled() == set()


@pytest.mark.parametrize("former_retains", [False, True])
def test_a_stack_goes_with_a_retained_set_and_a_former_one(
    world: Scene, stack: SceneStack, former_retains: bool
) -> None:
    """Rollback was off: the former set gets a Delete, the present one is skipped by its DeletionPolicy."""
    stack.declare(["vm-1"], retain="attribute" if former_retains else "")
    stack.declare(["vm-2"], retain="attribute", fails_after=20.0, fails_last=True, rolls_back=False)
    world.run_for(100)
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", {"vm-2"})


def test_what_two_resources_take_over_in_one_operation_stays_retained_when_that_is_rolled_back(
    world: Scene, stack: SceneStack
) -> None:
    """The first one does not yet know that it was retained: its logical id is about to be created again."""
    stack.deploy({"Database": properties(["vm-1"], retains=True)}, retain={"Database": "attribute"})
    stack.deploy({"Web": properties(["vm-8"])})
    web = stack.model.resources["Web"].physical_id
    world.evs.bad["vm-109"] = "refused"
    stack.model.reach("UPDATE_IN_PROGRESS")
    stack.names("", "Database", "CREATE_IN_PROGRESS")
    changed = stack.ask("Update", ["vm-1"], web, logical_id="Web", old=properties(["vm-8"]))["PhysicalResourceId"]
    failed = stack.ask("Create", ["vm-109"], logical_id="Database")
    assert failed["Status"] == "FAILED"
    created = stack.ask("Create", ["vm-1"], logical_id="Windows")["PhysicalResourceId"]
    stack.model.reach("UPDATE_ROLLBACK_IN_PROGRESS")
    stack.names(web, "Web", "UPDATE_COMPLETE")
    for logical_id, physical_id, vm_ids in [
        ("Web", changed, ["vm-1"]),
        ("Database", failed["PhysicalResourceId"], ["vm-109"]),
        ("Windows", created, ["vm-1"]),
    ]:
        assert stack.ask("Delete", vm_ids, physical_id, logical_id=logical_id)["Status"] == "SUCCESS"
    assert world.entitled() == {"vm-1", "vm-8"}


def test_the_ledger_is_restored_to_before_the_set_that_was_retained(world: Scene, stack: SceneStack) -> None:
    """Of the resource that has left with its DeletionPolicy the ledger knows only a set that was cleaned up since."""
    rest = {"Database": properties(["vm-108"])}
    stack.deploy({"Windows": properties(["vm-107"]), **rest})
    backup = stack.model.table.backup()
    stack.deploy({"Windows": properties(["vm-106", "vm-107"]), **rest}, retain={"Windows": "attribute"})
    world.run_for(400)
    stack.model.table.restore(backup)
    stack.model.has_lost_ledger = True
    stack.delete()
    assert (stack.status, world.entitled()) == ("DELETE_COMPLETE", {"vm-106", "vm-107"})
