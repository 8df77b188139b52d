"""`history`: who entitled or removed what, and when, for people and for an auditor's file."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from evs_fleet.errors import OK, UsageError
from evs_fleet.output import GOOD, Column, remark, write_csv, write_json, write_lines, write_rows, write_text

if TYPE_CHECKING:
    from evs_fleet.aws.trail import Event
    from evs_fleet.context import Context

COLUMNS = (
    Column("time", "Time"),
    Column("action", "Action"),
    Column("vm_ids", "VMs"),
    Column("environment_id", "Environment"),
    Column("connector_id", "Connector"),
    Column("who", "Who"),
    Column("outcome", "Outcome", styles={"ok": GOOD}),
)
#: One row for each VM of each call: what an auditor filters by.
CSV_COLUMNS = tuple(
    Column(name, name)
    for name in (
        "time",
        "action",
        "vm_id",
        "environment_id",
        "connector_id",
        "who",
        "role",
        "outcome",
        "message",
        "source_ip",
        "user_agent",
        "event_id",
    )
)
#: The table's columns that leave out where the call went.
_NARROW = tuple(column for column in COLUMNS if column.name not in ("environment_id", "connector_id"))


@click.command("history")
@click.option("--environment", metavar="ENV-ID", help="Only this environment.")
@click.option("--vm", "vms", multiple=True, metavar="VM-ID", help="Only this VM; may be repeated.")
@click.option(
    "--since", default="90d", show_default=True, metavar="TIME", help="From a date, a time, or an age (12h, 7d)."
)
@click.option("--until", metavar="TIME", help="Up to a date, a time, or an age; now, if not given.")
@click.pass_obj
def command(context: Context, environment: str | None, vms: tuple[str, ...], since: str, until: str | None) -> int:
    """Show who entitled or removed what and when, from CloudTrail's event history."""
    from evs_fleet.aws import trail
    from evs_fleet.aws.session import Session
    from evs_fleet.aws.targets import check_ids
    from evs_fleet.aws.times import iso, parse_time

    check_ids(environment, None)
    now = datetime.now(UTC)
    begin = parse_time("--since", since, now=now)
    end = parse_time("--until", until, now=now) if until else now
    if begin > end:
        raise UsageError(f"--since {iso(begin)} is after --until {iso(end)}")
    session = Session.of(context)
    found = [
        event
        for event in trail.events(session, max(begin, now - trail.KEPT), end)
        if environment in (None, event.environment_id) and (not vms or set(vms) & set(event.vm_ids))
    ]
    _write(context, found, vms)
    remark(f"{len(found)} calls from {iso(begin)} to {iso(end)} in {session.region}. {trail.LIMITS}")
    if now - begin > trail.KEPT:
        remark(f"Nothing before {iso(now - trail.KEPT)} can be in it.")
    return OK


def _write(context: Context, found: list[Event], vms: tuple[str, ...]) -> None:
    rows = [_row(event) for event in found]
    if context.output == "json":
        write_json(rows)
    elif context.output == "csv":
        write_csv(CSV_COLUMNS, [{**row, "vm_id": vm_id} for row in rows for vm_id in _each(row["vm_ids"], vms)])
    elif context.output == "ids":
        write_lines(dict.fromkeys(vm_id for row in rows for vm_id in _each(row["vm_ids"], vms) if vm_id))
    elif rows:
        places = {(row["environment_id"], row["connector_id"]) for row in rows}
        write_rows("table", COLUMNS if len(places) > 1 else _NARROW, [_shown(row) for row in rows], ids="event_id")
    else:
        write_text("No entitlement was created or removed by a call.")


def _each(vm_ids: list[str], wanted: tuple[str, ...]) -> list[str | None]:
    """Return the VMs of a call that were asked for; a call whose VMs CloudTrail left out is one row all the same."""
    return [vm_id for vm_id in vm_ids if not wanted or vm_id in wanted] or [None]


def _row(event: Event) -> dict[str, Any]:
    from evs_fleet.aws.times import iso

    return {**vars(event), "time": iso(event.time), "vm_ids": list(event.vm_ids)}


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row for the table: many VMs as the first ones and a number."""
    vm_ids = row["vm_ids"]
    words = ", ".join(vm_ids[:8]) + (f" and {len(vm_ids) - 8} more" if len(vm_ids) > 8 else "")
    who = row["who"].rpartition(":")[2] or row["who"]
    return {**row, "vm_ids": words or "not in the event", "who": who}
