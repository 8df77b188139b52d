"""`environments`: EVS environments of account and region, their connectors, and entitlements counted by status."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from evs_fleet.output import BAD, GOOD, WARN, Column, remark, write_json, write_rows
from evs_health.assessment import merge
from evs_health.connectors import VCENTER, Connector

if TYPE_CHECKING:
    from evs_fleet.aws.session import Session
    from evs_fleet.context import Context

_STYLES = {"CREATED": GOOD, "ACTIVE": GOOD, "PASSED": GOOD, "FAILED": BAD, "CREATE_FAILED": BAD, "UNKNOWN": WARN}
COLUMNS = (
    Column("environment_id", "Environment"),
    Column("name", "Name"),
    Column("state", "State", styles=_STYLES),
    Column("connector_id", "Connector"),
    Column("connector_type", "Type"),
    Column("connector_state", "State", styles=_STYLES),
    Column("checks", "Checks", styles={"all passed": GOOD}),
    Column("entitlements", "Entitlements"),
)


@click.command("environments")
@click.pass_obj
def command(context: Context) -> int:
    """Show EVS environments of this account and region, with connectors and counts of entitlements."""
    from evs_fleet.aws import evs
    from evs_fleet.aws.session import Session

    session = Session.of(context)
    found = [_environment(session, item) for item in evs.environments(session)]
    if context.output == "json":
        write_json(found)
    elif context.output == "ids":
        write_rows("ids", (), found, ids="environment_id")
    else:
        write_rows(context.output, COLUMNS, [row for item in found for row in _rows(item)], ids="environment_id")
    if not found:
        remark(f"No EVS environment in {session.region} of this account.")
    return 0


def _environment(session: Session, item: dict[str, Any]) -> dict[str, Any]:
    from evs_fleet.aws import evs

    environment_id = str(item["environmentId"])
    return {
        "environment_id": environment_id,
        "name": item.get("environmentName"),
        "state": item.get("environmentState"),
        "status": item.get("environmentStatus"),
        "vcf_version": item.get("vcfVersion"),
        "connectors": [
            _connector(session, environment_id, connector) for connector in evs.connectors(session, environment_id)
        ],
    }


def _connector(session: Session, environment_id: str, connector: Connector) -> dict[str, Any]:
    from evs_fleet.aws import evs
    from evs_fleet.aws.times import iso

    counts: Counter[str] = Counter()
    # EVS refuses the question for connectors of another type.
    if connector.type == VCENTER:
        rows = evs.entitlements(session, environment_id, connector.connector_id)
        counts.update(row.status for row in merge(rows).values() if row.status != "DELETED")
    return {
        "connector_id": connector.connector_id,
        "type": connector.type,
        "state": connector.state,
        "fqdn": connector.fqdn,
        "reachable": connector.reachable,
        "removal_at": iso(connector.removal_at),
        "checks": [
            {"type": check.type, "result": check.result, "impaired_since": iso(check.impaired_since)}
            for check in connector.checks
        ],
        "entitlements": dict(sorted(counts.items())),
    }


def _rows(item: dict[str, Any]) -> list[dict[str, Any]]:
    """Return an environment as rows of a table: one for each connector, or one where it has none."""
    head = {name: item[name] for name in ("environment_id", "name", "state")}
    rows = []
    for connector in item["connectors"]:
        failed = [f"{check['type']} {check['result']}" for check in connector["checks"] if check["result"] != "PASSED"]
        counts = [f"{count} {status}" for status, count in connector["entitlements"].items()]
        rows.append(
            {
                **head,
                "connector_id": connector["connector_id"],
                "connector_type": connector["type"],
                "connector_state": connector["state"],
                "checks": ", ".join(failed) or ("all passed" if connector["checks"] else ""),
                "entitlements": ", ".join(counts) or ("none" if connector["type"] == VCENTER else ""),
            }
        )
    return rows or [head]
