"""What is wrong, from rows alone: every status, several rows of one VM, connectors in every condition."""

import ast
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from evs_health import assessment, connectors
from evs_health.assessment import Kind, assess
from evs_health.connectors import Connector


def row(vm_id: str, status: str, **more: Any) -> dict[str, Any]:
    return {"vmId": vm_id, "status": status, "vmName": f"name-of-{vm_id}", **more}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("CREATED", None),
        ("CREATING", Kind.CREATING),
        ("AT_RISK", Kind.AT_RISK),
        ("CREATE_FAILED", Kind.FAILED),
        ("ENTITLEMENT_REMOVED", Kind.REMOVED),
        ("DELETED", Kind.MISSING),
        ("PENDING_REVIEW", Kind.UNKNOWN_STATUS),
    ],
)
def test_a_declared_vm(status: str, kind: Kind | None) -> None:
    found = assess(["vm-1"], [row("vm-1", status)])
    assert [finding.kind for finding in found.findings] == ([kind] if kind else [])
    assert found.licensed == (["vm-1"] if status in ("CREATED", "AT_RISK") else [])


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("CREATED", Kind.UNDECLARED),
        ("CREATING", Kind.UNDECLARED),
        ("AT_RISK", Kind.UNDECLARED),
        # EVS restores it by itself, and then it costs.
        ("ENTITLEMENT_REMOVED", Kind.UNDECLARED),
        ("CREATE_FAILED", None),
        ("DELETED", None),
        ("PENDING_REVIEW", Kind.UNKNOWN_STATUS),
    ],
)
def test_a_vm_that_nothing_declares(status: str, kind: Kind | None) -> None:
    found = assess([], [row("vm-1", status)])
    assert [finding.kind for finding in found.findings] == ([kind] if kind else [])


def test_a_declared_vm_without_a_row_is_missing() -> None:
    (finding,) = assess(["vm-1"], []).findings
    assert (finding.kind, finding.vm_id) == (Kind.MISSING, "vm-1")


def test_a_held_row_counts_before_the_others_and_then_the_newest() -> None:
    old, new = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    rows = [row("vm-1", "CREATED", startedAt=old), row("vm-1", "CREATE_FAILED", lastSyncedAt=new)]
    assert assess(["vm-1"], rows).findings == ()
    assert assess(["vm-1"], rows[::-1]).findings == ()
    rows = [row("vm-1", "CREATE_FAILED", lastSyncedAt=old), row("vm-1", "ENTITLEMENT_REMOVED", lastSyncedAt=new)]
    assert [finding.kind for finding in assess(["vm-1"], rows).findings] == [Kind.REMOVED]


def test_the_error_of_evs_is_what_a_finding_says() -> None:
    error = {"errorCode": "VM_NOT_FOUND", "errorMessage": "no such VM"}
    (finding,) = assess(["vm-1"], [row("vm-1", "CREATE_FAILED", errorDetail=error)]).findings
    assert finding.detail == "VM_NOT_FOUND: no such VM"


def test_findings_are_sorted_by_kind_and_number_and_counted() -> None:
    rows = [row("vm-20", "CREATED"), row("vm-3", "CREATED"), row("vm-100", "AT_RISK")]
    found = assess(["vm-100", "vm-9", "vm-10"], rows)
    assert [(finding.kind, finding.vm_id) for finding in found.findings] == [
        (Kind.MISSING, "vm-9"),
        (Kind.MISSING, "vm-10"),
        (Kind.AT_RISK, "vm-100"),
        (Kind.UNDECLARED, "vm-3"),
        (Kind.UNDECLARED, "vm-20"),
    ]
    assert found.counts == {
        "declared": 3,
        "licensed": 1,
        "missing": 2,
        "failed": 0,
        "at_risk": 1,
        "removed": 0,
        "creating": 0,
        "unknown_status": 0,
        "undeclared": 2,
    }


# --- the connector ---------------------------------------------------------------------------------------------------


def connector(*checks: tuple[str, str], since: datetime | None = None, **more: Any) -> Connector:
    rows = [{"type": kind, "result": result, "impairedSince": since} for kind, result in checks]
    return Connector.from_row({"connectorId": "cnctr-1", "type": "VCENTER", "state": "ACTIVE", "checks": rows, **more})


def test_a_connector_that_is_right() -> None:
    found = connector(("VCENTER_REACHABILITY", "PASSED"), ("VCENTER_VM_SYNC", "PASSED"))
    assert (found.reachable, found.problems, found.removal_at) == (True, (), None)


def test_a_connector_that_does_not_reach_its_vcenter() -> None:
    found = connector(("VCENTER_REACHABILITY", "FAILED"), since=datetime(2026, 1, 1, 20, tzinfo=UTC))
    assert found.reachable is False
    assert found.problems == ("check VCENTER_REACHABILITY is FAILED since 2026-01-01 20:00 UTC",)
    assert found.removal_at == datetime(2026, 1, 2, 4, tzinfo=UTC)


@pytest.mark.parametrize("checks", [(), (("VCENTER_REACHABILITY", "UNKNOWN"),), (("VCENTER_VM_SYNC", "FAILED"),)])
def test_a_connector_whose_reachability_nobody_knows(checks: tuple[tuple[str, str], ...]) -> None:
    assert connector(*checks).reachable is None


def test_a_connector_of_another_type_or_state() -> None:
    found = connector(type="SDDC_MANAGER", state="DELETING")
    assert found.problems == (
        "its type is SDDC_MANAGER, and entitlements need one of type VCENTER",
        "its state is DELETING, not ACTIVE",
    )


@pytest.mark.parametrize("module", [assessment, connectors])
def test_it_imports_nothing_but_the_standard_library(module: ModuleType) -> None:
    tree = ast.parse(Path(str(module.__file__)).read_text())
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or "."] if isinstance(node, ast.ImportFrom) else [item.name for item in node.names])
    }
    assert imported <= sys.stdlib_module_names
