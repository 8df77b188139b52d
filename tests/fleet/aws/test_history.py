"""`history`: CloudTrail's events as table, JSON, CSV and ids, between two times, and what it can't tell."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.fleet.aws.cloudtrail import CloudTrail, event
from tests.fleet.aws.conftest import Run

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def filled(cloudtrail: CloudTrail) -> CloudTrail:
    cloudtrail.events = [
        event(NOW - timedelta(days=9), "CreateEntitlement", ["vm-102", "vm-101"]),
        event(NOW - timedelta(days=8), "CreateEntitlement", ["vm-103"], error="ThrottlingException"),
        event(NOW - timedelta(days=7), "CreateEntitlement", ["vm-103"]),
        event(NOW - timedelta(days=3), "DeleteEntitlement", ["vm-101"]),
        event(NOW - timedelta(days=2), "DeleteEntitlement", None),
        event(NOW - timedelta(days=1), "CreateEntitlement", ["vm-1"], source="other.amazonaws.com"),
    ]
    return cloudtrail


def test_as_a_table_newest_first(filled: CloudTrail, run: Run) -> None:
    ran = run("history")
    assert ran.status == 0
    lines = [line for line in ran.out.splitlines() if "20" in line[:4]]
    assert [line.split()[1] for line in lines] == ["remove", "remove", "entitle", "entitle", "entitle"]
    assert "not in the event" in lines[0]
    assert "assumed-role/Licences-Role/fn" in lines[1]
    assert "ThrottlingException" in lines[3]
    assert "vm-101, vm-102" in lines[4]
    assert "the last 90 days of this region" in ran.err
    assert "5 calls from" in ran.err


def test_as_csv_with_a_row_for_each_vm(filled: CloudTrail, run: Run) -> None:
    rows = run("history", "--output", "csv").csv
    assert [(row["action"], row["vm_id"], row["outcome"]) for row in rows] == [
        ("remove", "", "ok"),
        ("remove", "vm-101", "ok"),
        ("entitle", "vm-103", "ok"),
        ("entitle", "vm-103", "ThrottlingException"),
        ("entitle", "vm-101", "ok"),
        ("entitle", "vm-102", "ok"),
    ]
    first = rows[1]
    assert first["time"] == (NOW - timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert first["who"] == "arn:aws:sts::111122223333:assumed-role/Licences-Role/fn"
    assert first["role"] == "Licences-Role"
    assert first["source_ip"] == "198.51.100.7"
    assert first["environment_id"] == "env-abcde12345"
    assert first["event_id"]


def test_as_json_and_ids(filled: CloudTrail, run: Run) -> None:
    rows = run("history", "--output", "json").json
    assert rows[-1]["vm_ids"] == ["vm-101", "vm-102"]
    assert rows[0]["vm_ids"] == []
    assert run("history", "--output", "ids").out.split() == ["vm-101", "vm-103", "vm-102"]


def test_between_two_times(filled: CloudTrail, run: Run) -> None:
    rows = run("history", "--since", "8d", "--until", "60h", "--output", "json").json
    assert [row["action"] for row in rows] == ["remove", "entitle"]
    since = (NOW - timedelta(days=4)).isoformat()
    assert len(run("history", "--since", since, "--output", "json").json) == 2


def test_of_one_vm(filled: CloudTrail, run: Run) -> None:
    rows = run("history", "--vm", "vm-101", "--output", "csv").csv
    assert [(row["action"], row["vm_id"]) for row in rows] == [("remove", "vm-101"), ("entitle", "vm-101")]


def test_of_one_environment(filled: CloudTrail, run: Run) -> None:
    assert run("history", "--environment", "env-zyxwv98765", "--output", "json").json == []


def test_nothing_happened(cloudtrail: CloudTrail, run: Run) -> None:
    ran = run("history", "--since", "1d")
    assert ran.status == 0
    assert ran.out == "No entitlement was created or removed by a call.\n"


def test_further_back_than_cloudtrail_keeps(cloudtrail: CloudTrail, run: Run) -> None:
    ran = run("history", "--since", "2020-01-01")
    assert ran.status == 0
    assert "Nothing before" in ran.err
    # What CloudTrail can't have is not asked for.
    assert NOW.timestamp() - cloudtrail.requests[0]["StartTime"] < 90.1 * 86400


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--since", "yesterday"], "--since: got 'yesterday', expected a date (2026-11-01)"),
        (["--since", "2026-13-01"], "--since: got '2026-13-01', expected"),
        (["--since", "1d", "--until", "2d"], "is after --until"),
    ],
)
def test_wrong_times(arguments: list[str], words: str, cloudtrail: CloudTrail, run: Run) -> None:
    ran = run("history", *arguments)
    assert ran.status == 2
    assert words in ran.error


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (("AccessDeniedException", "User: x is not authorized"), "access denied: cloudtrail:LookupEvents in us-east-1"),
        (("ExpiredTokenException", "expired"), "the AWS credentials have expired"),
        (("UnsupportedOperationException", "not here"), "cloudtrail:LookupEvents: UnsupportedOperationException"),
    ],
)
def test_cloudtrail_refuses(refusal: tuple[str, str], words: str, cloudtrail: CloudTrail, run: Run) -> None:
    cloudtrail.refusal = refusal
    ran = run("history")
    assert ran.status == 2
    assert words in ran.error
