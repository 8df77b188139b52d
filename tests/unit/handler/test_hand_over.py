"""The end of an invocation without an answer: what came of its calls is in the ledger for whoever is next."""

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lambda_handler import invocation
from lambda_handler.aws.calls import Refused, Throttled
from lambda_handler.cloudformation.physical_id import set_id
from lambda_handler.cloudformation.request import Request
from lambda_handler.continuation import KEY, Continuation
from lambda_handler.errors import HandOver
from lambda_handler.evs.rows import Rows, Status
from lambda_handler.ledger.records import DeclaredSet, Operation, RequestRecord
from lambda_handler.steps.unsettled import Ours
from lambda_handler.values import VmIds
from testing.events import request_event, response_url
from tests.support.room import HERE, START, Room, ids, row

PROPERTIES = {"EnvironmentId": HERE.environment_id, "ConnectorId": HERE.connector_id, "VmIds": ["vm-1", "vm-2"]}
EVENT = {
    **request_event("Create", response_url("localhost", "token", None), "stack", PROPERTIES, logical_id="A"),
    "RequestId": "r",
}


def throttled(operation: Operation, vm_ids: VmIds) -> Rows:
    raise Throttled(f"evs:{operation}", "ThrottlingException", "slow down")


class World:
    """One invocation of the function, in a room; it ends when its time is used up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, remaining: float) -> None:
        self.room = room = Room("Create", remaining=remaining)
        pending = DeclaredSet("A", HERE, ids(1, 2), "r", 1, START)
        room.keep(room.table.stored.declare(set_id("A", HERE, ids(1, 2)), pending))
        room.context.request = Request.of(EVENT)
        listing = SimpleNamespace(look=room.look, watch=room.watch, not_found=None, partial=None)
        room.context.listing = cast(Any, listing)
        monkeypatch.setattr(invocation, "wired", lambda *_: (room.context, {"change": room.retries}))
        context = SimpleNamespace(
            aws_request_id="r", invoked_function_arn="arn", log_stream_name="stream",
            get_remaining_time_in_millis=lambda: int((room.ends - room.at) * 1000),
        )  # fmt: skip
        self.invocation = invocation.Invocation(EVENT, context, self, room.pace)
        self.payloads: list[dict[str, Any]] = []
        self.calls_at_invoke: list[Any] = []

    # What the invocation sees of the world outside.

    def now(self) -> float:
        return self.room.at

    def sleep(self, seconds: float) -> None:
        self.room.pass_time(seconds)

    def client(self, service: str, connect_timeout: float, read_timeout: float) -> Any:
        assert service == "lambda"
        return SimpleNamespace(invoke=self._invoke)

    def _invoke(self, Payload: bytes, **_: Any) -> None:  # noqa: N803 - as Lambda's API names it
        self.payloads.append(json.loads(Payload))
        self.calls_at_invoke.append(dict(self.room.table.stored.calls))

    def put(self, url: str, body: bytes) -> int:
        raise AssertionError("answered, though it is handed over")


def test_a_call_that_was_not_taken_explains_nothing_to_the_next_invocation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Believed to have been made by it, what somebody else entitles next would be deleted in an undo."""
    world = World(monkeypatch, remaining=60.0)
    room = world.room
    room.answers = throttled
    with pytest.raises(HandOver) as handed_over:
        world.invocation.serve()
    assert room.calls
    assert world.invocation.hand_over(handed_over.value) is None
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
    with pytest.raises(HandOver) as handed_over:
        world.invocation.serve()
    world.invocation.hand_over(handed_over.value)
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
