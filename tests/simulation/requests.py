"""CloudFormation's requests: their events, their presigned addresses, what became of them.

Owns one request from its issue to its answer, and what excuses it from being answered.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .clock import Signal
from .expectation import Facts

if TYPE_CHECKING:
    from .functions import Invocation
    from .stacks import Stack

TYPE = "Custom::EvsWindowsServerEntitlements"
ANSWER_BYTES = 4096
#: What keeps a request from being answered though nobody has overtaken it.
UNANSWERED = {"not retried", "answer refused", "delivered too late"}
#: How often Lambda delivers twice what belongs to one request. A function that goes on in fresh invocations multiplies
#: them where the ledger, which tells them apart, is out of reach.
MOST_TWICE = 4


class Request:
    """One request.

    Attributes:
        seed: from which everything is drawn that happens to it.
        excuses: what happened that may change, or prevent, the answer.
        overtaken: a newer request for the same logical id was issued before CloudFormation had the answer.
        planned: mishaps that a test has planned for its invocations.
        delivered: when each delivery comes, in seconds after the request, where a test has planned it.
        held_up: for how many seconds Lambda has kept what answered from running.
        is_unheard: CloudFormation has stopped waiting for the answer.
        has_succeeded: an invocation has tried to answer SUCCESS.
        is_untold: the first answer stands in no ledger: the last write before it never arrived.
        is_invoke_unheard: Lambda may have taken a hand-over though no invocation knows of it.
        cut_short: how many invocations have ended while they read the stack's events.
    """

    def __init__(
        self,
        stack: "Stack",
        kind: str,
        logical_id: str,
        physical_id: str | None,
        properties: Mapping[str, Any],
        old: Mapping[str, Any] | None,
        seed: str,
    ) -> None:
        world = self._world = stack.world
        self.stack = stack
        self.type = kind
        self.logical_id = logical_id
        self.physical_id = physical_id
        self.seed = seed
        self.number = len(world.requests) + 1
        self.request_id = f"request-{self.number}"
        self.issued_at = world.clock.now
        self.service_timeout = int(properties.get("ServiceTimeout", 3600))
        self.deadline = self.issued_at + self.service_timeout
        self.properties = {"ServiceToken": stack.function.arn, **properties}
        self.bodies: list[bytes] = []
        self.answered_at = 0.0
        self.answered = Signal(world.clock)
        self.overtaken = False
        self.excuses: set[str] = set()
        self.facts = Facts()
        self.invocations: int = 0
        self.last_change = 0.0
        self.held_up = 0.0
        self.is_unheard = False
        self.has_succeeded = False
        self.is_untold = False
        self.is_invoke_unheard = False
        self.cut_short = 0
        self._twice = 0
        self.is_retried = True
        self.planned: list[tuple[int, str, float] | None] = []
        self.delivered: list[float] | None = None
        self._random = Random(f"{seed}/delivery")
        self.secrets = self._secrets()
        self.event: dict[str, Any] = {
            "RequestType": kind,
            "ResponseURL": self._url(),
            "StackId": stack.id,
            "RequestId": self.request_id,
            "ResourceType": TYPE,
            "LogicalResourceId": logical_id,
            "ResourceProperties": self.properties,
        }
        if physical_id is not None:
            self.event["PhysicalResourceId"] = physical_id
        if old is not None:
            self.event["OldResourceProperties"] = {"ServiceToken": stack.function.arn, **old}

    def __str__(self) -> str:
        return f"{self.type} {self.logical_id} of {self.stack.name} ({self.request_id})"

    def _secrets(self) -> tuple[str, str, str]:
        digest = hashlib.sha256(f"{self.seed}/{self.number}".encode()).hexdigest()
        return digest, f"AKIA{digest[:16].upper()}", f"token{digest[16:40]}"

    def _url(self) -> str:
        signature, key, token = self.secrets
        path = quote(f"{self.stack.id}|{self.logical_id}|{self.request_id}", safe="")
        host = "https://cloudformation-custom-resource-response-useast1.s3.amazonaws.com"
        if not self._world.weather.dated_urls:
            return f"{host}/{path}?AWSAccessKeyId={key}&Expires={int(self.issued_at) + 7200}&Signature={signature}"
        issued = datetime.fromtimestamp(self.issued_at, UTC).strftime("%Y%m%dT%H%M%SZ")
        return (
            f"{host}/{path}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={issued}&X-Amz-SignedHeaders=host"
            f"&X-Amz-Expires=7200&X-Amz-Credential={key}%2F{issued[:8]}%2Fus-east-1%2Fs3%2Faws4_request"
            f"&X-Amz-Security-Token={token}&X-Amz-Signature={signature}"
        )

    # --- delivery -------------------------------------------------------------------------------------------------

    def delays(self) -> list[float]:
        """Return after how many seconds each delivery of one event comes."""
        if self.delivered is not None:
            return self.delivered
        if self._world.is_lost(self):
            self.excuses.add("not retried")
            return []
        weather, random = self._world.weather, self._random
        delays = [weather.delay * random.random() if weather.dated_urls else 0.1]
        if self._world.trouble.is_calm:
            return delays
        if random.random() < weather.late_delivery and weather.dated_urls:
            delays = [random.choice([5.0, 30.0, 120.0]) * random.random()]
        if random.random() < weather.twice and self._twice < MOST_TWICE:
            self._twice += 1
            # A second delivery of the old form of request must not come after a newer one: nobody could tell.
            latest = [0.5, 5.0, 60.0, 600.0] if weather.dated_urls else [0.5]
            delays.append(delays[0] + random.choice(latest) * random.random())
        return delays

    def mishap(self, invocation: "Invocation") -> tuple[int, str, float] | None:
        """Return at which step an invocation is killed or held up, if at all."""
        if self.planned:
            return self.planned.pop(0)
        weather, random = self._world.weather, invocation.random
        if self._world.trouble.is_calm:
            return None
        lot = random.random()
        if lot < weather.killed:
            self.is_retried = self.is_retried and weather.retried
            return random.randint(1, random.choice([6, 20, 60])), "kill", 0.0
        if lot < weather.killed + weather.frozen:
            return random.randint(1, random.choice([6, 20, 60])), "freeze", random.choice([1.0, 8.0, 40.0, 150.0])
        return None

    # --- the answer -----------------------------------------------------------------------------------------------

    @property
    def answer(self) -> dict[str, Any]:
        """The answer that counts."""
        answer: dict[str, Any] = json.loads(self.bodies[0])
        return answer

    @property
    def status(self) -> str:
        return str(self.answer["Status"]) if self.bodies else "none"

    def take_answer(self, body: bytes, held_up: float = 0.0, *, is_untold: bool = False) -> None:
        """Let an answer reach S3.

        Args:
            held_up: for how many seconds Lambda has kept the invocation, and those before it, from running.
            is_untold: what the invocation last wrote to the ledger never arrived.
        """
        world, judge = self._world, self._world.judge
        if self.bodies:
            same = all(json.loads(body)[name] == self.answer[name] for name in ("Status", "PhysicalResourceId"))
            # Invocations that can't reach the ledger don't know of each other: their log streams differ.
            apart = world.is_troubled or self.facts.trouble != world.troubles
            # What was answered without the ledger, or before it was lost, is in no ledger. CloudFormation has read the
            # first answer by then.
            is_blind = "dynamodb" in world.trouble.outages or self.stack.has_lost_ledger or self.stack.table.is_gone
            # Nor do invocations that came to their end before they reached it: one gives up, and another one goes on.
            given_up = "Not undone, left to the next request" in self.answer.get("Reason", "")
            is_unread = "the ledger" in str(json.loads(body).get("Reason")) and (apart or same)
            is_blind = is_blind or is_unread or (given_up and self.invocations > 1)
            # Of one that the ledger could not be told of, a second delivery does not know: see docs/limits.md.
            is_alike = same and (apart or self.is_untold)
            if body != self.bodies[0] and not is_blind and not is_alike:
                judge.violation(f"{self} was answered twice: {self.bodies[0]!r}, then {body!r}")
            return
        self.bodies.append(body)
        self.answered_at = world.clock.now
        self.held_up = held_up
        self.is_untold = is_untold
        if len(body) > ANSWER_BYTES:
            judge.violation(f"the answer of {self} has {len(body)} bytes")
        answer = self.answer
        for name, due in (
            ("StackId", self.stack.id),
            ("RequestId", self.request_id),
            ("LogicalResourceId", self.logical_id),
        ):
            if answer[name] != due:
                judge.violation(f"{self}: {name} {answer[name]} in the answer")
        world.story("answer", str(self), answer["Status"], answer["PhysicalResourceId"], answer.get("Reason", ""))
        judge.answered(self, answer)
        self.answered.set(answer)
