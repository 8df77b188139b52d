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


def entitlement_table(
    rows: Iterable[dict[str, Any]], title: str = "", before: Iterable[dict[str, Any]] | None = None
) -> Table:
    """Return a table of entitlements.

    Parameters
    ----------
    rows
        Rows in the API's form, as ListVmEntitlements and `EvsControl.rows` give them.
    title
        Above the table; says by itself when there are no rows.
    before
        Rows of an earlier time. Where they are given a column marks what has changed since, and rows that are gone are
        shown, too.
    """
    rows, was = list(rows), {_key(row): row for row in before or ()}
    there = {_key(row) for row in rows}
    rows = sorted([*rows, *(row for key, row in was.items() if key not in there)], key=_key)
    table = Table(
        title=title or None,
        title_justify="left",
        caption=None if rows else "Nothing is entitled.",
        caption_justify="left",
    )
    marks = () if before is None else ("Change",)
    for heading in (*marks, "VM", "Name", "Environment", "Connector", "Status", "Error"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        status = row["status"]
        error = row.get("errorDetail") or {}
        table.add_row(
            *(() if before is None else (_change(was.get(_key(row)), row if _key(row) in there else None),)),
            row["vmId"],
            row.get("vmName") or "",
            row["environmentId"],
            row["connectorId"],
            f"[{_COLOURS.get(status, 'default')}]{status}[/]" if _key(row) in there else "",
            error.get("errorCode", ""),
        )
    return table


def print_table(table: Table) -> None:
    """Print a table, as wide as the terminal or, where there is none, as wide as it needs."""
    console = Console() if sys.stdout.isatty() else Console(width=140)
    console.print(table)


def _key(row: dict[str, Any]) -> tuple[str, str, int]:
    return row["environmentId"], row["connectorId"], _number(row["vmId"])


def _change(was: dict[str, Any] | None, now: dict[str, Any] | None) -> str:
    """Return what became of a row, in a word, and nothing where it is as it was."""
    if now is None:
        return "[red]- removed[/]"
    if was is None:
        return "[green]+ new[/]"
    return "" if was["status"] == now["status"] else f"was {was['status']}"


def _number(vm_id: str) -> int:
    return int(vm_id.removeprefix("vm-"))
