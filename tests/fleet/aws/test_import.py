"""`import`: a lock of what is entitled today."""

from pathlib import Path

import pytest

from evs_entitlements.lock import EntitlementLock
from local_aws.evs_api import EvsControl
from tests.fleet.aws.conftest import CONNECTOR, ENVIRONMENT, OTHER_CONNECTOR, OTHER_ENVIRONMENT, Run, write_lock
from tests.fleet.aws.test_check import WINDOWS, uuid, write_inventory

WHERE = ("--environment", ENVIRONMENT, "--connector", CONNECTOR)


@pytest.fixture
def entitled(evs: EvsControl) -> EvsControl:
    evs.entitle(["vm-102", "vm-101"])
    return evs


def test_names_are_those_that_evs_has(entitled: EvsControl, run: Run, here: Path) -> None:
    ran = run("import", *WHERE)
    assert ran.status == 0
    assert "dc01.corp.example.com" in ran.out
    assert "adopt_existing=True" in ran.err
    lock = EntitlementLock.load(here / "entitlements.lock.json")
    assert (lock.environment_id, lock.connector_id) == (ENVIRONMENT, CONNECTOR)
    assert [(vm.id, vm.name) for vm in lock.vms] == [
        ("vm-101", "dc01.corp.example.com"),
        ("vm-102", "dc02.corp.example.com"),
    ]
    # What was imported is what EVS has.
    assert run("check").status == 0


def test_names_and_uuids_are_those_of_an_inventory(entitled: EvsControl, run: Run, here: Path) -> None:
    write_inventory(here / "vms.json", ("vm-101", 1, "dc01", WINDOWS))
    ran = run("import", *WHERE, "--inventory", "vms.json", "--lock", "new.json")
    assert ran.status == 0
    first, second = EntitlementLock.load(here / "new.json").vms
    assert (first.name, first.instance_uuid, first.guest_id, first.vcpus) == ("dc01", uuid(1), WINDOWS, 2)
    assert (second.name, second.instance_uuid) == ("dc02.corp.example.com", None)


def test_what_holds_nothing_is_left_out_and_named(entitled: EvsControl, run: Run, here: Path) -> None:
    entitled.entitle(["vm-103"], status="CREATE_FAILED")
    entitled.entitle(["vm-104"], status="ENTITLEMENT_REMOVED")
    entitled.entitle(["vm-105"], status="DELETED")
    entitled.entitle(["vm-106"], status="SUSPENDED")
    ran = run("import", *WHERE, "--output", "ids")
    assert ran.status == 1
    assert ran.out.split() == ["vm-101", "vm-102", "vm-104"]
    assert "Left out, since nothing is entitled or the status is not known: vm-103 (CREATE_FAILED), vm-106" in ran.err
    assert EntitlementLock.load(here / "entitlements.lock.json").vm_ids == ["vm-101", "vm-102", "vm-104"]


def test_json_and_csv(entitled: EvsControl, run: Run) -> None:
    rows = run("import", *WHERE, "--output", "json").json
    assert [(row["id"], row["status"], row["written"]) for row in rows] == [
        ("vm-101", "CREATED", True),
        ("vm-102", "CREATED", True),
    ]
    assert run("import", *WHERE, "--force", "--output", "csv").csv[0]["name"] == "dc01.corp.example.com"


def test_a_lock_that_is_there_is_kept_unless_told(entitled: EvsControl, run: Run, here: Path) -> None:
    # One of another environment: it must not say what is imported either.
    path = write_lock(here / "entitlements.lock.json", "vm-1", environment=OTHER_ENVIRONMENT, connector=OTHER_CONNECTOR)
    before = path.read_bytes()
    ran = run("import", *WHERE)
    assert ran.status == 2
    assert "is there already: give --force" in ran.error
    assert path.read_bytes() == before
    assert run("import", "--force", *WHERE).status == 0
    assert EntitlementLock.load(path).environment_id == ENVIRONMENT


def test_several_connectors_are_named(entitled: EvsControl, run: Run, here: Path) -> None:
    ran = run("import", "--environment", ENVIRONMENT)
    assert ran.status == 2
    assert ran.error.endswith("give --connector cnctr-abcde12345, cnctr-fghij67890")
    assert not (here / "entitlements.lock.json").exists()


def test_nothing_is_entitled(evs: EvsControl, run: Run, here: Path) -> None:
    ran = run("import", "--environment", OTHER_ENVIRONMENT)
    assert ran.status == 2
    assert ran.error == f"EVS holds no entitlement in {OTHER_ENVIRONMENT} {OTHER_CONNECTOR}: nothing to import"
    assert not (here / "entitlements.lock.json").exists()


def test_a_folder_that_is_not_there(entitled: EvsControl, run: Run) -> None:
    ran = run("import", *WHERE, "--lock", "nowhere/new.json")
    assert ran.status == 2
    assert "nowhere/new.json: can't be written" in ran.error
