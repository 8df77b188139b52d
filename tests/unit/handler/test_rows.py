"""Rows of ListVmEntitlements: what a status means, which row of a VM counts, and when an entitlement began."""

from datetime import UTC, datetime
from typing import Any

import pytest

from lambda_handler.evs.rows import Row, Status, merged, rows_of


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        ("CREATING", "held somebodys may_be_held unsettled creating"),
        ("CREATED", "held somebodys may_be_held entitled"),
        ("AT_RISK", "held somebodys may_be_held entitled"),
        ("ENTITLEMENT_REMOVED", "somebodys"),
        ("CREATE_FAILED", ""),
        ("DELETED", "gone"),
        ("SUSPENDED", "somebodys may_be_held unsettled"),
    ],
)
def test_what_a_status_means(status: str, meaning: str) -> None:
    (row,) = rows_of({"entitlements": [{"vmId": "vm-1", "status": status}]})
    questions = ["held", "somebodys", "may_be_held", "unsettled", "creating", "entitled", "gone"]
    told = [one for one in questions if getattr(row, one if one == "may_be_held" else f"is_{one}")]
    assert set(told) == set(meaning.split())
    assert row.word == status


@pytest.mark.parametrize("status", [{}, {"status": ""}, {"status": None}])
def test_a_row_without_a_status_is_held_by_somebody(status: dict[str, Any]) -> None:
    (row,) = rows_of({"entitlements": [{"vmId": "vm-1", **status}]})
    assert row == Row("vm-1", Status.UNKNOWN)
    assert row.may_be_held
    assert row.word == "UNKNOWN"


def test_a_row_without_its_other_members() -> None:
    """Without a VM nothing can be made of it."""
    given = [{"status": "CREATED"}, {"vmId": "vm-1", "status": "CREATED", "errorDetail": {"errorCode": None}}]
    assert list(rows_of({"entitlements": given})) == [Row("vm-1", Status.CREATED, "CREATED")]
    assert list(rows_of({})) == list(rows_of({"entitlements": None})) == []


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("counts", "other"),
    [
        (Row("vm-1", Status.CREATED, newest=1.0), Row("vm-1", Status.CREATE_FAILED, newest=9.0)),
        (Row("vm-1", Status.CREATED, newest=1.0), Row("vm-1", Status.UNKNOWN, newest=9.0)),
        (Row("vm-1", Status.UNKNOWN, newest=1.0), Row("vm-1", Status.DELETED, newest=9.0)),
        (Row("vm-1", Status.CREATING, newest=9.0), Row("vm-1", Status.CREATED, newest=1.0)),
        (Row("vm-1", Status.CREATE_FAILED, newest=9.0), Row("vm-1", Status.DELETED, newest=1.0)),
    ],
)
def test_a_held_row_counts_before_the_others_and_then_the_newest(counts: Row, other: Row, order: int) -> None:
    assert merged([counts, other][::order]) == {"vm-1": counts}


def test_a_start_of_whole_seconds_may_be_a_cut_one() -> None:
    cut, exact, none = (Row("vm-1", Status.CREATED, started=one) for one in (10.0, 10.25, 0.0))
    assert (cut.started_by, exact.started_by, none.started_by) == (11.0, 10.25, 0.0)
    assert not cut.began_before(10.9)
    assert cut.began_before(11.2)
    assert exact.began_before(10.5)
    assert not none.began_before(99.0)
    assert exact.began_after(10.0)
    assert not exact.began_after(10.5)
    assert not cut.began_after(10.0)
    assert not none.began_after(0.0)


@pytest.mark.parametrize(
    ("given", "started", "newest"),
    [
        ({"startedAt": 5}, 5, 5),
        ({"startedAt": 5, "stoppedAt": 7}, 5, 7),
        ({"stoppedAt": 7}, 0, 7),
        ({"startedAt": 8, "stoppedAt": 7}, 8, 8),
        ({}, 0, 0),
    ],
)
def test_the_times_of_a_row(given: dict[str, int], started: int, newest: int) -> None:
    """That EVS has looked at the VM since makes no new row of it."""

    def moment(second: int) -> datetime:
        return datetime(2026, 11, 23, 10, 0, second, tzinfo=UTC)

    def epoch(second: int) -> float:
        return moment(second).timestamp() if second else 0.0

    for synced in ({}, {"lastSyncedAt": moment(59)}):
        times = {name: moment(second) for name, second in given.items()}
        (row,) = rows_of({"entitlements": [{"vmId": "vm-1", "status": "CREATED", **times, **synced}]})
        assert (row.started, row.newest) == (epoch(started), epoch(newest))
