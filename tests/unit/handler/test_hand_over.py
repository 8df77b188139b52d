"""The end of an invocation without an answer: what came of its calls is in the ledger for whoever is next."""

from dataclasses import replace

import pytest

from lambda_handler.aws.calls import Refused
from lambda_handler.continuation import KEY, Continuation
from lambda_handler.evs.rows import Rows, Status
from lambda_handler.ledger.records import Operation, RequestRecord
from lambda_handler.steps.unsettled import Ours
from lambda_handler.values import VmIds
from tests.support.ending import World, throttled
from tests.support.room import HERE, START, row


def test_a_call_that_was_not_taken_explains_nothing_to_the_next_invocation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Believed to have been made by it, what somebody else entitles next would be deleted in an undo."""
    world = World(monkeypatch, remaining=60.0)
    room = world.room
    room.answers = throttled
    ended = world.serve()
    assert room.calls
    assert world.invocation.hand_over(ended) is None
    [payload] = world.payloads
    assert payload[KEY]["Number"] == 2
    assert world.calls_at_invoke == [{}]
    assert not Ours(room.table.stored, HERE).has(row(1, started=room.at + 1.0))


def test_what_evs_has_refused_is_told_to_the_next_invocation(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, remaining=60.0)
    room = world.room

    def answer(operation: Operation, vm_ids: VmIds) -> Rows:
        if "vm-1" in vm_ids:
            raise Refused(f"evs:{operation}", "ValidationException", "vm-1 runs no Windows Server")
        return {}

    room.answers = answer
    room.listed = lambda _: [row(2, Status.CREATING, started=START + 0.5)] if len(room.calls) > 1 else []
    ended = world.serve()
    world.invocation.hand_over(ended)
    [payload] = world.payloads
    assert Continuation.of(payload, START, START).carried.failed == {
        "vm-1": "ValidationException: vm-1 runs no Windows Server"
    }


def test_nor_does_it_to_the_newer_request_that_has_overtaken_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, remaining=900.0)
    room = world.room

    def overtaken(operation: Operation, vm_ids: VmIds) -> Rows:
        newer = RequestRecord("Update", "s", "A", "", None, 2, START + 3570.0, arrived=room.at)
        room.table.stored = replace(room.table.stored, requests={"A": newer})
        return throttled(operation, vm_ids)

    room.answers = overtaken
    assert world.invocation.serve() is None
    assert room.calls
    assert room.table.stored.calls == {}
    assert not Ours(room.table.stored, HERE).has(row(1, started=room.at + 1.0))
