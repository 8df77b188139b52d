"""Rows of ListVmEntitlements: what a status means, which row of a VM counts, and when an entitlement began."""

from datetime import UTC, datetime

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


def test_the_times_of_a_row() -> None:
    def moment(second: int) -> datetime:
        return datetime(2026, 11, 23, 10, 0, second, tzinfo=UTC)

    given = {"vmId": "vm-1", "status": "CREATED", "lastSyncedAt": moment(9), "startedAt": moment(5)}
    (row,) = rows_of({"entitlements": [given]})
    assert row.started == moment(5).timestamp()
    (unstarted,) = rows_of({"entitlements": [{"vmId": "vm-1", "status": "CREATED", "lastSyncedAt": moment(9)}]})
    assert (unstarted.started, unstarted.newest) == (0.0, moment(9).timestamp())
