"""`check`: a lock against EVS, and against an inventory, in every form of output."""

import json
from pathlib import Path
from typing import Any

import pytest

from local_aws.evs_api import EvsControl
from tests.fleet.aws.conftest import CONNECTOR, Run, write_lock

WINDOWS, LINUX = "windows2019srv_64Guest", "ubuntu64Guest"


def uuid(number: int) -> str:
    return f"50000000-0000-0000-0000-{number:012d}"


def locked(vm_id: str, number: int, name: str) -> dict[str, Any]:
    return {"id": vm_id, "name": name, "instance_uuid": uuid(number)}


def write_inventory(path: Path, *vms: tuple[str, int, str, str]) -> Path:
    """Write what `govc vm.info -json` prints of VMs: id, number of their UUID, name, guest."""
    machines = [
        {
            "self": {"type": "VirtualMachine", "value": vm_id},
            "name": name,
            "config": {"instanceUuid": uuid(number), "guestId": guest, "hardware": {"numCPU": 2}},
            "runtime": {"powerState": "poweredOn", "connectionState": "connected"},
        }
        for vm_id, number, name, guest in vms
    ]
    path.write_text(json.dumps({"virtualMachines": machines}))
    return path


@pytest.fixture
def lock(here: Path) -> Path:
    return write_lock(here / "entitlements.lock.json", "vm-101", "vm-102")


def test_all_is_right(evs: EvsControl, run: Run, lock: Path) -> None:
    evs.entitle(["vm-101", "vm-102"])
    ran = run("check")
    assert ran.status == 0
    assert ran.out == "ok: 2 VMs declared by entitlements.lock.json, 2 of them licensed now\n"
    assert ran.err == ""
    found = run("check", "--output", "json").json
    assert found["ok"] is True
    assert found["findings"] == []
    assert run("check", "--output", "ids").out == ""


@pytest.fixture
def wrong(evs: EvsControl, here: Path) -> EvsControl:
    """Everything that EVS's rows can say, once."""
    write_lock(here / "entitlements.lock.json", *(f"vm-10{number}" for number in range(1, 8)))
    evs.entitle(["vm-101", "vm-110"])
    for vm_id, status in (
        ("vm-103", "CREATE_FAILED"),
        ("vm-104", "AT_RISK"),
        ("vm-105", "ENTITLEMENT_REMOVED"),
        ("vm-106", "CREATING"),
        ("vm-111", "CREATE_FAILED"),
        ("vm-112", "DELETED"),
    ):
        evs.entitle([vm_id], status=status)
    evs.by_hand("set_status", ["vm-103"], "CREATE_FAILED", error_code="UNSUPPORTED_GUEST_OS")
    return evs


def test_each_kind_of_finding(wrong: EvsControl, run: Run) -> None:
    ran = run("check", "--output", "json")
    assert ran.status == 1
    assert [(row["kind"], row["vm_id"]) for row in ran.json["findings"]] == [
        ("missing", "vm-102"),
        ("missing", "vm-107"),
        ("failed", "vm-103"),
        ("at_risk", "vm-104"),
        ("removed", "vm-105"),
        ("creating", "vm-106"),
        ("undeclared", "vm-110"),
    ]
    assert ran.json["ok"] is False
    (place,) = ran.json["places"]
    assert place["counts"]["declared"] == 7
    assert place["counts"]["licensed"] == 2
    assert ran.json["findings"][2]["detail"].startswith("UNSUPPORTED_GUEST_OS: ")
    # EVS has no name of a VM that it has no row of; the lock has.
    assert ran.json["findings"][0]["name"] == "name-of-vm-102"


def test_the_table_says_what_to_do(wrong: EvsControl, run: Run) -> None:
    ran = run("check")
    assert ran.status == 1
    assert "entitlements.lock.json against EVS" in ran.out
    assert "failed: put right what EVS says" in ran.out
    assert "undeclared: declare it (adopt_existing), or remove it in the console: it is paid for" in ran.out
    assert ran.out.splitlines()[-1].startswith(
        "not as it should be: 7 VMs declared by entitlements.lock.json, 2 of them"
    )


def test_csv_and_ids(wrong: EvsControl, run: Run) -> None:
    rows = run("check", "--output", "csv").csv
    assert rows[0]["connector_id"] == CONNECTOR
    assert {row["vm_id"]: row["kind"] for row in rows}["vm-104"] == "at_risk"
    ran = run("check", "--output", "ids")
    assert ran.status == 1
    assert ran.out.split() == ["vm-102", "vm-107", "vm-103", "vm-104", "vm-105", "vm-106", "vm-110"]


def test_a_status_of_tomorrow(evs: EvsControl, run: Run, lock: Path) -> None:
    evs.entitle(["vm-101"])
    evs.entitle(["vm-102"], status="SUSPENDED")
    ran = run("check", "--output", "json")
    assert ran.status == 1
    assert [(row["kind"], row["status"]) for row in ran.json["findings"]] == [("unknown_status", "SUSPENDED")]


def test_a_connector_that_is_away(evs: EvsControl, run: Run, lock: Path) -> None:
    evs.entitle(["vm-101", "vm-102"])
    evs.by_hand("set_connector", CONNECTOR, reachable=False)
    ran = run("check")
    assert ran.status == 1
    assert f"connector {CONNECTOR}: check VCENTER_REACHABILITY is FAILED" in ran.out
    assert "EVS removes its entitlements at 20" in ran.out
    assert "at_risk: bring the connector back" in ran.out


def test_a_connector_that_may_not_be_looked_at(evs: EvsControl, run: Run, lock: Path) -> None:
    evs.entitle(["vm-101", "vm-102"])
    evs.fault("access_denied", operations=["ListEnvironmentConnectors"], count=None)
    ran = run("check")
    assert ran.status == 0
    assert "The connector was not looked at: access denied: evs:ListEnvironmentConnectors" in ran.err


# --- with an inventory -----------------------------------------------------------------------------------------------


@pytest.fixture
def fleet(evs: EvsControl, here: Path) -> EvsControl:
    """Two VMs that are declared and entitled."""
    vms = [locked("vm-101", 1, "sql01"), locked("vm-102", 2, "sql02")]
    write_lock(here / "entitlements.lock.json", *vms)
    evs.entitle(["vm-101", "vm-102"])
    return evs


def test_an_inventory_that_agrees(fleet: EvsControl, run: Run, here: Path) -> None:
    write_inventory(here / "vms.json", ("vm-101", 1, "sql01", WINDOWS), ("vm-102", 2, "sql02", WINDOWS))
    assert run("check", "--inventory", "vms.json").status == 0


def test_an_id_that_has_changed(fleet: EvsControl, run: Run, here: Path) -> None:
    write_inventory(here / "vms.json", ("vm-301", 1, "sql01", WINDOWS), ("vm-102", 2, "sql02", WINDOWS))
    ran = run("check", "--inventory", "vms.json", "--output", "json")
    assert ran.status == 1
    (finding,) = ran.json["findings"]
    assert (finding["kind"], finding["vm_id"], finding["new_id"]) == ("id_changed", "vm-101", "vm-301")
    ran = run("check", "--inventory", "vms.json")
    assert "vm-101 -> vm-301" in ran.out
    assert "id_changed: `evs-entitlements resolve`, then deploy" in ran.out


def test_a_vm_that_is_gone(fleet: EvsControl, run: Run, here: Path) -> None:
    write_inventory(here / "vms.json", ("vm-101", 1, "sql01", WINDOWS))
    findings = run("check", "--inventory", "vms.json", "--output", "json").json["findings"]
    assert [(row["kind"], row["vm_id"], row["name"]) for row in findings] == [("gone", "vm-102", "sql02")]


@pytest.fixture
def grown(fleet: EvsControl, here: Path) -> EvsControl:
    """An inventory with more VMs than are declared."""
    write_inventory(
        here / "vms.json",
        ("vm-101", 1, "sql01", WINDOWS),
        ("vm-102", 2, "sql02", WINDOWS),
        ("vm-103", 3, "sql03", WINDOWS),
        ("vm-104", 4, "web01", WINDOWS),
        ("vm-105", 5, "legacy01", WINDOWS),
        ("vm-106", 6, "linux01", LINUX),
    )
    return fleet


def test_new_vms_without_a_policy(grown: EvsControl, run: Run) -> None:
    findings = run("check", "--inventory", "vms.json", "--output", "json").json["findings"]
    assert [(row["kind"], row["vm_id"]) for row in findings] == [
        ("new", "vm-103"),
        ("new", "vm-104"),
        ("new", "vm-105"),
    ]


def test_new_vms_that_nothing_includes_or_excludes(grown: EvsControl, run: Run, here: Path) -> None:
    (here / "entitlements.toml").write_text(
        'environment = "env-abcde12345"\n[[include]]\nname = "sql*"\n'
        '[[exclude]]\nname = "legacy*"\nreason = "own licence"\n'
    )
    ran = run("check", "--inventory", "vms.json", "--output", "json")
    assert ran.status == 1
    assert [(row["kind"], row["vm_id"]) for row in ran.json["findings"]] == [
        ("not_locked", "vm-103"),
        ("new", "vm-104"),
    ]


def test_an_inventory_that_is_none(fleet: EvsControl, run: Run, here: Path) -> None:
    (here / "vms.json").write_text("{}")
    ran = run("check", "--inventory", "vms.json")
    assert ran.status == 2
    assert "vms.json" in ran.error


def test_a_vcenter_without_credentials_is_left_out_and_said_so(fleet: EvsControl, run: Run, here: Path) -> None:
    (here / "entitlements.toml").write_text(
        'environment = "env-abcde12345"\n[vcenter]\nhost = "vc.example.com"\n[[include]]\nname = "*"\n'
    )
    ran = run("check")
    assert ran.status == 0
    assert ran.err.startswith("vCenter was not asked: VCENTER_USER or VCENTER_PASSWORD is not set.")


def test_a_vcenter_that_is_not_reached_is_left_out_and_said_so(
    fleet: EvsControl, run: Run, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VCENTER_USER", "u")
    monkeypatch.setenv("VCENTER_PASSWORD", "p")
    (here / "entitlements.toml").write_text(
        'environment = "env-abcde12345"\n[vcenter]\nhost = "127.0.0.1"\nport = 9\n[[include]]\nname = "*"\n'
    )
    ran = run("check")
    assert ran.status == 0
    assert "vCenter was not asked: vCenter 127.0.0.1:9" in ran.err
