"""What is to be entitled: a lock, or what a deployed stack declares; and what EVS makes of it, place by place.

Owns the one value that `check` and `watch` work on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evs_fleet.aws import deployed, evs
from evs_fleet.aws.failures import AccessDenied
from evs_fleet.aws.targets import Target
from evs_fleet.lock_file import load as load_lock
from evs_fleet.output import remark
from evs_health.assessment import Assessment, assess
from evs_health.connectors import Connector

if TYPE_CHECKING:
    from evs_entitlements.lock import EntitlementLock
    from evs_fleet.aws.session import Session
    from evs_fleet.context import Context


@dataclass(frozen=True)
class Declared:
    """VMs that are to be entitled.

    Attributes:
        source: where that is said, in words: a file or a stack.
        vm_ids: environment and connector -> VM ids.
        lock: the lock, where there is one; it knows names and instance UUIDs.
        stack: the stack, where it was asked.
    """

    source: str
    vm_ids: dict[Target, frozenset[str]] = field(default_factory=dict)
    lock: EntitlementLock | None = None
    stack: deployed.Stack | None = None

    @property
    def names(self) -> dict[str, str]:
        """VM id -> name, as the lock has it."""
        return {vm.id: vm.name for vm in self.lock.vms} if self.lock else {}


@dataclass(frozen=True)
class Place:
    """What EVS holds at one environment and connector, against what is declared for it."""

    target: Target
    assessment: Assessment
    #: None where EVS does not list it, or the caller may not ask.
    connector: Connector | None = None


def of_context(session: Session, context: Context, stack: str | None) -> Declared:
    """Return what the lock declares, or the stack where one is named.

    Raises:
        LockError: the lock is missing or wrong.
        AwsError: the stack can't be read.
    """
    if stack is None:
        lock = load_lock(context.lock_path)
        return Declared(str(context.lock_path), _of_lock(lock), lock)
    found = deployed.read(session, stack)
    # A lock beside it knows the names and UUIDs that a stack does not.
    beside = load_lock(context.lock_path) if context.lock or context.lock_path.exists() else None
    places = {Target(*place): vm_ids for place, vm_ids in found.declared.items()}
    return Declared(f"stack {found.name}", places, beside, found)


def look(session: Session, declared: Declared, *, connectors: bool = True) -> list[Place]:
    """Ask EVS what it holds wherever something is declared, and how the connectors are unless that is not wanted.

    Raises:
        AwsError: EVS can't be asked.
    """
    return [
        Place(
            target,
            assess(vm_ids, evs.entitlements(session, *target.ids)),
            _connector(session, target) if connectors else None,
        )
        for target, vm_ids in sorted(declared.vm_ids.items())
    ]


def _of_lock(lock: EntitlementLock) -> dict[Target, frozenset[str]]:
    return {Target(lock.environment_id, lock.connector_id): frozenset(lock.vm_ids)}


def _connector(session: Session, target: Target) -> Connector | None:
    try:
        found = evs.connectors(session, target.environment_id)
    except AccessDenied as error:
        remark(f"The connector was not looked at: {error}")
        return None
    return next((item for item in found if item.connector_id == target.connector_id), None)
