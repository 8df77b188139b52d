"""`evs-entitlements vms`: the VMs of a vCenter or of an export, and which of them EVS would entitle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evs_fleet.errors import OK, UsageError
from evs_fleet.output import BAD, DIM, GOOD, WARN, Column, plural, remark, write_rows, write_table

if TYPE_CHECKING:
    from evs_fleet.context import Context
    from evs_fleet.inventory.model import Inventory, Vm
    from evs_fleet.policy import Vcenter

COLUMNS = (
    Column("id", "VM"),
    Column("name", "Name"),
    Column("folder", "Folder"),
    Column("guest", "Guest"),
    Column("vcpus", "vCPUs", numeric=True),
    Column("power", "Power", styles={"on": GOOD, "off": DIM, "suspended": WARN}),
    Column("connection", "Connection", styles={"connected": GOOD, "disconnected": BAD, "orphaned": BAD}),
    Column("eligible", "Eligible"),
    Column("why", "Why not"),
)
#: A table has a word for the reason: the rest of it is in the columns beside.
TABLE = (*COLUMNS[:-2], Column("verdict", "Eligible", styles={"yes": GOOD, "no: guest": DIM, "no: template": DIM}))


@click.command()
@click.option("--folder", metavar="GLOB", help="Inventory path of the folder; ** crosses folders.")
@click.option("--name", metavar="GLOB", help="Name.")
@click.option("--tag", metavar="GLOB", help="A tag, category:tag.")
@click.option("--cluster", metavar="GLOB", help="Cluster.")
@click.option("--guest", metavar="GLOB", help="Guest that is configured, such as windows2019srv_64Guest.")
@click.option("--attribute", metavar="NAME=GLOB", multiple=True, help="A custom attribute; can be given several times.")
@click.option("--uuid", metavar="GLOB", help="Instance UUID.")
@click.option("--id", metavar="GLOB", help="VM id.")
@click.option("--eligible", is_flag=True, help="Only VMs that EVS would entitle.")
@click.option("--host", metavar="HOST", help="vCenter [that of the policy].")
@click.option("--port", type=click.IntRange(1, 65535), help="Its port [443].")
@click.option("--ca-file", type=click.Path(path_type=Path), metavar="FILE", help="PEM file of authorities to trust.")
@click.pass_obj
def command(
    context: Context, /, eligible: bool, host: str | None, port: int | None, ca_file: Path | None, **filters: Any
) -> int:
    """Show the VMs of a vCenter, or of an export (--inventory).

    Filters are those of an include in entitlements.toml; a VM is shown if it matches all that are given. Case never
    counts. VCENTER_USER and VCENTER_PASSWORD say who asks; on a terminal they are asked for.
    """
    from evs_fleet.guests import refusal, refusal_cause
    from evs_fleet.inventory.source import read_inventory
    from evs_fleet.selection import filter_vms

    given = {key: value for key, value in filters.items() if value}
    if "attribute" in given:
        given["attribute"] = dict(map(_pair, given["attribute"]))
    vcenter = None if context.inventory else _vcenter(context, host, port, ca_file)
    inventory = read_inventory(context, vcenter, tags="tag" in given)
    _check_answerable(given, inventory)
    vms = filter_vms(given, inventory.vms)
    rows = [_row(vm, why) for vm in vms if not (why := refusal(vm)) or not eligible]
    if context.output == "table":
        causes = {vm.id: refusal_cause(vm) for vm in vms}
        verdicts = [{**row, "verdict": f"no: {cause}" if (cause := causes[row["id"]]) else "yes"} for row in rows]
        write_table(TABLE, verdicts)
    else:
        write_rows(context.output, COLUMNS, rows, ids="id")
    count = sum(row["eligible"] for row in rows)
    remark(f"{len(rows)} of {plural(len(inventory.vms), 'VM')} of {inventory.source}, {count} of them eligible")
    return OK


def _vcenter(context: Context, host: str | None, port: int | None, ca_file: Path | None) -> Vcenter | None:
    """Return the vCenter that options name, or else the policy; a policy is not needed where there is a host."""
    from pydantic import ValidationError

    from evs_fleet.policy import Vcenter, load

    found = load(context.policy_path).vcenter if context.policy or (not host and context.policy_path.exists()) else None
    if host and (found is None or found.host != host):
        try:
            found = Vcenter(host=host)
        except ValidationError as error:
            raise UsageError(f"--host: got {host!r}, expected a name or an address") from error
    if found is None:
        if not context.policy:
            raise UsageError(f"where are the VMs? Give --inventory or --host, or write {context.policy_path}")
        return None
    changes: dict[str, Any] = {"port": port} if port else {}
    if ca_file:
        # One that is given here is relative to the working directory.
        changes["ca_file"] = str(ca_file.absolute())
    return found.model_copy(update=changes)


def _pair(text: str) -> tuple[str, str]:
    name, equals, glob = text.partition("=")
    if not equals or not name.strip() or not glob:
        raise UsageError(f"--attribute: got {text!r}, expected NAME=GLOB")
    return name.strip(), glob


def _check_answerable(filters: dict[str, Any], inventory: Inventory) -> None:
    if unknown := sorted(inventory.lacks & set(filters)):
        raise UsageError(f"--{unknown[0]}: {inventory.source} has no {unknown[0]} of any VM")


def _row(vm: Vm, why: str | None) -> dict[str, Any]:
    return {
        "id": vm.id,
        "name": vm.name,
        "folder": vm.folder,
        "guest": vm.guest_id or vm.guest_name,
        "vcpus": vm.vcpus,
        "power": vm.power,
        "connection": vm.connection,
        "eligible": why is None,
        "why": why,
        "template": vm.template,
        "cluster": vm.cluster,
        "host": vm.host,
        "instance_uuid": vm.instance_uuid,
        "tags": list(vm.tags),
        "attributes": dict(vm.attributes),
    }
