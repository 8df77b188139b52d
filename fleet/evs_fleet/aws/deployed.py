"""What a deployed stack declares: its custom resources, and the ledger that says what each of them stands for.

The only module that reads the ledger. The template is no answer: its VM ids may be parameters, and it says nothing of a
deployment that failed half-way. The form of the ledger is the function's own (`lambda_handler`), so that is used to
read it.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from evs_fleet.aws.failures import NotFound
from evs_fleet.errors import AwsError

if TYPE_CHECKING:
    from evs_fleet.aws.session import Session

RESOURCE_TYPE = "Custom::EvsWindowsServerEntitlements"
#: Where the logical ids of the construct's own resources begin.
PROVIDER = "EvsEntitlementsProvider"

#: Environment id and connector id.
Place = tuple[str, str]


@dataclass(frozen=True)
class Stack:
    """A stack that has entitlements of this project.

    Attributes:
        status: its status, such as UPDATE_IN_PROGRESS.
        declared: environment and connector -> VMs of the sets that CloudFormation names now.
        pending: the same of sets that an operation under way is about to entitle.
        resources: logical id -> physical id of the construct's own resources: function, role, table, log group.
    """

    stack_id: str
    name: str
    status: str
    declared: dict[Place, frozenset[str]] = field(default_factory=dict)
    pending: dict[Place, frozenset[str]] = field(default_factory=dict)
    resources: dict[str, str] = field(default_factory=dict)

    @property
    def in_progress(self) -> bool:
        """Whether an operation is under way."""
        return self.status.endswith("_IN_PROGRESS")

    def resource(self, kind: str) -> str | None:
        """Return the physical id of one of the construct's own resources, such as `Role`, or None."""
        # CDK ends a logical id with a hash of 8 characters: Role and RolePolicy begin alike.
        found = [
            physical
            for logical, physical in self.resources.items()
            if logical.startswith(PROVIDER + kind) and len(logical) == len(PROVIDER + kind) + 8
        ]
        return found[0] if found else None


def declared(session: Session, stack: str) -> dict[Place, frozenset[str]]:
    """Return what a stack declares: environment and connector -> VM ids.

    Raises:
        NotFound: there is no such stack, or it has no entitlements of this project, or its ledger is gone.
        AwsError: it can't be read.
    """
    return read(session, stack).declared


def read(session: Session, stack: str) -> Stack:
    """Return a stack with what it declares; `stack` is its name or id. Raises as `declared`.

    While an operation is under way, or once the stack is deleted, resources and ledger need not be there.
    """
    described = session.call("cloudformation", "describe_stacks", StackName=stack)["Stacks"][0]
    name, status = str(described["StackName"]), str(described["StackStatus"])
    changing = status.endswith("_IN_PROGRESS") or status.startswith("DELETE_")
    items = list(session.items("cloudformation", "list_stack_resources", "StackResourceSummaries", StackName=stack))
    physical = {item["LogicalResourceId"]: str(item.get("PhysicalResourceId") or "") for item in items}
    named = {physical[item["LogicalResourceId"]] for item in items if item["ResourceType"] == RESOURCE_TYPE}
    table = next((physical[item["LogicalResourceId"]] for item in items if _is_ledger(item)), "")
    if not named and not table and not changing:
        raise NotFound(f"stack {name} declares no Windows Server entitlements ({RESOURCE_TYPE})")
    state = _state(session, table, str(described["StackId"]), required=not changing) if table else None
    if state is None and not changing:
        raise NotFound(f"stack {name}: its ledger has no entry: has a deployment ever succeeded?")
    sets = list(state.sets.items()) if state else []
    return Stack(
        stack_id=str(described["StackId"]),
        name=name,
        status=status,
        declared=_by_place([one for physical_id, one in sets if physical_id in named]),
        pending=_by_place([one for physical_id, one in sets if not one.live]),
        resources={logical: value for logical, value in physical.items() if logical.startswith(PROVIDER)},
    )


def _is_ledger(item: dict[str, Any]) -> bool:
    kind, logical_id = item["ResourceType"], item["LogicalResourceId"]
    return bool(kind == "AWS::DynamoDB::Table" and logical_id.startswith(f"{PROVIDER}Ledger"))


def _state(session: Session, table: str, stack_id: str, *, required: bool) -> Any:
    """Return the ledger as the function reads it; None where it is empty, or its table is gone and not `required`."""
    key = {"Id": {"S": stack_id}}
    try:
        item = session.call("dynamodb", "get_item", TableName=table, Key=key, ConsistentRead=True).get("Item")
    except NotFound:
        if required:
            raise
        return None
    if not item:
        return None
    try:
        return _handler("ledger.packing").read_item(item)
    except Exception as error:
        if type(error).__name__ != "LedgerFailure":
            raise
        raise AwsError(f"the ledger, DynamoDB table {table}, can't be read: {error}") from error


def _by_place(sets: list[Any]) -> dict[Place, frozenset[str]]:
    found: dict[Place, frozenset[str]] = {}
    for one in sets:
        place = (one.connector.environment_id, one.connector.connector_id)
        found[place] = found.get(place, frozenset()) | one.vm_ids
    return found


def _handler(module: str) -> ModuleType:
    """Import a module of the function's code: in the construct's package where installed, beside it in a checkout."""
    import evs_entitlements

    package = Path(evs_entitlements.__file__).parent
    if (package / "lambda_handler").is_dir():
        return importlib.import_module(f"evs_entitlements.lambda_handler.{module}")
    checkout = str(package.parent.parent)
    sys.path.append(checkout)
    try:
        return importlib.import_module(f"lambda_handler.{module}")
    finally:
        sys.path.remove(checkout)
