"""Runs of the monitor: CPU, wall time and memory, by how many entitlements there are."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import CONNECTOR, ENVIRONMENT
from benchmarks.arena import Arena
from benchmarks.measure import vm_ids
from benchmarks.processes import Measured, invoke, python_contender
from lambda_handler.ledger.packing import packed_body
from lambda_handler.ledger.records import DeclaredSet
from lambda_handler.ledger.state import State
from lambda_handler.values import Connector

#: How many entitlements, and how often each is run.
SIZES = {3: 5, 10_000: 3}
HEADINGS = ("entitlements", "CPU, s", "wall, s", "peak, MB", "list calls", "ledger and memory calls")
STACK_ID = "arn:aws:cloudformation:us-east-1:000000000000:stack/benchmark/00000000"


@dataclass
class Runs:
    """Runs with so many entitlements."""

    entitlements: int
    measured: list[Measured] = field(default_factory=list)
    lists: int = 0
    tables: int = 0

    def row(self) -> tuple[str, ...]:
        """Return a line of the table."""
        cpu, wall = ([getattr(one, name) for one in self.measured] for name in ("cpu", "wall"))
        return (
            f"{self.entitlements:,}",
            f"{statistics.median(cpu):.2f} ({min(cpu):.2f}-{max(cpu):.2f})",
            f"{statistics.median(wall):.2f}",
            f"{max(one.peak_mb for one in self.measured):.0f}",
            str(self.lists),
            str(self.tables),
        )


def runs(arena: Arena, asset: Path) -> list[Runs]:
    """Measure: a first run that remembers, which is not counted, and then some that find all as it was."""
    return [_runs(arena, asset, vms, often) for vms, often in SIZES.items()]


def _runs(arena: Arena, asset: Path, vms: int, often: int) -> Runs:
    contender = python_contender("monitor", asset, "lambda_handler.monitor.main.handler", bundle=False)
    arena.reset(0.0)
    ledger, memory, ids = arena.table(), arena.table(), vm_ids(vms)
    arena.aws.evs.entitle(ids, environment_id=ENVIRONMENT, connector_id=CONNECTOR)
    place = Connector(ENVIRONMENT, CONNECTOR)
    declared = DeclaredSet("Windows", place, frozenset(ids), "request", 1, live=True)
    item = {
        "Id": {"S": STACK_ID},
        "Version": {"N": "1"},
        "Claims": {"N": "0"},
        "Calls": {"M": {}},
        "Body": {"B": packed_body(State().declare("set", declared))},
    }
    arena.database.put_item(TableName=ledger, Item=item)
    environment = arena.environment(ledger, bundle=False) | {
        "MONITOR_TABLE_NAME": memory,
        "STACK_ID": STACK_ID,
        "PLACES": json.dumps([[ENVIRONMENT, CONNECTOR]]),
    }
    found = Runs(vms)
    for number in range(often + 1):
        arena.forget()
        measured = invoke(contender, {}, environment)
        line = next(json.loads(line) for line in measured.output.splitlines() if line.startswith('{"_aws"'))
        if line["Entitled"] != vms:
            raise AssertionError(f"monitor: {line}")
        if number:
            found.measured.append(measured)
            calls = arena.calls()
            found.lists, found.tables = calls["ListVmEntitlements"], calls["GetItem"] + calls["PutItem"]
    return found
