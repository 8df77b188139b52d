"""What a user is told of a connector."""

import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from lambda_handler.evs.connector_health import LENGTH, what_is_wrong
from lambda_handler.text import json_bytes
from lambda_handler.values import Connector

HERE = Connector("env-abcde12345", "cnctr-abcde12345")


def row(connector_id: str = HERE.connector_id, kind: str = "VCENTER", state: str = "ACTIVE", **checks: str) -> Any:
    listed = [
        {"type": check, "result": result, "impairedSince": datetime(2026, 11, 26, 20, 10, tzinfo=UTC)}
        if result == "FAILED"
        else {"type": check, "result": result}
        for check, result in checks.items()
    ]
    return {"connectorId": connector_id, "type": kind, "state": state, "checks": listed}


ANOTHER_TYPE = (
    "connector cnctr-abcde12345: its type is SDDC_MANAGER, and entitlements need one of type VCENTER; of type VCENTER"
)
NOT_LISTED = "connector cnctr-abcde12345 is not one of environment env-abcde12345; of type VCENTER the environment has"
FAILED = "connector cnctr-abcde12345: check VCENTER_REACHABILITY is FAILED since 2026-11-26 20:10 UTC"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row(VCENTER_REACHABILITY="PASSED"), row("cnctr-other00000", "SDDC_MANAGER", "DELETING")], ""),
        (
            [row(VCENTER_REACHABILITY="FAILED", VCENTER_VM_SYNC="UNKNOWN")],
            f"{FAILED}; check VCENTER_VM_SYNC is UNKNOWN",
        ),
        ([row(state="UPDATE_FAILED")], "connector cnctr-abcde12345: its state is UPDATE_FAILED, not ACTIVE"),
        (
            [row(kind="SDDC_MANAGER"), row("cnctr-right00000")],
            f"{ANOTHER_TYPE} the environment has cnctr-right00000",
        ),
        (
            [row(kind="SDDC_MANAGER"), row("cnctr-right00000", state="DELETED")],
            f"{ANOTHER_TYPE} the environment has none",
        ),
        (
            [row("cnctr-right00000")],
            f"{NOT_LISTED} cnctr-right00000",
        ),
        (
            [],
            f"{NOT_LISTED} none",
        ),
    ],
    ids=["right", "checks", "state", "another type", "no right one", "not listed", "none listed"],
)
def test_what_is_said(rows: list[Any], said: str) -> None:
    assert what_is_wrong(HERE, rows, is_whole=True) == said


def test_a_part_of_the_list_proves_nothing_of_the_rest() -> None:
    assert what_is_wrong(HERE, [row("cnctr-other00000", "SDDC_MANAGER")], is_whole=False) == ""
    said = what_is_wrong(HERE, [row(kind="SDDC_MANAGER")], is_whole=False)
    assert "its type is SDDC_MANAGER" in said
    assert "none" not in said


def test_it_is_short_and_still_names_the_right_one() -> None:
    checks = {f"CHECK_{number}" * 9: "FAILED" for number in range(30)}
    said = what_is_wrong(HERE, [row(kind="SDDC_MANAGER", **checks), row("cnctr-right00000")], is_whole=True)
    assert len(said) <= LENGTH
    assert said.startswith("connector cnctr-abcde12345: its type is SDDC_MANAGER")
    assert said.endswith("of type VCENTER the environment has cnctr-right00000")


def test_letters_of_other_alphabets_take_no_more_room() -> None:
    odd = what_is_wrong(HERE, [row(kind="\U0001f600" * 900), row("\U0001f600" * 900)], is_whole=True)
    assert json_bytes(odd) <= LENGTH
    assert "of type VCENTER the environment has" in odd


def test_a_cold_start_does_not_import_the_reading_of_connectors() -> None:
    code = "import sys, lambda_handler.main; print('evs_health' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
