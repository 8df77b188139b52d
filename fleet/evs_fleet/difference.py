"""What a new lock changes against the one before.

Pure. Owns how VMs of two locks are told to be the same: by instance UUID, which stays when a VM is registered anew, and
else by id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evs_entitlements.lock import EntitlementLock, LockedVm

#: A lock that would remove more than this part of the VMs is not written unasked.
REMOVED_AT_MOST = 1 / 3
#: What is told of a VM that stays, beside its name.
_DETAILS = ("guest_id", "vcpus", "folder", "instance_uuid")


@dataclass(frozen=True)
class Change:
    """One detail of a VM that stays entitled."""

    vm: LockedVm
    field: str
    before: object
    after: object


@dataclass(frozen=True)
class Difference:
    """What has changed, each list in the order of the locks.

    Attributes:
        added: VMs that were not in the lock.
        removed: VMs that are no longer, with why.
        reregistered: pairs (before, now): the same instance UUID under another id.
        renamed: pairs (before, now) of VMs with the same id.
        changed: other details of VMs with the same id.
        moved: what else has changed, such as the connector, in words.
        before: number of VMs that there were.
    """

    added: tuple[LockedVm, ...]
    removed: tuple[tuple[LockedVm, str], ...]
    reregistered: tuple[tuple[LockedVm, LockedVm], ...]
    renamed: tuple[tuple[LockedVm, LockedVm], ...]
    changed: tuple[Change, ...]
    moved: tuple[str, ...]
    before: int

    @property
    def removes_too_many(self) -> bool:
        """Whether it would remove more than a third of the VMs."""
        return len(self.removed) > self.before * REMOVED_AT_MOST

    def __bool__(self) -> bool:
        """Tell whether there is any difference."""
        lists = (self.added, self.removed, self.reregistered, self.renamed, self.changed, self.moved)
        return any(lists)


def compare(before: EntitlementLock | None, after: EntitlementLock, reasons: Mapping[str, str]) -> Difference:
    """Return the difference between two locks.

    Args:
        before: the lock that there is, or None where there is none.
        after: the lock that is to be.
        reasons: id of a VM -> why it is not in `after`.
    """
    if before is None:
        return Difference(after.vms, (), (), (), (), (), 0)
    old = {vm.id: vm for vm in before.vms}
    # EVS knows VMs by id within a connector: with another one, every entitlement is a new one.
    same = (before.environment_id, before.connector_id) == (after.environment_id, after.connector_id)
    by_uuid: dict[str | None, LockedVm] = {vm.instance_uuid: vm for vm in before.vms if vm.instance_uuid and same}
    new_ids = set(after.vm_ids) if same else set()
    added, reregistered, renamed, changed = [], [], [], []
    left = dict(old)
    for vm in after.vms:
        if same and vm.id in old:
            was = left.pop(vm.id)
            if was.name != vm.name:
                renamed.append((was, vm))
            changed += _changes(was, vm)
        elif (found := by_uuid.get(vm.instance_uuid)) and found.id in left and found.id not in new_ids:
            reregistered.append((left.pop(found.id), vm))
        else:
            added.append(vm)
    default = "no longer in the inventory" if same else "another environment or connector"
    removed = [(vm, reasons.get(vm.id, default)) for vm in left.values()]
    return Difference(
        tuple(added),
        tuple(removed),
        tuple(reregistered),
        tuple(renamed),
        tuple(changed),
        tuple(_moved(before, after)),
        len(old),
    )


def _changes(was: LockedVm, vm: LockedVm) -> list[Change]:
    pairs = [(name, getattr(was, name), getattr(vm, name)) for name in _DETAILS]
    return [Change(vm, name, before, after) for name, before, after in pairs if before != after]


def _moved(before: EntitlementLock, after: EntitlementLock) -> list[str]:
    words = []
    for name in ("environment_id", "connector_id"):
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            words.append(f"{name}: {old} -> {new}")
    if before.vcenter != after.vcenter:
        words.append(f"vcenter: {_vcenter(before)} -> {_vcenter(after)}")
    return words


def _vcenter(lock: EntitlementLock) -> str:
    if lock.vcenter is None:
        return "not known"
    return f"{lock.vcenter.host or 'host not known'} ({lock.vcenter.instance_uuid or 'instance_uuid not known'})"
