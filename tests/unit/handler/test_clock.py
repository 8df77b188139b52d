"""Deadlines, and steps that begin only when the function can finish them."""

from dataclasses import dataclass

import pytest

from lambda_handler.clock import Clock
from lambda_handler.errors import HandOver
from lambda_handler.pace import Pace


@dataclass
class Invocation:
    """Context and time in one."""

    left: float
    aws_request_id: str = "id"
    invoked_function_arn: str = "arn"
    log_stream_name: str = "log"

    def get_remaining_time_in_millis(self) -> int:
        return int(self.left * 1000)

    def now(self) -> float:
        return 1000.0 - self.left

    def sleep(self, seconds: float) -> None:
        self.left -= seconds


@pytest.mark.parametrize("timeout", [30, 60, 600, 3600])
def test_creating_undoing_and_answering_each_have_their_time(timeout: int) -> None:
    pace = Pace()
    last = pace.answer_by(1000.0, timeout)
    assert 1000 + timeout * 0.8 <= last < 1000 + timeout
    assert 1000 + timeout * 0.5 < last - pace.undo_time(timeout) < last


def test_no_step_begins_that_the_function_could_not_finish() -> None:
    invocation = Invocation(30.0)
    clock = Clock(invocation, invocation, Pace())
    clock.require_room_for_a_call()
    clock.pause(10)
    assert invocation.left == 20.0
    invocation.left = 17.9
    with pytest.raises(HandOver):
        clock.require_room_for_a_call()
    with pytest.raises(HandOver):
        clock.pause(1)
    clock.close()
    clock.require_room_for_a_call()
    invocation.left = 4.8
    with pytest.raises(HandOver):
        clock.require_room_for_a_call()


@pytest.mark.parametrize("timeout", [20.0, 30.0, 60.0, 900.0])
def test_a_call_that_hangs_leaves_time_for_an_invoke_that_hangs_and_the_answer(timeout: float) -> None:
    """The ledger is told of the answer in between, which may hang as well."""
    invocation, pace = Invocation(timeout), Pace()
    clock = Clock(invocation, invocation, pace)
    assert clock.has_room_for_a_call()
    with pytest.raises(HandOver):
        clock.pause(timeout)
    clock.sleep(clock.connect_timeout + clock.read_timeout)
    clock.close()
    assert clock.has_room_for_last_calls(2)
    clock.sleep(clock.connect_timeout + clock.read_timeout)
    assert clock.has_room_for_a_call()
    clock.sleep(clock.connect_timeout + clock.read_timeout)
    assert clock.remaining() >= pace.last_answer


def test_the_work_is_closed_once() -> None:
    """A second time would not make calls shorter still."""
    invocation = Invocation(60.0)
    clock = Clock(invocation, invocation, Pace())
    clock.close()
    once = clock.connect_timeout, clock.read_timeout
    clock.close()
    assert (clock.connect_timeout, clock.read_timeout) == once
    assert once[1] < 5


def test_a_pause_that_outlasts_the_invocation_goes_on_in_the_next() -> None:
    invocation = Invocation(40.0)
    clock = Clock(invocation, invocation, Pace())
    with pytest.raises(HandOver) as raised:
        clock.pause(100.0)
    assert raised.value.resume_at == pytest.approx(960.0 + 100.0)
    assert invocation.left >= Pace().hand_over


def test_a_call_that_hangs_leaves_time_for_the_answer() -> None:
    invocation = Invocation(900.0)
    clock = Clock(invocation, invocation, Pace())
    clock.suit(30)
    assert clock.read_timeout < 5
