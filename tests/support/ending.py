"""One invocation of the function that comes to its end, in a room: what it tells Lambda, the ledger and CloudFormation.

Owns what Lambda says to each Invoke.
"""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lambda_handler import invocation
from lambda_handler.aws.calls import Throttled
from lambda_handler.cloudformation.answer import Answer
from lambda_handler.cloudformation.physical_id import set_id
from lambda_handler.cloudformation.request import Request
from lambda_handler.errors import HandOver
from lambda_handler.evs.rows import Rows
from lambda_handler.ledger.records import DeclaredSet, Operation
from lambda_handler.values import VmIds
from testing.events import request_event, response_url

from .room import HERE, START, Room, ids

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
            aws_request_id="r",
            invoked_function_arn="arn",
            log_stream_name="stream",
            get_remaining_time_in_millis=lambda: int((room.ends - room.at) * 1000),
        )
        self.invocation = invocation.Invocation(EVENT, context, self, room.pace)
        self.payloads: list[dict[str, Any]] = []
        #: What becomes of each Invoke: seconds that it takes, and what it raises.
        self.fates: list[tuple[float, Exception | None]] = []
        #: Called once Lambda has been invoked, whatever it says.
        self.invoked: Callable[[], None] = lambda: None
        self.counts_at_invoke: list[int] = []
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
        self.counts_at_invoke.append(self.failed)
        seconds, error = self.fates.pop(0) if self.fates else (0.0, None)
        self.room.pass_time(seconds)
        self.invoked()
        if error:
            raise error

    def put(self, url: str, body: bytes, timeout: float = 10.0) -> int:
        raise AssertionError("answered, though it is handed over")

    # What is done with it.

    @property
    def failed(self) -> int:
        return self.room.table.stored.requests["A"].hand_overs_failed

    def serve(self) -> HandOver:
        """Let the invocation work until its time is used up."""
        with pytest.raises(HandOver) as handed_over:
            self.invocation.serve()
        return handed_over.value

    def hand_over(self, left: float, tries_before: int | None = 0) -> Answer | None:
        """Let the invocation come to its end with so many seconds left."""
        self.room.answers = throttled
        ended = self.serve()
        self.room.ends = self.room.at + left
        self.room.context.tries_before = tries_before
        return self.invocation.hand_over(ended)
