"""`environments` and `list`: every form of output, of what EVS has."""

from pathlib import Path

import pytest

from local_aws.evs_api import EvsControl
from tests.fleet.aws.conftest import CONNECTOR, ENVIRONMENT, OTHER_CONNECTOR, OTHER_ENVIRONMENT, Run, write_lock


@pytest.fixture
def entitled(evs: EvsControl) -> EvsControl:
    evs.entitle(["vm-101", "vm-102"])
    evs.entitle(["vm-103"], status="CREATE_FAILED")
    evs.by_hand("set_status", ["vm-103"], "CREATE_FAILED", error_code="VM_NOT_FOUND")
    evs.entitle(["vm-401"], environment_id=OTHER_ENVIRONMENT, status="AT_RISK")
    return evs


def test_environments_as_a_table(entitled: EvsControl, run: Run) -> None:
    ran = run("environments")
    assert ran.status == 0
    (line,) = [line for line in ran.out.splitlines() if CONNECTOR in line]
    for word in (ENVIRONMENT, "production", "VCENTER", "ACTIVE", "all passed", "2 CREATED, 1 CREATE_FAILED"):
        assert word in line
    assert ran.err == ""


def test_environments_as_json(entitled: EvsControl, run: Run) -> None:
    entitled.by_hand("set_connector", OTHER_CONNECTOR, reachable=False)
    first, second = run("environments", "--output", "json").json
    assert first["environment_id"] == ENVIRONMENT
    assert first["connectors"][0]["entitlements"] == {"CREATED": 2, "CREATE_FAILED": 1}
    assert first["connectors"][0]["reachable"] is True
    (connector,) = second["connectors"]
    assert connector["reachable"] is False
    assert connector["entitlements"] == {"AT_RISK": 1}
    assert connector["removal_at"].endswith("Z")
    assert {check["result"] for check in connector["checks"]} == {"FAILED"}


def test_environments_as_csv_and_ids(entitled: EvsControl, run: Run) -> None:
    entitled.by_hand("set_connector", OTHER_CONNECTOR, reachable=False)
    rows = run("environments", "--output", "csv").csv
    assert [row["connector_id"] for row in rows] == [CONNECTOR, "cnctr-fghij67890", OTHER_CONNECTOR]
    assert "VCENTER_REACHABILITY FAILED" in rows[2]["checks"]
    assert run("environments", "--output", "ids").out.split() == [ENVIRONMENT, OTHER_ENVIRONMENT]


def test_a_connector_of_another_type_is_listed_without_counts(entitled: EvsControl, run: Run) -> None:
    entitled.by_hand("set_connector", "cnctr-fghij67890", type="SDDC_MANAGER")
    rows = {row["connector_id"]: row for row in run("environments", "--output", "csv").csv}
    assert rows["cnctr-fghij67890"]["connector_type"] == "SDDC_MANAGER"
    assert rows["cnctr-fghij67890"]["entitlements"] == ""
    # One vCenter connector is left, so that it need not be named.
    ran = run("list", "--environment", ENVIRONMENT)
    assert ran.status == 0
    assert f"Environment {ENVIRONMENT}, connector {CONNECTOR}" in ran.out


def test_no_environment_at_all(evs: EvsControl, run: Run) -> None:
    for environment_id in (ENVIRONMENT, OTHER_ENVIRONMENT):
        evs.by_hand("remove_environment", environment_id)
    ran = run("environments", "--output", "json")
    assert (ran.status, ran.json) == (0, [])
    assert "No EVS environment in us-east-1" in ran.err
    ran = run("list")
    assert ran.status == 2
    assert ran.error.startswith("no EVS environment in us-east-1 of this account")


def test_list_as_a_table(entitled: EvsControl, run: Run) -> None:
    ran = run("list", "--environment", ENVIRONMENT, "--connector", CONNECTOR)
    assert ran.status == 0
    lines = ran.out.splitlines()
    assert f"Environment {ENVIRONMENT}, connector {CONNECTOR}" in ran.out
    (failed,) = [line for line in lines if "vm-103" in line]
    assert "sql01.corp.example.com" in failed
    assert "CREATE_FAILED" in failed
    assert "VM_NOT_FOUND" in failed
    assert lines[-1] == "3 VMs: 1 CREATE_FAILED, 2 CREATED" or lines[-1] == "3 VMs: 2 CREATED, 1 CREATE_FAILED"


def test_list_as_json(entitled: EvsControl, run: Run) -> None:
    rows = run("list", "--environment", OTHER_ENVIRONMENT, "--output", "json").json
    assert rows == [
        {
            "environment_id": OTHER_ENVIRONMENT,
            "connector_id": OTHER_CONNECTOR,
            "vm_id": "vm-401",
            "name": "lab01.lab.example.com",
            "status": "AT_RISK",
            "started_at": rows[0]["started_at"],
            "stopped_at": None,
            "last_synced_at": rows[0]["last_synced_at"],
            "error_code": None,
            "error_message": None,
        }
    ]
    assert rows[0]["started_at"].endswith("Z")


def test_list_of_all_environments(entitled: EvsControl, run: Run) -> None:
    rows = run("list", "--all", "--output", "csv").csv
    assert rows[2]["error_message"] == "vm-103: set by hand"
    assert [(row["environment_id"], row["vm_id"], row["status"]) for row in rows] == [
        (ENVIRONMENT, "vm-101", "CREATED"),
        (ENVIRONMENT, "vm-102", "CREATED"),
        (ENVIRONMENT, "vm-103", "CREATE_FAILED"),
        (OTHER_ENVIRONMENT, "vm-401", "AT_RISK"),
    ]
    assert run("list", "--all", "--status", "at_risk", "--output", "ids").out == "vm-401\n"


def test_list_goes_by_the_lock_that_is_there(entitled: EvsControl, run: Run, here: Path) -> None:
    write_lock(here / "entitlements.lock.json", "vm-401", environment=OTHER_ENVIRONMENT, connector=OTHER_CONNECTOR)
    assert run("list", "--output", "ids").out == "vm-401\n"


def test_list_goes_by_the_policy_that_is_there(entitled: EvsControl, run: Run, here: Path) -> None:
    (here / "entitlements.toml").write_text(f'environment = "{OTHER_ENVIRONMENT}"\n[[include]]\nname = "*"\n')
    assert run("list", "--output", "ids").out == "vm-401\n"


def test_several_environments_are_named_when_none_is_chosen(entitled: EvsControl, run: Run) -> None:
    ran = run("list")
    assert ran.status == 2
    assert ran.error == (
        f"several EVS environments in us-east-1: give --environment, one of {ENVIRONMENT}, {OTHER_ENVIRONMENT}"
    )


def test_nothing_is_entitled(evs: EvsControl, run: Run) -> None:
    ran = run("list", "--environment", OTHER_ENVIRONMENT)
    assert ran.status == 0
    assert ran.out.startswith("Nothing is entitled (environment")
    assert run("list", "--environment", OTHER_ENVIRONMENT, "--output", "json").json == []


def test_several_pages_and_several_rows_of_a_vm(evs: EvsControl, run: Run) -> None:
    evs.set(page_size=7)
    evs.entitle([f"vm-{number}" for number in range(1, 41)])
    evs.entitle(["vm-3"], status="DELETED")
    evs.entitle(["vm-3"], status="CREATE_FAILED")
    rows = run("list", "--environment", ENVIRONMENT, "--connector", CONNECTOR, "--output", "json").json
    assert [row["vm_id"] for row in rows] == [f"vm-{number}" for number in range(1, 41)]
    assert {row["status"] for row in rows} == {"CREATED"}


def test_a_name_with_markup_and_control_characters_is_shown_as_it_is(evs: EvsControl, run: Run) -> None:
    evs.by_hand("set_vm", "vm-900", name="[red]x[/]\x1b[31m")
    evs.entitle(["vm-900"])
    ran = run("list", "--environment", ENVIRONMENT, "--connector", CONNECTOR)
    assert "[red]x[/]\\x1b[31m" in ran.out
    assert "\x1b" not in ran.out
