"""`check`: the lock, or a deployed stack, against EVS and, where there is one, against a vCenter or an export.

Owns what counts as a difference and how it is shown. Never changes anything; what to do about a difference is said.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from evs_fleet.errors import DIFFERENCE, OK
from evs_fleet.output import BAD, GOOD, WARN, Column, remark, write_json, write_rows, write_text
from evs_health.assessment import Finding, Kind, sort_findings

if TYPE_CHECKING:
    from evs_fleet.aws.declared import Declared, Place
    from evs_fleet.aws.targets import Target
    from evs_fleet.context import Context
    from evs_health.connectors import Connector

_WARNINGS = (Kind.CREATING, Kind.NEW, Kind.NOT_LOCKED)
COLUMNS = (
    Column("environment_id", "Environment"),
    Column("connector_id", "Connector"),
    Column("kind", "Finding", styles={kind.value: WARN if kind in _WARNINGS else BAD for kind in Kind}),
    Column("vm_id", "VM"),
    Column("name", "Name"),
    Column("status", "Status"),
    Column("new_id", "New id"),
    Column("detail", "What it means"),
)
#: What to do about each kind of finding.
ADVICE = {
    # A set that has not changed is no deployment to CloudFormation.
    Kind.MISSING: "deploy; if it was deployed, somebody removed it (`evs-entitlements history` says who): take it out, "
    "deploy, put it back",
    Kind.FAILED: "put right what EVS says, then deploy any change of the set; or take the VM out",
    Kind.AT_RISK: "bring the connector back: `evs-entitlements doctor`",
    Kind.REMOVED: "put the VM or the connector right; EVS restores it. A VM that is no more: take it out",
    Kind.CREATING: "wait: `evs-entitlements watch`",
    Kind.UNKNOWN_STATUS: "look into the console of EVS, and for a newer version of this command",
    Kind.UNDECLARED: "declare it (adopt_existing), or remove it in the console: it is paid for",
    Kind.ID_CHANGED: "`evs-entitlements resolve`, then deploy: Windows runs unlicensed under the new id",
    Kind.GONE: "`evs-entitlements resolve`, then deploy",
    Kind.NOT_LOCKED: "`evs-entitlements resolve`, then deploy",
    Kind.NEW: "add an [[include]] or an [[exclude]] with a reason to the policy",
}


@click.command("check")
@click.option("--stack", metavar="NAME", help="Check what this deployed stack declares, in place of the lock.")
@click.pass_obj
def command(context: Context, stack: str | None) -> int:
    """Compare the lock, or a deployed stack, with what EVS holds, and with vCenter where it can be reached.

    Exit status 1 when anything is missing, failed, at risk, removed, undeclared, has another id, or is undecided.
    """
    from evs_fleet.aws.declared import look, of_context
    from evs_fleet.aws.session import Session

    session = Session.of(context)
    declared = of_context(session, context, stack)
    places = look(session, declared)
    rows = [_row(place.target, finding, declared) for place in places for finding in place.assessment.findings]
    rows += [_row(target, finding, declared) for target, finding in _of_inventory(context, declared)]
    problems = {place.target: _connector_problems(place) for place in places}
    right = not rows and not any(problems.values())
    _write(context, declared, places, rows, problems, right)
    return OK if right else DIFFERENCE


def _row(target: Target, finding: Finding, declared: Declared) -> dict[str, Any]:
    return {
        "environment_id": target.environment_id,
        "connector_id": target.connector_id,
        "kind": finding.kind.value,
        "vm_id": finding.vm_id,
        "name": finding.name or declared.names.get(finding.vm_id) or None,
        "status": finding.status or None,
        "new_id": finding.new_id or None,
        "detail": finding.detail,
    }


def _connector_problems(place: Place) -> list[str]:
    connector: Connector | None = place.connector
    if connector is None:
        return []
    problems = list(connector.problems)
    if connector.removal_at:
        from evs_fleet.aws.times import iso

        problems.append(f"EVS removes its entitlements at {iso(connector.removal_at)} unless it reaches vCenter again")
    return problems


# --- the inventory -----------------------------------------------------------------------------------------------


def _of_inventory(context: Context, declared: Declared) -> list[tuple[Target, Finding]]:
    """Compare with an export, or with the policy's vCenter if that can be asked; what can't be is said on stderr."""
    from evs_fleet.aws.inventory import findings, read

    found = read(context)
    if found is None or not declared.vm_ids:
        return []
    if len(declared.vm_ids) > 1:
        remark("The inventory was not compared: this stack declares VMs of several vCenters.")
        return []
    (target, vm_ids), *_ = declared.vm_ids.items()
    return [(target, finding) for finding in sort_findings(findings(context, found, vm_ids, declared.lock))]


# --- output ------------------------------------------------------------------------------------------------------


def _write(
    context: Context,
    declared: Declared,
    places: list[Place],
    rows: list[dict[str, Any]],
    problems: dict[Target, list[str]],
    right: bool,
) -> None:
    if context.output == "json":
        write_json(
            {
                "ok": right,
                "declared_by": declared.source,
                "places": [
                    {
                        "environment_id": place.target.environment_id,
                        "connector_id": place.target.connector_id,
                        "counts": place.assessment.counts,
                        "connector_problems": problems[place.target],
                    }
                    for place in places
                ],
                "findings": rows,
            }
        )
    elif context.output == "table":
        _write_table(declared, places, rows, problems, right)
    else:
        write_rows(context.output, COLUMNS, rows, ids="vm_id")


def _write_table(
    declared: Declared,
    places: list[Place],
    rows: list[dict[str, Any]],
    problems: dict[Target, list[str]],
    right: bool,
) -> None:
    if rows:
        drop = {"environment_id", "connector_id"} if len(places) == 1 else set()
        drop |= {"new_id"} if not any(row["new_id"] for row in rows) else set()
        columns = [column for column in COLUMNS if column.name not in drop]
        write_rows("table", columns, rows, ids="vm_id", title=f"{declared.source} against EVS")
    for target, lines in problems.items():
        for line in lines:
            write_text((f"connector {target.connector_id}: ", BAD), line)
    counts = Counter(Kind(row["kind"]) for row in rows)
    for kind in Kind:
        if counts[kind]:
            write_text((f"{kind.value}: ", BAD), ADVICE[kind])
    total = sum(place.assessment.counts["declared"] for place in places)
    licensed = sum(place.assessment.counts["licensed"] for place in places)
    summary = f"{total} VMs declared by {declared.source}, {licensed} of them licensed now"
    found = ", ".join(f"{count} {kind.value}" for kind, count in counts.items())
    write_text(
        ("ok: " if right else "not as it should be: ", GOOD if right else BAD), summary, f"; {found}" * bool(found)
    )
