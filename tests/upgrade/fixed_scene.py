"""What the stored ledgers tell of, played in the simulation with any version's code.

Owns both situations: a stack at rest, and one whose update was killed with a call under way. Never changed, as the
app of `fixed_app` is not: a stored ledger is put in the place of the one that the situation has led to.
"""

from collections.abc import Iterable
from typing import Any

from tests.simulation.requests import Request
from tests.simulation.rows import Where
from tests.simulation.scene import Scene, SceneStack

from .fixed_app import CONNECTOR, ENVIRONMENT, LICENCES, OTHER_CONNECTOR, OTHER_VM_IDS, VM_IDS

#: Logical ids of both sets, as the construct makes them.
WINDOWS = "EvsEntitlementsEnvabcde12345Cnctrabcde12345"
ELSEWHERE = "EvsEntitlementsEnvabcde12345Cnctrfghij67890"
HERE: Where = (ENVIRONMENT, CONNECTOR)
THERE: Where = (ENVIRONMENT, OTHER_CONNECTOR)
#: The VM that was entitled before the stack was there; the stack has adopted it.
ADOPTED = "vm-103"
#: A set whose id tells each order of VM ids from any other.
GOLDEN = ("vm-0103", "vm-1000", "vm-11", "vm-103", "vm-12", "vm-9")
#: What the update that is killed declares.
CHANGED = ("vm-101", "vm-103", "vm-104")


def properties(vm_ids: Iterable[str], connector: str = CONNECTOR) -> dict[str, Any]:
    """Return ResourceProperties as the template of the fixed app has them."""
    return {
        "ServiceTimeout": "300",
        "EnvironmentId": ENVIRONMENT,
        "ConnectorId": connector,
        "VmIds": sorted(vm_ids),
        "AdoptExisting": "true",
        "RemovalPolicy": "DESTROY",
        "LedgerTable": "ledger",
    }


def resources(vm_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return the custom resources of the stack, with these VMs in the first set."""
    return {WINDOWS: properties(vm_ids), ELSEWHERE: properties(OTHER_VM_IDS, OTHER_CONNECTOR)}


def at_rest(world: Scene) -> SceneStack:
    """Create the stack; time then passes until nothing is under way any more."""
    world.evs.places.add(THERE)
    world.by_hand(ADOPTED)
    # The adopted one shows in the list before the stack looks.
    world.run_for(120)
    stack = world.new_stack(name=LICENCES)
    stack.deploy(resources(VM_IDS))
    assert stack.status == "CREATE_COMPLETE", world.story.tell()
    world.run_for(600)
    return stack


def under_way(world: Scene) -> tuple[SceneStack, Request]:
    """Let an update be killed for good, as soon as EVS has had its call."""
    stack = at_rest(world)
    stack.names(stack.model.resources[WINDOWS].physical_id, WINDOWS, "UPDATE_COMPLETE")
    since = len(world.story.facts)
    physical_id = stack.model.resources[WINDOWS].physical_id
    request = Request(
        stack.model, "Update", WINDOWS, physical_id, properties(CHANGED), properties(VM_IDS), f"{world.seed}/update"
    )
    request.is_retried = False
    stack.model.issue(request)
    world.clock.run(request.deadline, done=lambda: bool(world.calls("CreateEntitlement", since)))
    for invocation in world.invocations:
        invocation.kill("the version is stored at this moment")
    assert world.calls("CreateEntitlement", since) == [["vm-104"]], world.story.tell()
    return stack, request


def item(stack: SceneStack) -> dict[str, Any]:
    """Return the item of the stack's ledger."""
    return stack.model.table.backup()[stack.model.id]


def put(stack: SceneStack, stored: dict[str, Any]) -> None:
    """Let the stack's ledger be a stored one."""
    assert stored["Id"] == {"S": stack.model.id}
    stack.model.table.restore({stack.model.id: stored})
