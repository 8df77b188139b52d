"""What CloudFormation is told: the answer, its limit of 4,096 bytes, and its way there.

Owns the PUT's retries; knows nothing of how an answer comes about. The status is checked, 5xx and broken connections
are tried again, a 4xx ends it. crhelper's own sender takes any HTTP status for success, and tries again without end.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from ..clock import Clock
from ..log import logger
from ..text import clipped

#: Most bytes of an answer (CloudFormation user guide).
ANSWER_BYTES = 4096
#: Most characters of a Reason; it shares the answer with the ids.
REASON_LENGTH = 2400
#: How long the PUT of an answer may take to connect, and to be answered, in seconds.
PUT_TIMEOUT = 10.0

AnswerStatus = Literal["SUCCESS", "FAILED"]


@dataclass(frozen=True)
class Answer:
    """What CloudFormation is told.

    Attributes:
        data: what ``Fn::GetAtt`` returns, by attribute.
    """

    status: AnswerStatus
    physical_id: str
    reason: str = ""
    data: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", clipped(self.reason, REASON_LENGTH))

    def stored(self) -> dict[str, object]:
        """Return the form in which the ledger keeps it."""
        return {"status": self.status, "physicalId": self.physical_id, "reason": self.reason, "data": self.data}

    @classmethod
    def of_stored(cls, stored: dict[str, object]) -> "Answer":
        """Read what `stored` wrote."""
        return cls(
            cast(AnswerStatus, stored["status"]),
            str(stored["physicalId"]),
            str(stored["reason"]),
            cast(dict[str, str], stored.get("data") or {}),
        )

    def body(self, stack_id: str, request_id: str, logical_id: str) -> bytes:
        """Return the answer to a request in at most 4,096 bytes. Its Reason is shortened where it has to be."""
        answer: dict[str, Any] = {
            "Status": self.status,
            "PhysicalResourceId": self.physical_id,
            "StackId": stack_id,
            "RequestId": request_id,
            "LogicalResourceId": logical_id,
            "Reason": self.reason,
        }
        if self.data and self.status == "SUCCESS":
            answer["Data"] = self.data
        return _bounded(answer)


def _bounded(answer: dict[str, Any]) -> bytes:
    body = json.dumps(answer).encode()
    while len(body) > ANSWER_BYTES and answer["Reason"]:
        over = len(body) - ANSWER_BYTES
        reason = answer["Reason"]
        # One character may be up to twelve bytes of JSON, so this may take a few turns.
        answer = {**answer, "Reason": clipped(reason, max(len(reason) - max(over // 12, 1) - 3, 0))}
        if len(answer["Reason"]) <= 3:
            answer["Reason"] = ""
        body = json.dumps(answer).encode()
    return body


def send(
    put: Callable[[str, bytes, float], int],
    url: str,
    body: bytes,
    clock: Clock,
    give_up_at: float,
    is_overtaken: Callable[[], bool],
) -> None:
    """PUT an answer; tried again on 5xx and broken connections, given up on 4xx and once a newer request has come.

    Args:
        put: address, body, time-out in seconds -> HTTP status; raises OSError where the connection breaks.
        url: presigned. Never logged.
        give_up_at: when nobody can still wait for the answer, in epoch seconds.
        is_overtaken: asked before each attempt.

    Raises:
        HandOver: this invocation ends before the answer is in; a fresh one may go on.
    """
    delay = 0.5
    while True:
        if is_overtaken():
            logger.warning("no answer: CloudFormation has issued a newer request for this resource")
            return
        try:
            status = put(url, body, min(PUT_TIMEOUT, clock.read_timeout))
        except OSError as error:
            # Not its text: that may carry the address.
            logger.warning("the answer could not be sent (%s); trying again", type(error).__name__)
        else:
            if status < 300:
                logger.info("CloudFormation has the answer")
                return
            if 400 <= status < 500 and status not in (408, 429):
                logger.error("CloudFormation refuses the answer with HTTP %d; it is given up", status)
                return
            logger.warning("the answer met HTTP %d; trying again", status)
        if clock.now() > give_up_at:
            logger.error("the answer is given up: its address has expired")
            return
        clock.pause(delay)
        delay = min(delay * 2, 15.0)
