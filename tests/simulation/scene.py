"""A world for hand-written histories: verbs, so that a test reads as what happens.

Owns the verbs. The scene is judged when it ends, as a random history is: nothing left behind, nothing foreign touched,
every request answered once, no secret logged.
"""

from collections.abc import Iterable
from typing import Any

from .clock import Process
from .operations import Operation, Ways
from .requests import Request
from .resources import Resource, Template
from .rows import Where
from .stacks import Stack
from .weather import Weather
from .world import CONNECTOR, ENVIRONMENT, HERE, OTHER_CONNECTOR, World

LOGICAL_ID = "Windows"


def vms(first: int, last: int) -> list[str]:
    """Return the VMs of a range, the last one included."""
    return [f"vm-{number}" for number in range(first, last + 1)]


def properties(
    vm_ids: Iterable[str], *, adopts: bool = False, there: bool = False, retains: bool = False, **others: Any
) -> dict[str, Any]:
    """Return ResourceProperties. One that is None is left out."""
    given = {
        "EnvironmentId": ENVIRONMENT,
        "ConnectorId": OTHER_CONNECTOR if there else CONNECTOR,
        "VmIds": sorted(vm_ids),
        "AdoptExisting": "true" if adopts else "false",
        "RemovalPolicy": "RETAIN" if retains else "DESTROY",
        **others,
    }
    return {name: value for name, value in given.items() if value is not None}


class SceneStack:
    """A stack, and what is done with it."""

    def __init__(self, world: "Scene", stack: Stack) -> None:
        self.world = world
        self.model = stack

    # --- whole operations -----------------------------------------------------------------------------------------

    def deploy(
        self, resources: dict[str, dict[str, Any]], *, retain: dict[str, str] | None = None, **ways: Any
    ) -> Operation:
        """Create or update the stack with several resources, to the end of the operation."""
        operation, process = self.begin(resources, retain=retain, **ways)
        self.world.clock.wait_for(process)
        return operation

    def begin(
        self, resources: dict[str, dict[str, Any]], *, retain: dict[str, str] | None = None, **ways: Any
    ) -> tuple[Operation, Process]:
        """Begin to create or update the stack."""
        operation = Operation(self.model, Ways(**ways), f"{self.world.seed}/{self.model.operations}")
        return operation, self.model.begin(operation.deploy, Template(dict(resources), retain or {}))

    def declare(self, vm_ids: Iterable[str], retain: str = "", **given: Any) -> Operation:
        """Create or update the stack with one resource."""
        names = set(Ways.__dataclass_fields__)
        ways = {name: given.pop(name) for name in list(given) if name in names}
        declared = properties(vm_ids, retains=bool(retain), **given)
        return self.deploy({LOGICAL_ID: declared}, retain={LOGICAL_ID: retain} if retain else None, **ways)

    def roll_back(self, **ways: Any) -> Operation:
        """Roll the stack back after an operation that failed with rollback off, or go on with a rollback."""
        operation = Operation(self.model, Ways(**ways), f"{self.world.seed}/{self.model.operations}")
        self.world.clock.wait_for(self.model.begin(operation.roll_back))
        return operation

    def delete(self) -> Operation:
        """Delete the stack, to the end of the operation."""
        operation = Operation(self.model, Ways(), f"{self.world.seed}/{self.model.operations}")
        self.world.clock.wait_for(self.model.begin(operation.delete))
        return operation

    @property
    def status(self) -> str:
        return self.model.status

    @property
    def physical_id(self) -> str:
        """The id by which CloudFormation knows the one resource."""
        return self.model.resources[LOGICAL_ID].physical_id

    # --- single requests ------------------------------------------------------------------------------------------

    def issue(
        self,
        kind: str,
        vm_ids: Iterable[str],
        physical_id: str | None = None,
        logical_id: str = LOGICAL_ID,
        old: dict[str, Any] | None = None,
        delivered: list[float] | None = None,
        **given: Any,
    ) -> Request:
        """Let CloudFormation issue one request, which Lambda delivers after so many seconds, each of `delivered`."""
        seed = f"{self.world.seed}/{len(self.world.requests)}"
        request = Request(self.model, kind, logical_id, physical_id, properties(vm_ids, **given), old, seed)
        request.delivered = delivered
        if kind == "Create":
            self.names("", logical_id, "CREATE_IN_PROGRESS")
        self.model.issue(request)
        return request

    def answer(self, request: Request) -> dict[str, Any]:
        """Let time pass until a request is answered; fail where CloudFormation gives up waiting."""
        self.world.clock.run(request.deadline, done=lambda: bool(request.bodies))
        assert request.bodies, f"{request} was not answered\n{self.world.story.tell()}"
        answer = request.answer
        if answer["Status"] == "SUCCESS" and request.type != "Delete":
            self.model.believe(request.logical_id, answer["PhysicalResourceId"], request.properties)
            self.names(answer["PhysicalResourceId"], request.logical_id)
        return answer

    def ask(self, kind: str, vm_ids: Iterable[str], physical_id: str | None = None, **given: Any) -> dict[str, Any]:
        """Let CloudFormation issue one request, and return its answer."""
        if kind == "Delete" and physical_id is not None:
            self.model.release(given.get("logical_id", LOGICAL_ID), physical_id)
        return self.answer(self.issue(kind, vm_ids, physical_id, **given))

    def names(self, physical_id: str, logical_id: str = LOGICAL_ID, status: str = "CREATE_COMPLETE") -> None:
        """Let CloudFormation take on an id for a resource."""
        resource = Resource(logical_id, {}, physical_id, status)
        self.model.resources[logical_id] = resource
        self.model.note(resource, physical_id, status)


class Scene(World):
    """One world."""

    def __init__(self, **weather: Any) -> None:
        super().__init__("scene", Weather(**weather))

    def new_stack(self, **given: Any) -> SceneStack:
        """Make a stack that its first operation creates."""
        return SceneStack(self, self.stack(**given))

    def entitled(self, where: Where = HERE) -> set[str]:
        """Return the VMs that are entitled in truth."""
        return {row.vm_id for row in self.evs.all_held(where) if row.is_entitled}

    def status(self, vm_id: str, where: Where = HERE) -> str | None:
        """Return the status of what holds a VM."""
        row = self.evs.held(where, vm_id)
        return row.status if row else None

    def calls(self, operation: str, since: int = 0) -> list[list[str]]:
        """Return the VMs of each CreateEntitlement or DeleteEntitlement that reached EVS, from a fact on."""
        return [fact[3]["vmIds"] for _, fact in self.story.facts[since:] if fact[0] == "call" and fact[2] == operation]

    def by_hand(self, *vm_ids: str, status: str = "CREATED", where: Where = HERE) -> None:
        """Let somebody else entitle VMs."""
        for vm_id in vm_ids:
            assert self.evs.entitle_by_hand(where, vm_id, status), vm_id

    def judged(self) -> list[str]:
        """Let all settle, and return what was violated."""
        self.settle()
        for stack in self.stacks.values():
            if not stack.under_way:
                self.judge.rest(stack)
        self.judge.end()
        return self.judge.violations
