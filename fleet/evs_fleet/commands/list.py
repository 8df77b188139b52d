"""`list`: what EVS holds, VM by VM, with totals."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from evs_fleet.aws.targets import target_options
from evs_fleet.errors import UsageError
from evs_fleet.output import BAD, DIM, GOOD, WARN, Column, write_rows, write_text
from evs_health.assessment import Entitlement, merge, sort_vm_ids

if TYPE_CHECKING:
    from evs_fleet.aws.targets import Target
    from evs_fleet.context import Context

STATUS_STYLES = {
    "CREATED": GOOD,
    "CREATING": WARN,
    "AT_RISK": WARN,
    "CREATE_FAILED": BAD,
    "ENTITLEMENT_REMOVED": BAD,
    "DELETED": DIM,
}
_VM = (Column("vm_id", "VM"), Column("name", "Name"), Column("status", "Status", styles=STATUS_STYLES))
_WHERE = (Column("environment_id", "Environment"), Column("connector_id", "Connector"))
CSV_COLUMNS = (
    *_WHERE,
    *_VM,
    Column("started_at", "Since"),
    Column("last_synced_at", "Last synced"),
    Column("error_code", "Error"),
    Column("error_message", "Error"),
)
#: A table has minutes, and of an error its code: the rest would break its lines.
TABLE_COLUMNS = (
    *_VM,
    Column("since", "Since (UTC)"),
    Column("synced", "Last synced (UTC)"),
    Column("error_code", "Error"),
)


@click.command("list")
@target_options
@click.option("--all", "every", is_flag=True, help="All environments of account and region.")
@click.option("--status", multiple=True, metavar="STATUS", help="Only this status, such as AT_RISK; may be repeated.")
@click.pass_obj
def command(
    context: Context, environment: str | None, connector: str | None, every: bool, status: tuple[str, ...]
) -> int:
    """Show what EVS holds: VM, name, status, since when, last synced, error; and totals."""
    from evs_fleet.aws import evs
    from evs_fleet.aws.session import Session
    from evs_fleet.aws.targets import all_targets, targets

    if every and (environment or connector):
        raise UsageError("--all and --environment or --connector: got both, expected one of them")
    session = Session.of(context)
    found = all_targets(session) if every else targets(session, context, environment, connector)
    rows = [row for target in found for row in _rows(target, evs.entitlements(session, *target.ids))]
    if status:
        wanted = {word.upper() for word in status}
        rows = [row for row in rows if row["status"] in wanted]
    if context.output != "table":
        write_rows(context.output, CSV_COLUMNS, rows, ids="vm_id")
        return 0
    _write_table(found, rows)
    return 0


def _rows(target: Target, api_rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    held = {vm_id: row for vm_id, row in merge(api_rows).items() if row.status != "DELETED"}
    return [_row(target, held[vm_id]) for vm_id in sort_vm_ids(held)]


def _row(target: Target, entitlement: Entitlement) -> dict[str, Any]:
    from evs_fleet.aws.times import iso

    return {
        "environment_id": target.environment_id,
        "connector_id": target.connector_id,
        "vm_id": entitlement.vm_id,
        "name": entitlement.name or None,
        "status": entitlement.status,
        "started_at": iso(entitlement.started_at),
        "stopped_at": iso(entitlement.stopped_at),
        "last_synced_at": iso(entitlement.last_synced_at),
        "error_code": entitlement.error_code or None,
        "error_message": entitlement.error_message or None,
    }


def _write_table(found: list[Target], rows: list[dict[str, Any]]) -> None:
    # Ids that are the same in every row stand above the table.
    title = f"Environment {found[0].environment_id}, connector {found[0].connector_id}" if len(found) == 1 else None
    if rows:
        shown = [
            {**row, "since": _minutes(row["started_at"]), "synced": _minutes(row["last_synced_at"])} for row in rows
        ]
        columns = TABLE_COLUMNS if title else (*_WHERE, *TABLE_COLUMNS)
        write_rows("table", columns, shown, ids="vm_id", title=title)
    counts = Counter(row["status"] for row in rows)
    parts = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    where = "" if rows or not title else f" ({title[0].lower()}{title[1:]})"
    write_text(f"{len(rows)} VMs: {parts}" if rows else f"Nothing is entitled{where}.")


def _minutes(time: str | None) -> str | None:
    return time[:16].replace("T", " ") if time else None
