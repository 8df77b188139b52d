"""What has become of each VM so far, and what a row says of it."""

import pytest

from lambda_handler.evs.rows import Row, Status
from lambda_handler.steps.progress import Progress

ONE = frozenset({"vm-1"})
LAG = 60.0


def row(status: Status, newest: float = 0.0) -> Row:
    return Row("vm-1", status, newest=newest, error_code="VmNotFound", error_message="no such VM")


def progress(**given: object) -> Progress:
    return Progress(**{"rows": {}, "failed": {}, "awaited": {}, **given})  # type: ignore[arg-type]


def statuses(given: Progress) -> list[Status]:
    return [row.status for row in given.rows.values()]


@pytest.mark.parametrize(
    ("status", "adopts", "outstanding", "failed"),
    [
        (Status.CREATING, False, True, False),
        (Status.CREATED, False, False, False),
        (Status.AT_RISK, False, False, False),
        (Status.UNKNOWN, False, True, False),
        (Status.CREATE_FAILED, False, False, True),
        (Status.ENTITLEMENT_REMOVED, False, False, True),
        (Status.ENTITLEMENT_REMOVED, True, False, False),
        (Status.DELETED, False, True, False),
        (None, False, True, False),
    ],
)
def test_what_is_waited_for_and_what_has_failed(
    status: Status | None, adopts: bool, outstanding: bool, failed: bool
) -> None:
    given = progress(rows={"vm-1": row(status)} if status else {}, adopted=ONE if adopts else frozenset())
    given.settle(ONE)
    assert given.outstanding(ONE) == (ONE if outstanding else frozenset())
    assert given.missing(ONE) == failed
    assert given.failed == ({"vm-1": "VmNotFound: no such VM"} if failed else {})


def test_a_row_from_before_the_call_says_nothing_while_the_list_may_lag() -> None:
    former = row(Status.CREATE_FAILED, 5.0)
    given = progress(rows={"vm-1": former})
    given.took(ONE, {}, 100.0, LAG)
    assert given.saw({"vm-1": former}, 110.0) == frozenset()
    assert statuses(given) == [Status.CREATING]
    assert given.saw({"vm-1": row(Status.CREATE_FAILED, 105.0)}, 110.0) == ONE
    assert statuses(given) == [Status.CREATE_FAILED]


def test_a_row_from_before_the_call_is_believed_once_the_list_can_lag_no_more() -> None:
    former = row(Status.CREATE_FAILED, 5.0)
    given = progress(rows={"vm-1": former})
    given.took(ONE, {}, 100.0, LAG)
    assert given.saw({"vm-1": former}, 100.0 + LAG) == ONE


def test_success_needs_every_required_vm_and_no_other() -> None:
    given = progress()
    given.fail({"vm-9": "refused"})
    assert not given.missing(ONE)
    given.leave_untried(ONE)
    assert given.missing(ONE)


@pytest.mark.parametrize("adopts", [False, True])
def test_what_turns_out_to_be_somebody_elses_was_not_made(adopts: bool) -> None:
    given = progress()
    given.may_have_made(ONE)
    given.found_somebody_elses(ONE, 100.0 + LAG, adopt=adopts)
    assert (given.made, given.adopted) == (frozenset(), ONE if adopts else frozenset())
    if adopts:
        # The list may not show it yet: it is not called for again.
        assert not given.overdue(ONE, 100.0 + LAG - 1.0)
    assert given.missing(ONE) == (not adopts)


def test_what_is_not_listed_is_called_for_again_when_it_should_have_shown() -> None:
    given = progress(awaited={"vm-2": 50.0})
    given.took(ONE, {}, 100.0, LAG)
    both = ONE | {"vm-2"}
    assert given.overdue(both, 49.0) == frozenset()
    assert given.overdue(both, 100.0) == {"vm-2"}
    assert given.overdue(both, 160.0) == both


def test_what_evs_answered_is_to_be_seen_on_the_list_too() -> None:
    given = progress()
    given.took(ONE, {"vm-1": row(Status.CREATED)}, 100.0, LAG)
    assert given.outstanding(ONE) == frozenset()
    assert given.unlisted(ONE) == ONE
    given.saw({"vm-1": row(Status.CREATED)}, 101.0)
    assert given.unlisted(ONE) == frozenset()


def test_what_evs_has_taken_twice_is_not_called_for_a_third_time() -> None:
    taken: dict[str, int] = {}
    progress(times_taken=taken).took(ONE, {}, 100.0, LAG)
    # In the next invocation.
    given = progress(times_taken=taken)
    assert (given.made, given.taken_twice(ONE)) == (ONE, frozenset())
    given.may_have_made(ONE)
    assert given.taken_twice(ONE) == frozenset()
    given.took(ONE, {}, 200.0, LAG)
    assert given.taken_twice(ONE | {"vm-2"}) == ONE
