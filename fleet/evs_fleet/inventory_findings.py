"""What an inventory says of declared VMs: ids that have changed, VMs that are gone, VMs that nobody has decided on.

Pure. EVS can't say any of this: it knows a VM by its id alone, and an id changes when a VM is registered anew.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING

from evs_entitlements.lock import LockedVm
from evs_fleet.assessment import Finding, Kind, sort_findings

if TYPE_CHECKING:
    from evs_fleet.inventory.model import Inventory, Vm


def compare(
    declared: Iterable[LockedVm],
    inventory: Inventory,
    *,
    eligible: Callable[[Vm], bool],
    chosen: Collection[str] = (),
    decided: Collection[str] = (),
) -> list[Finding]:
    """Return what the inventory says of VMs that are declared, and of those that are not.

    Args:
        declared: the VMs that are to be entitled; with no instance UUID, a changed id can't be told from a VM
            that is gone.
        inventory: the VMs that there are.
        eligible: whether EVS would entitle a VM.
        chosen: ids of the VMs that the policy chooses.
        decided: ids of the VMs that an include or an exclude of the policy matches.
    """
    locked = {vm.id: vm for vm in declared}
    there = {vm.id: vm for vm in inventory.vms}
    by_uuid = {vm.instance_uuid: vm for vm in inventory.vms if vm.instance_uuid}
    found: list[Finding] = []
    successors: set[str] = set()
    for vm in locked.values():
        now = by_uuid.get(vm.instance_uuid) if vm.instance_uuid else None
        if now and now.id != vm.id:
            successors.add(now.id)
            found.append(
                Finding(
                    Kind.ID_CHANGED, vm.id, now.name, "", f"registered anew: {vm.id} -> {now.id}; resolve, then deploy",
                    now.id,
                )
            )  # fmt: skip
        elif vm.id not in there:
            found.append(Finding(Kind.GONE, vm.id, vm.name, "", f"{inventory.source} has no such VM"))
    for other in inventory.vms:
        if other.id in locked or other.id in successors or not eligible(other):
            continue
        if other.id in chosen:
            text = "the policy chooses it, and the lock does not have it: resolve, then deploy"
            found.append(Finding(Kind.NOT_LOCKED, other.id, other.name, "", text))
        elif other.id not in decided:
            text = "EVS would entitle it, and nothing includes or excludes it"
            found.append(Finding(Kind.NEW, other.id, other.name, "", text))
    return sort_findings(found)
