"""`watch`: the progress of a running deployment, until each declared VM has settled or the time is over."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from evs_fleet.errors import DIFFERENCE, OK
from evs_fleet.output import BAD, GOOD, Column, progress, remark, write_json, write_rows, write_text
from evs_health.assessment import Kind

if TYPE_CHECKING:
    from evs_fleet.aws.declared import Declared, Place
    from evs_fleet.aws.session import Session
    from evs_fleet.context import Context

#: Seconds. CloudFormation waits for a custom resource for an hour at most.
TIMEOUT, INTERVAL = 3600.0, 5.0
#: Findings of a declared VM that will change by themselves while a deployment runs.
UNSETTLED = (Kind.CREATING, Kind.MISSING)
COLUMNS = (
    Column("kind", "Finding"),
    Column("vm_id", "VM"),
    Column("name", "Name"),
    Column("status", "Status"),
    Column("detail", "What it means"),
)


@click.command("watch")
@click.option("--stack", metavar="NAME", help="Watch what this stack declares and is about to, in place of the lock.")
@click.option(
    "--timeout", type=click.FloatRange(min=0), default=TIMEOUT, show_default=True, help="Give up after so many seconds."
)
@click.option(
    "--interval", type=click.FloatRange(min=0.1), default=INTERVAL, show_default=True, help="Seconds between two looks."
)
@click.pass_obj
def command(context: Context, stack: str | None, timeout: float, interval: float) -> int:
    """Show how far a running deployment is, until all VMs have settled.

    Exit status 0 when every declared VM is licensed, 1 when one is not or the time is over.
    """
    from evs_fleet.aws.session import Session

    session = Session.of(context)
    deadline = time.monotonic() + timeout
    shown = ""
    with progress("licensed") as bar:
        while True:
            declared, places = _look(session, context, stack)
            # By its id a stack is found even once it is deleted.
            stack = declared.stack.stack_id if declared.stack else None
            total = sum(place.assessment.counts["declared"] for place in places)
            bar(sum(len(place.assessment.licensed) for place in places), total)
            if (line := _line(declared, places)) != shown:
                remark(line)
                shown = line
            settled = _settled(declared, places)
            left = deadline - time.monotonic()
            if settled or left <= 0:
                break
            time.sleep(min(interval, max(left, 0)))
    return _end(context, declared, places, settled=settled, timeout=timeout)


def _look(session: Session, context: Context, stack: str | None) -> tuple[Declared, list[Place]]:
    from dataclasses import replace

    from evs_fleet.aws.declared import look, of_context
    from evs_fleet.aws.targets import Target

    declared = of_context(session, context, stack)
    if declared.stack:
        wanted = dict(declared.vm_ids)
        for place, vm_ids in declared.stack.pending.items():
            wanted[Target(*place)] = wanted.get(Target(*place), frozenset()) | vm_ids
        declared = replace(declared, vm_ids=wanted)
    return declared, look(session, declared, connectors=False)


def _settled(declared: Declared, places: list[Place]) -> bool:
    if declared.stack and declared.stack.in_progress:
        return False
    # Once the stack is at rest, what is missing stays so.
    waiting = (Kind.CREATING,) if declared.stack else UNSETTLED
    return not any(place.assessment.vm_ids(*waiting) for place in places)


def _line(declared: Declared, places: list[Place]) -> str:
    counts: dict[str, int] = {}
    for place in places:
        for name, count in place.assessment.counts.items():
            counts[name] = counts.get(name, 0) + count
    rest = [f"{count} {name}" for name, count in counts.items() if count and name not in ("declared", "licensed")]
    words = ", ".join([f"{counts.get('licensed', 0)} of {counts.get('declared', 0)} licensed", *rest])
    return f"{declared.stack.status}: {words}" if declared.stack else words


def _end(context: Context, declared: Declared, places: list[Place], *, settled: bool, timeout: float) -> int:
    rows = [_row(place, finding, declared) for place in places for finding in place.assessment.findings]
    # What is not declared is the clean-up's, or somebody else's: `check` tells of it.
    rows = [row for row in rows if row["kind"] != Kind.UNDECLARED.value]
    failed = bool(declared.stack and not declared.stack.in_progress and not _succeeded(declared.stack.status))
    right = settled and not rows and not failed
    if context.output == "json":
        status = declared.stack.status if declared.stack else None
        write_json({"ok": right, "settled": settled, "stack_status": status, "findings": rows})
    elif context.output != "table":
        write_rows(context.output, COLUMNS, rows, ids="vm_id")
    else:
        if rows:
            write_rows("table", COLUMNS, rows, ids="vm_id")
        words = _line(declared, places) if settled else f"not settled after {timeout:g} s: {_line(declared, places)}"
        write_text(("ok: " if right else "not as it should be: ", GOOD if right else BAD), words)
    return OK if right else DIFFERENCE


def _succeeded(status: str) -> bool:
    return status in ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE", "DELETE_COMPLETE")


def _row(place: Place, finding: Any, declared: Declared) -> dict[str, Any]:
    return {
        "environment_id": place.target.environment_id,
        "connector_id": place.target.connector_id,
        "kind": finding.kind.value,
        "vm_id": finding.vm_id,
        "name": finding.name or declared.names.get(finding.vm_id) or None,
        "status": finding.status or None,
        "detail": finding.detail,
    }
