"""What the events of a stack mean: whether an operation has come to its end, and whether a set is still the stack's."""

from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

import pytest

from lambda_handler.aws.calls import Refused
from lambda_handler.cloudformation.events import (
    SKEW,
    Fate,
    TooManyEvents,
    fate_of,
    has_completed,
    has_settled,
    was_deleted,
)
from lambda_handler.errors import Failure
from lambda_handler.steps.context import Context

STACK, SET = "the stack", "the set"
NOW = 1_000_000.0


def events(*said: tuple[float, str, str]) -> list[dict[str, Any]]:
    """Return events, given oldest first: seconds before now, whose, status."""
    return [
        {
            "Timestamp": datetime.fromtimestamp(NOW - ago, UTC),
            "PhysicalResourceId": whose,
            "ResourceStatus": status,
        }
        for ago, whose, status in reversed(said)
    ]


@pytest.mark.parametrize(
    ("said", "completed", "settled"),
    [
        ([(50, STACK, "UPDATE_COMPLETE")], True, True),
        ([(150, STACK, "UPDATE_COMPLETE")], False, False),
        ([(150, STACK, "UPDATE_COMPLETE"), (50, STACK, "UPDATE_ROLLBACK_COMPLETE")], False, True),
        # The first end decides: what completed later was another operation.
        ([(90, STACK, "UPDATE_ROLLBACK_COMPLETE"), (50, STACK, "UPDATE_COMPLETE")], False, True),
        ([(150, STACK, "A"), (90, STACK, "UPDATE_ROLLBACK_COMPLETE"), (50, STACK, "UPDATE_COMPLETE")], False, True),
        ([(150, STACK, "A"), (90, STACK, "UPDATE_COMPLETE"), (50, STACK, "UPDATE_ROLLBACK_COMPLETE")], True, True),
        ([(150, STACK, "CREATE_COMPLETE"), (50, "another", "UPDATE_COMPLETE")], False, False),
        ([(50, STACK, "UPDATE_IN_PROGRESS")], None, None),
        ([], None, None),
    ],
)
def test_whether_an_operation_has_ended_since_a_moment(
    said: list[tuple[float, str, str]], completed: bool | None, settled: bool | None
) -> None:
    assert has_completed(events(*said), STACK, NOW - 100) is completed
    assert has_settled(events(*said), STACK, NOW - 100) is settled


@pytest.mark.parametrize("status", ["UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"])
def test_where_there_are_too_many_events_any_operation_that_completed_since_decides(status: str) -> None:
    def many() -> Iterator[dict[str, Any]]:
        yield from events((90, STACK, "UPDATE_ROLLBACK_COMPLETE"), (50, STACK, status))
        raise TooManyEvents("100 pages")

    if status == "UPDATE_COMPLETE":
        assert has_completed(many(), STACK, NOW - 100) is True
    else:
        with pytest.raises(TooManyEvents):
            has_completed(many(), STACK, NOW - 100)


CLEAN_UP = (30, STACK, "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
ROLLED_BACK = (30, STACK, "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS")
UPDATE = (90, STACK, "UPDATE_IN_PROGRESS")
TAKEN_ON = (80, SET, "CREATE_COMPLETE")
DELETED, LEFT, SKIPPED = (20, SET, "DELETE_COMPLETE"), (20, SET, "DELETE_FAILED"), (20, SET, "DELETE_SKIPPED")
END = (10, STACK, "UPDATE_COMPLETE")


@pytest.mark.parametrize(
    ("said", "fate"),
    [
        ([UPDATE, END], Fate.UNNAMED),
        ([UPDATE, TAKEN_ON, END], Fate.TAKEN_ON),
        ([UPDATE, TAKEN_ON, CLEAN_UP, SKIPPED, END], Fate.TAKEN_ON),
        # The Delete may have kept what says RETAIN.
        ([UPDATE, TAKEN_ON, CLEAN_UP, DELETED, END], Fate.DELETED),
        ([UPDATE, TAKEN_ON, CLEAN_UP, LEFT, END], Fate.DELETED),
        ([LEFT, END], Fate.DELETED),
        # What a rollback deletes was never to stay.
        ([UPDATE, TAKEN_ON, ROLLED_BACK, DELETED, END], Fate.ROLLED_BACK),
        ([UPDATE, TAKEN_ON, ROLLED_BACK, LEFT, LEFT, LEFT, END], Fate.ROLLED_BACK),
        # It has come back.
        ([UPDATE, DELETED, (15, SET, "CREATE_COMPLETE"), END], Fate.TAKEN_ON),
    ],
)
def test_what_has_become_of_a_set(said: list[tuple[float, str, str]], fate: Fate) -> None:
    assert fate_of(events(*said), STACK, SET, NOW - 100) is fate


def test_events_from_before_the_set_was_declared_do_not_count() -> None:
    before = 100 + SKEW
    said = events((before + 2, SET, "CREATE_COMPLETE"), (before + 1, STACK, "UPDATE_COMPLETE"), END)
    assert fate_of(said, STACK, SET, NOW - 100) is Fate.UNNAMED


@pytest.mark.parametrize(
    ("said", "was"),
    [
        ([UPDATE, TAKEN_ON, CLEAN_UP, DELETED, END], True),
        ([UPDATE, TAKEN_ON, CLEAN_UP, LEFT, END], False),
        # It has come back since; what ended within the skew of clocks before may have been an earlier life.
        ([(20, SET, "DELETE_COMPLETE"), (15, SET, "CREATE_COMPLETE")], True),
        ([(120, SET, "DELETE_COMPLETE"), END], True),
        ([(120, SET, "DELETE_COMPLETE"), (110, SET, "CREATE_COMPLETE"), (99, SET, "DELETE_IN_PROGRESS")], False),
        ([(190, SET, "DELETE_COMPLETE"), END], False),
        ([END], False),
    ],
)
def test_whether_a_delete_has_ended_well(said: list[tuple[float, str, str]], was: bool) -> None:
    assert was_deleted(events(*said), SET, NOW - 100) is was


def test_a_stack_that_cloudformation_does_not_know_has_no_events() -> None:
    """Nothing contradicts then what the request itself says. Any other refusal is no answer."""

    def told(message: str) -> bool:
        error = Refused("cloudformation:DescribeStackEvents", "ValidationError", message)
        stack = SimpleNamespace(own_events=Mock(side_effect=error))
        return Context.told(cast(Any, SimpleNamespace(stack=stack)), was_deleted, SET, NOW)

    assert told("Stack [web] does not exist") is False
    with pytest.raises(Failure):
        told("1 validation error detected")
