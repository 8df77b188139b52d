"""One call to the local EVS API from its first byte to its answer: checks, faults, work, log.

The order is AWS's: the operation, the signature, the caller's permissions, the request's form, then the
service's own rules. No HTTP server here, so that a call can also be made without one.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local_aws.evs_api import access, model
from local_aws.evs_api.access import AccessControl, Iam
from local_aws.evs_api.calls import Call, CallLog
from local_aws.evs_api.errors import ApiError, access_denied, throttled
from local_aws.evs_api.faults import FaultRule, Faults
from local_aws.evs_api.operations import OPERATIONS
from local_aws.evs_api.world import World


@dataclass(frozen=True)
class Answer:
    """What goes back: a body and HTTP status, or nothing at all when the connection is to be closed."""

    status: int
    body: bytes
    error: str | None = None
    closed: bool = False


class _ClosedError(Exception):
    """The connection is to be closed without an answer."""


class Service:
    """Serves calls on a world.

    Parameters
    ----------
    world
        The state.
    iam
        Where permissions are looked up; None lets everybody do everything.
    seed
        For fault rules with a probability.
    """

    def __init__(self, world: World, iam: Iam | None = None, *, seed: int = 0) -> None:
        self.world = world
        self.calls = CallLog(world.now)
        self.faults = Faults(seed)
        self._world_number = 0
        self._access = AccessControl(iam)

    def reset(self) -> None:
        """Return to the beginning: world, faults and log. Calls that were held up do nothing to the new world."""
        self._world_number += 1
        self.faults.clear(seed=0)
        self.world.reset()
        self.calls.clear()

    def handle(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Carry out one request of the AWS JSON protocol."""
        target = headers.get("X-Amz-Target", "")
        call = self.calls.begin(target.rpartition(".")[2])
        # The log wants what was asked even where the request is then refused as malformed.
        with contextlib.suppress(ValueError):
            given = json.loads(body or b"{}")
            call.members = given if isinstance(given, dict) else {}
        try:
            answer = Answer(200, self._serve(call, target, headers, body))
        except ApiError as error:
            answer = Answer(error.status, model.shape_error(error), error.code)
        except _ClosedError as closed:
            answer = Answer(0, b"", str(closed), closed=True)
        except Exception as error:  # noqa: BLE001 - whatever breaks here is an answer of 500, as on AWS
            failure = ApiError("InternalServerException", f"local EVS API: {error!r}", status=500)
            answer = Answer(500, model.shape_error(failure), failure.code)
        self.calls.end(call, answer.error or "ok")
        return answer

    def _serve(self, call: Call, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
        operation = model.parse_target(target)
        settings = self.world.settings
        skew = settings.max_clock_skew if settings.check_clock_skew else None
        signature = access.read_signature(headers, now=self.world.now(), max_skew=skew)
        action, resource = f"evs:{operation}", self._resource(call.members)
        call.principal = self._access.authorize(signature, action, resource)
        members = model.parse_request(operation, body)
        world_number = self._world_number
        rules = self.faults.draw(call)
        call.effects = [rule.effect for rule in rules]
        for rule in rules:
            self._before(call, rule, action, resource)
        if world_number != self._world_number:
            raise _ClosedError("closed by a reset")
        try:
            with self.world.locked() as world:
                answer = model.shape_answer(operation, OPERATIONS[operation](world, members))
            call.done = True
        finally:
            for rule in rules:
                self._after(call, rule)
        return answer

    def _resource(self, members: dict[str, Any]) -> str:
        environment_id = members.get("environmentId")
        return self.world.environment_arn(environment_id) if isinstance(environment_id, str) else "*"

    def _before(self, call: Call, rule: FaultRule, action: str, resource: str) -> None:
        if rule.effect == "throttle":
            raise throttled(rule.retry_after_seconds)
        if rule.effect == "error":
            members = {"reason": "other"} if rule.code == "ValidationException" else {}
            raise ApiError(rule.code, rule.message, status=rule.status, **members)
        if rule.effect == "access_denied":
            caller = call.principal or f"arn:aws:iam::{self.world.account}:root"
            raise access_denied(caller, action, resource)
        if rule.effect == "close_before":
            raise _ClosedError("closed before")
        if rule.when == "before":
            self._wait(call, rule)

    def _after(self, call: Call, rule: FaultRule) -> None:
        if rule.effect == "close_after":
            raise _ClosedError("closed after")
        if rule.when == "after":
            self._wait(call, rule)

    def _wait(self, call: Call, rule: FaultRule) -> None:
        if rule.effect == "hang":
            time.sleep(rule.seconds)
        elif rule.effect == "hold":
            self.faults.hold(call, rule)
