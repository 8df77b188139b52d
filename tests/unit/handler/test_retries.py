"""Retries: for how long, how often at the least, and when trouble has ended."""

from collections.abc import Callable

import pytest

from lambda_handler.aws.calls import NotFound, Refused, Throttled, Unanswered
from tests.support.room import START, Room

ACTION = "cloudformation:DescribeStacks"


def throttled(room: Room, takes: Callable[[int], float], asked: list[float]) -> Callable[[], None]:
    """Return a call that is throttled each time; each try takes as long as `takes` says of its number."""

    def step() -> None:
        asked.append(room.at)
        room.pass_time(takes(len(asked)))
        raise Throttled(ACTION, "Throttling", "Rate exceeded")

    return step


def test_a_process_that_was_held_up_tries_again_though_the_time_is_up() -> None:
    room, asked = Room(), list[float]()
    with pytest.raises(Throttled):
        room.retries.through(throttled(room, lambda number: 150.0 if number == 1 else 0.1, asked), START + 90, tries=4)
    assert len(asked) == 4


def test_unless_a_least_number_is_given_the_time_decides() -> None:
    room, asked = Room(), list[float]()
    with pytest.raises(Throttled):
        room.retries.through(throttled(room, lambda _: 150.0, asked), START + 90)
    assert len(asked) == 1


def test_a_least_number_does_not_end_tries_early() -> None:
    room, asked = Room(), list[float]()
    with pytest.raises(Throttled):
        room.retries.through(throttled(room, lambda _: 0.1, asked), START + 90, tries=4)
    assert len(asked) > 4
    assert asked[-1] <= START + 90


def test_trouble_that_lasts_too_long_ends_them_whatever_the_number() -> None:
    room, asked = Room(), list[float]()
    room.retries.trouble_since = START - 2 * room.pace.trouble_for
    with pytest.raises(Throttled):
        room.retries.through(throttled(room, lambda _: 0.1, asked), START + 90, tries=4)
    assert len(asked) == 1


def test_a_refusal_ends_trouble() -> None:
    room = Room()
    room.retries.trouble_since = START - 100.0

    def refused() -> None:
        raise Refused(ACTION, "ValidationError", "does not exist")

    with pytest.raises(Refused):
        room.retries.through(refused, START + 90)
    assert room.retries.trouble_since is None


def test_but_never_after_the_time_by_which_the_answer_is_due() -> None:
    room, asked = Room(), list[float]()
    step = throttled(room, lambda _: 15.0, asked)
    with pytest.raises(Throttled):
        room.retries.through(step, START + 10, tries=4, latest=START + 20)
    assert len(asked) == 2


@pytest.mark.parametrize(("answers", "is_believed"), [(1, False), (2, False), (3, False), (99, True)])
def test_a_not_found_is_believed_once_several_answers_have_said_so(answers: int, is_believed: bool) -> None:
    room = Room()
    left = [answers]

    def step() -> str:
        left[0] -= 1
        if left[0] >= 0:
            raise NotFound("dynamodb:GetItem", "ResourceNotFoundException", "no such table")
        return "found"

    if is_believed:
        with pytest.raises(NotFound):
            room.retries.confirmed(step, START + 100)
        assert room.at >= START + room.pace.not_found_for
    else:
        assert room.retries.confirmed(step, START + 100) == "found"


def test_a_not_found_that_there_is_no_time_to_confirm_is_no_answer() -> None:
    def step() -> str:
        raise NotFound("dynamodb:GetItem", "ResourceNotFoundException", "no such table")

    with pytest.raises(Unanswered):
        Room().retries.confirmed(step, START + 1)


def test_two_not_founds_that_are_far_apart_prove_no_more_than_one() -> None:
    room = Room()
    left = [2]

    def step() -> str:
        room.pass_time(20.0)
        left[0] -= 1
        if left[0] >= 0:
            raise NotFound("dynamodb:GetItem", "ResourceNotFoundException", "no such table")
        return "found"

    assert room.retries.confirmed(step, START + 500) == "found"
