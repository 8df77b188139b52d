"""`watch`: until all have settled, or the time is over."""

import threading
import time
from pathlib import Path

import pytest

from local_aws.evs_api import EvsControl
from tests.fleet.aws.conftest import Run, write_lock

FAST = ("--interval", "0.1", "--timeout", "60")


@pytest.fixture(autouse=True)
def lock(here: Path) -> Path:
    return write_lock(here / "entitlements.lock.json", "vm-101", "vm-102")


def test_all_have_settled_already(evs: EvsControl, run: Run) -> None:
    evs.entitle(["vm-101", "vm-102"])
    ran = run("watch")
    assert (ran.status, ran.out) == (0, "ok: 2 of 2 licensed\n")


def test_it_waits_until_the_last_is_licensed(evs: EvsControl, run: Run) -> None:
    evs.entitle(["vm-101"], status="CREATING")

    def looks(number: int) -> None:
        """Wait until the command has looked so often since now."""
        before = len(evs.calls("ListVmEntitlements"))
        while len(evs.calls("ListVmEntitlements")) < before + number:
            time.sleep(0.02)

    def deploy() -> None:
        looks(1)
        evs.by_hand("set_status", ["vm-101"], "CREATED")
        looks(2)
        evs.entitle(["vm-102"])

    thread = threading.Thread(target=deploy)
    thread.start()
    ran = run("watch", *FAST)
    thread.join()
    assert (ran.status, ran.out) == (0, "ok: 2 of 2 licensed\n")
    lines = ran.err.splitlines()
    assert lines[0] == "0 of 2 licensed, 1 missing, 1 creating"
    assert lines[-1] == "2 of 2 licensed"
    # One line for each change, not one for each look.
    assert len(lines) == len(set(lines))


def test_one_that_failed_has_settled_too(evs: EvsControl, run: Run) -> None:
    evs.entitle(["vm-101"])
    evs.entitle(["vm-102"], status="CREATE_FAILED")
    evs.by_hand("set_status", ["vm-102"], "CREATE_FAILED", error_code="VM_NOT_FOUND")
    ran = run("watch", *FAST)
    assert ran.status == 1
    assert "VM_NOT_FOUND" in ran.out
    assert ran.out.splitlines()[-1] == "not as it should be: 1 of 2 licensed, 1 failed"


def test_the_time_is_over(evs: EvsControl, run: Run) -> None:
    evs.entitle(["vm-101"], status="CREATING")
    began = time.monotonic()
    ran = run("watch", "--interval", "0.1", "--timeout", "0.5", "--output", "json")
    assert time.monotonic() - began < 30
    assert ran.status == 1
    assert ran.json["ok"] is False
    assert ran.json["settled"] is False
    assert [(row["kind"], row["vm_id"]) for row in ran.json["findings"]] == [
        ("missing", "vm-102"),
        ("creating", "vm-101"),
    ]


def test_what_is_not_declared_is_none_of_its_business(evs: EvsControl, run: Run) -> None:
    evs.entitle(["vm-101", "vm-102", "vm-110"])
    assert run("watch").status == 0


def test_csv_and_ids(evs: EvsControl, run: Run) -> None:
    evs.entitle(["vm-101"], status="AT_RISK")
    evs.entitle(["vm-102"])
    assert run("watch", "--output", "ids").out == "vm-101\n"
    assert run("watch", "--output", "csv").csv[0]["kind"] == "at_risk"
