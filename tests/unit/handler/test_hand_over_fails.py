"""A hand-over while Lambda, or the ledger with it, does not do its part: whom an invocation relies on."""

from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, ConnectTimeoutError, ReadTimeoutError

from lambda_handler.continuation import Continuation
from lambda_handler.errors import LedgerFailure
from lambda_handler.pace import Pace
from tests.support.ending import World, throttled
from tests.support.room import START

SILENT = ReadTimeoutError(endpoint_url="https://lambda.example")
NO_CONNECTION = ConnectTimeoutError(endpoint_url="https://lambda.example")
BROKEN = ConnectionClosedError(endpoint_url="https://lambda.example")


def test_no_invoke_begins_that_leaves_no_time_for_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a function of 60 s, a last call takes up to 5 s; the ledger is told of the answer, which takes as long."""
    world = World(monkeypatch, remaining=60.0)
    world.fates = [(1.0, NO_CONNECTION)] * 20
    answer = world.hand_over(left=14.0, tries_before=2)
    assert answer is not None
    assert answer.status == "FAILED"
    assert "can't go on in a fresh invocation" in answer.reason
    assert len(world.payloads) == 2
    assert world.room.ends - world.room.at > 5.0 + world.room.pace.last_answer
    assert world.room.table.stored.requests["A"].answer is not None


def test_lambdas_retry_is_relied_on_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, remaining=60.0)
    world.fates = [(1.0, NO_CONNECTION)] * 20
    with pytest.raises(RuntimeError, match="Lambda tries this one again"):
        world.hand_over(left=14.0)
    assert world.failed == 1


def test_an_invoke_that_may_outlast_the_invocation_is_counted_before(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, remaining=60.0)
    assert world.hand_over(left=6.9) is None
    assert world.counts_at_invoke == [1]


def test_where_no_retry_comes_the_one_invoke_leaves_time_for_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, remaining=60.0)
    world.fates = [(4.9, SILENT)]
    answer = world.hand_over(left=7.0, tries_before=2)
    assert answer is not None
    assert answer.status == "FAILED"
    assert world.room.ends - world.room.at > world.room.pace.last_answer
    world = World(monkeypatch, remaining=60.0)
    answer = world.hand_over(left=6.0, tries_before=2)
    assert answer is not None
    assert "too little of the function's time was left" in answer.reason
    assert world.payloads == []


@pytest.mark.parametrize(("tries_before", "is_last"), [(0, False), (1, False), (2, True), (None, False)])
def test_lambdas_last_try_is_told_by_the_time(
    monkeypatch: pytest.MonkeyPatch, tries_before: int | None, is_last: bool
) -> None:
    """Those before it were killed, or could not count: the ledger has none."""
    world = World(monkeypatch, remaining=60.0)
    world.fates = [(1.0, NO_CONNECTION)] * 20
    if is_last:
        assert world.hand_over(left=14.0, tries_before=tries_before) is not None
    else:
        with pytest.raises(RuntimeError):
            world.hand_over(left=14.0, tries_before=tries_before)
        assert world.failed == (tries_before or 0) + 1


@pytest.mark.parametrize("tries_before", [0, None])
def test_where_nothing_tells_which_try_it_is_nobody_is_relied_on(
    monkeypatch: pytest.MonkeyPatch, tries_before: int | None
) -> None:
    """The ledger has not seen the request, and its address has no date."""
    world = World(monkeypatch, remaining=60.0)
    world.fates = [(1.0, NO_CONNECTION)] * 20
    world.room.answers = throttled
    ended = world.serve()
    world.room.fence.is_admitted = False
    world.room.ends = world.room.at + 14.0
    world.room.context.tries_before = tries_before
    if tries_before is None:
        answer = world.invocation.hand_over(ended)
        assert answer is not None
        assert answer.status == "FAILED"
    else:
        with pytest.raises(RuntimeError):
            world.invocation.hand_over(ended)


@pytest.mark.parametrize(
    ("late", "tries"), [(0.0, 0), (40.0, 0), (50.0, 1), (61.0, 1), (140.0, 1), (150.0, 2), (9e9, 2)]
)
def test_how_late_an_event_comes_tells_how_often_it_was_tried(late: float, tries: int) -> None:
    """After one minute, then after two more, or a little earlier."""
    assert Pace().tries_before(late) == tries


@pytest.mark.parametrize("is_taken", [True, False])
def test_after_an_invoke_without_an_answer_the_ledger_is_asked_first(
    monkeypatch: pytest.MonkeyPatch, is_taken: bool
) -> None:
    """Another Invoke would start one more invocation, and each of them would do likewise."""
    world = World(monkeypatch, remaining=60.0)
    world.fates = [(0.0, BROKEN)]

    def invoked() -> None:
        if is_taken:
            world.room.table.stored = world.room.table.stored.record("A", invocation="fresh")

    world.invoked = invoked
    assert world.hand_over(left=14.0) is None
    assert len(world.payloads) == (1 if is_taken else 2)
    assert world.failed == 0


def test_after_an_invoke_without_an_answer_nothing_is_begun_where_the_ledger_is_out_of_reach(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch, remaining=60.0)
    world.fates = [(0.0, BROKEN)]

    def failing(until: float) -> Any:
        raise LedgerFailure("out of reach")

    world.invoked = lambda: setattr(world.room.table, "load", failing)
    with pytest.raises(RuntimeError):
        world.hand_over(left=14.0)
    assert len(world.payloads) == 1


def test_who_is_not_the_newest_invocation_of_its_request_begins_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """And tells the ledger what came of its calls all the same."""
    world = World(monkeypatch, remaining=60.0)
    room = world.room
    room.answers = throttled
    ended = world.serve()
    room.table.stored = room.table.stored.record("A", invocation="another")
    assert room.table.stored.calls
    assert world.invocation.hand_over(ended) is None
    assert world.payloads == []
    assert room.table.stored.calls == {}


def test_a_fresh_invocation_is_told_when_its_event_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, remaining=60.0)
    world.hand_over(left=14.0)
    [payload] = world.payloads
    assert Continuation.of(payload, START, START).sent == pytest.approx(world.room.at, abs=1.0)


def test_no_call_to_the_ledger_hangs_for_long_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither that which asks who goes on nor that which tells what came of the calls."""
    world = World(monkeypatch, remaining=60.0)
    room, seen = world.room, []
    load = room.table.load

    def timed(until: float) -> Any:
        seen.append(room.clock.read_timeout)
        return load(until)

    world.room.answers = throttled
    ended = world.serve()
    room.table.load = timed  # type: ignore[method-assign]
    room.table.before_write = lambda: seen.append(room.clock.read_timeout)
    world.invocation.hand_over(ended)
    assert seen
    assert max(seen) < 5
