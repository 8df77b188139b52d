"""What an inventory says of declared VMs: ids that have changed, VMs that are gone, VMs that nobody has decided on.

Pure. EVS can't say any of this: it knows a VM by its id alone, and an id changes when a VM is registered anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from evs_entitlements.lock import LockedVm
from evs_health.assessment import Finding, Kind, sort_findings

if TYPE_CHECKING:
    from evs_fleet.inventory.model import Inventory, Vm


def compare(
    declared: Iterable[LockedVm], inventory: Inventory, *, chosen: Iterable[Vm], undecided: Iterable[Vm]
) -> list[Finding]:
    """Return what the inventory says of VMs that are declared, and of those that are not.

    Args:
        declared: the VMs that are to be entitled; of one without an instance UUID, a changed id can't be told from a
            VM that is gone.
        inventory: the VMs that there are.
        chosen: the VMs that the policy chooses.
        undecided: the VMs that EVS would entitle, and that nothing includes or excludes.
    """
    locked = {vm.id: vm for vm in declared}
    by_uuid = {vm.instance_uuid: vm for vm in inventory.vms if vm.instance_uuid}
    there = {vm.id for vm in inventory.vms}
    found: list[Finding] = []
    for vm in locked.values():
        now = by_uuid.get(vm.instance_uuid) if vm.instance_uuid else None
        if now and now.id != vm.id:
            text = f"registered anew: {vm.id} -> {now.id}"
            found.append(Finding(Kind.ID_CHANGED, vm.id, now.name, "", text, now.id))
        elif vm.id not in there:
            found.append(Finding(Kind.GONE, vm.id, vm.name, "", f"{inventory.source} has no such VM"))
    known = locked.keys() | {finding.new_id for finding in found}
    text = "the policy chooses it, and it is not declared"
    found += [Finding(Kind.NOT_LOCKED, vm.id, vm.name, "", text) for vm in chosen if vm.id not in known]
    text = "EVS would entitle it, and nothing includes or excludes it"
    found += [Finding(Kind.NEW, vm.id, vm.name, "", text) for vm in undecided if vm.id not in known]
    return sort_findings(found)
