"""The inventory beside what AWS says: an export, or the policy's vCenter where it can be asked without a prompt.

Owns when an inventory is read for a command that also works without one, and what it then says of declared VMs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from evs_entitlements.lock import EntitlementLock, LockedVm
from evs_fleet.errors import UsageError, VcenterError
from evs_fleet.guests import refusal
from evs_fleet.inventory_findings import compare
from evs_fleet.output import remark

if TYPE_CHECKING:
    from evs_fleet.context import Context
    from evs_fleet.inventory.model import Inventory, Vm
    from evs_fleet.policy import Policy
    from evs_health.assessment import Finding

_CREDENTIALS = ("VCENTER_USER", "VCENTER_PASSWORD")


def read(context: Context) -> Inventory | None:
    """Return the export that `--inventory` names, or the policy's vCenter; None where neither can be read.

    A vCenter that is not reached is a remark on stderr: what EVS says can be told without it.

    Raises:
        InventoryError: the export can't be read.
        PolicyError: the policy is wrong, or it was named and is missing.
    """
    from evs_fleet.inventory.source import read_inventory

    policy = policy_of(context)
    vcenter = policy.vcenter if policy else None
    if context.inventory is None and vcenter is None:
        return None
    if context.inventory is None and not all(os.environ.get(name) for name in _CREDENTIALS):
        remark(f"vCenter was not asked: {' or '.join(_CREDENTIALS)} is not set. What EVS says is all there is here.")
        return None
    try:
        return read_inventory(context, vcenter, tags=policy is not None and policy.uses("tag"))
    except VcenterError as error:
        remark(f"vCenter was not asked: {error}. What EVS says is all there is here.")
        return None


def policy_of(context: Context) -> Policy | None:
    """Return the policy; None where none was named and there is none in the working directory."""
    from evs_fleet.policy import load

    return load(context.policy_path) if context.policy or context.policy_path.exists() else None


def findings(
    context: Context, inventory: Inventory, vm_ids: Iterable[str], lock: EntitlementLock | None
) -> list[Finding]:
    """Return what the inventory says of VMs that are declared and of those that nobody has decided on.

    Raises:
        UsageError: the inventory is of another vCenter than the lock.
        PolicyError: the policy is wrong.
    """
    _check_vcenter(inventory, lock)
    known = {vm.id: vm for vm in lock.vms} if lock else {}
    declared = [known.get(vm_id) or LockedVm(vm_id, vm_id) for vm_id in vm_ids]
    chosen, undecided = _by_policy(policy_of(context), inventory)
    return compare(declared, inventory, chosen=chosen, undecided=undecided)


def _check_vcenter(inventory: Inventory, lock: EntitlementLock | None) -> None:
    locked = lock.vcenter.instance_uuid if lock and lock.vcenter else None
    if locked and inventory.instance_uuid and locked.lower() != inventory.instance_uuid.lower():
        raise UsageError(
            f"{inventory.source} is of vCenter {inventory.instance_uuid}, and the lock was made from vCenter {locked}"
        )


def _by_policy(policy: Policy | None, inventory: Inventory) -> tuple[Iterable[Vm], Iterable[Vm]]:
    """Return the VMs that the policy chooses, and those that nothing includes or excludes."""
    if policy is None:
        return (), [vm for vm in inventory.vms if refusal(vm) is None]
    from evs_fleet.selection import select

    selection = select(policy, inventory)
    return selection.chosen, selection.unnamed
