"""`import`: a lock of what is entitled today.

Declared with `adopt_existing=True`, it takes the entitlements over with no changing call. Names and instance UUIDs come
from an inventory where one is given, else the names are those that EVS has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from evs_entitlements.lock import EntitlementLock, LockedVcenter, LockedVm
from evs_fleet.aws.targets import target_options
from evs_fleet.errors import DIFFERENCE, OK, UsageError
from evs_fleet.output import Column, remark, write_lines, write_rows
from evs_health.assessment import Entitlement, merge, sort_vm_ids

if TYPE_CHECKING:
    from evs_fleet.context import Context
    from evs_fleet.inventory.model import Inventory, Vm

COLUMNS = (
    Column("id", "VM"),
    Column("name", "Name"),
    Column("status", "Status"),
    Column("instance_uuid", "Instance UUID"),
    Column("written", "In the lock"),
)
#: What adopt_existing takes over. A row that EVS removed is restored by EVS itself, and paid for from then on.
TAKEN = frozenset({"CREATING", "CREATED", "AT_RISK", "ENTITLEMENT_REMOVED"})


@click.command("import")
@target_options
@click.option("--force", is_flag=True, help="Replace a lock that is there already.")
@click.pass_obj
def command(context: Context, environment: str | None, connector: str | None, force: bool) -> int:
    """Write a lock of what EVS holds today, for `adopt_existing=True` to take over.

    Exit status 1 when a row was left out: EVS could not create it, or its status is not known.
    """
    from evs_fleet.aws import evs
    from evs_fleet.aws.inventory import read
    from evs_fleet.aws.session import Session
    from evs_fleet.aws.targets import one_target
    from evs_fleet.lock_file import save

    if context.lock_path.exists() and not force:
        raise UsageError(
            f"{context.lock_path} is there already: give --force to replace it, or --lock for another file"
        )
    session = Session.of(context)
    # The lock is what is to be written: an old one has no say in what is read.
    target = one_target(session, context, environment, connector, from_lock=False)
    found = {
        vm_id: row for vm_id, row in merge(evs.entitlements(session, *target.ids)).items() if row.status != "DELETED"
    }
    inventory = read(context)
    known = {vm.id: vm for vm in inventory.vms} if inventory else {}
    taken = [vm_id for vm_id in sort_vm_ids(found) if found[vm_id].status in TAKEN]
    if not taken:
        raise UsageError(
            f"EVS holds no entitlement in {target.environment_id} {target.connector_id}: nothing to import"
        )
    vms = {vm_id: _locked(found[vm_id], known.get(vm_id)) for vm_id in sort_vm_ids(found)}
    vcenter = _vcenter(inventory) if inventory else None
    lock = EntitlementLock.make(target.environment_id, target.connector_id, [vms[vm_id] for vm_id in taken], vcenter)
    save(lock, context.lock_path)
    names = ("id", "name", "instance_uuid")
    _report(
        context,
        [
            {**{name: getattr(vm, name) for name in names}, "status": found[vm_id].status, "written": vm_id in taken}
            for vm_id, vm in vms.items()
        ],
    )
    return OK if len(taken) == len(found) else DIFFERENCE


def _locked(row: Entitlement, vm: Vm | None) -> LockedVm:
    """Return what the lock says of a VM: what the inventory has, or at least the name that EVS has."""
    from evs_fleet.lock_file import locked_vm

    return locked_vm(vm) if vm else LockedVm(row.vm_id, row.name or row.vm_id)


def _vcenter(inventory: Inventory) -> LockedVcenter | None:
    known = inventory.host or inventory.instance_uuid
    return LockedVcenter(inventory.host, inventory.instance_uuid) if known else None


def _report(context: Context, rows: list[dict[str, Any]]) -> None:
    if context.output == "ids":
        write_lines(row["id"] for row in rows if row["written"])
    else:
        write_rows(context.output, COLUMNS, rows, ids="id")
    written = sum(row["written"] for row in rows)
    remark(
        f"{context.lock_path}: {written} VMs. Declare them with adopt_existing=True: no entitlement is changed by that."
    )
    if left := [row for row in rows if not row["written"]]:
        named = ", ".join(f"{row['id']} ({row['status']})" for row in left)
        remark(f"Left out, since nothing is entitled or the status is not known: {named}")
