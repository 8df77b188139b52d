"""What EVS says is entitled, as a table for people."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table

_COLOURS = {
    "CREATED": "green",
    "CREATING": "yellow",
    "AT_RISK": "yellow",
    "CREATE_FAILED": "red",
    "ENTITLEMENT_REMOVED": "red",
    "DELETED": "dim",
}


def entitlement_table(rows: Iterable[dict[str, Any]], title: str = "") -> Table:
    """Return a table of entitlements.

    Parameters
    ----------
    rows
        Rows in the API's form, as ListVmEntitlements and `EvsControl.rows` give them.
    title
        Above the table; says by itself when there are no rows.
    """
    rows = sorted(rows, key=lambda row: (row["environmentId"], row["connectorId"], _number(row["vmId"])))
    table = Table(
        title=title or None,
        title_justify="left",
        caption=None if rows else "Nothing is entitled.",
        caption_justify="left",
    )
    for heading in ("VM", "Name", "Environment", "Connector", "Status", "Error"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        status = row["status"]
        error = row.get("errorDetail") or {}
        table.add_row(
            row["vmId"],
            row.get("vmName") or "",
            row["environmentId"],
            row["connectorId"],
            f"[{_COLOURS.get(status, 'default')}]{status}[/]",
            error.get("errorCode", ""),
        )
    return table


def print_table(table: Table) -> None:
    """Print a table, as wide as the terminal or, where there is none, as wide as it needs."""
    console = Console() if sys.stdout.isatty() else Console(width=140)
    console.print(table)


def _number(vm_id: str) -> int:
    return int(vm_id.removeprefix("vm-"))
