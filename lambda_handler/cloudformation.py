"""CloudFormation's custom-resource protocol: the request's identity, the answer, and crhelper made safe for both.

Owns ResponseURL, the rules of PhysicalResourceId, and crhelper; no other module knows any of them.

The contract (CloudFormation user guide, "Custom resource request and response reference"): the answer is a JSON body
of at most 4,096 bytes, PUT to ResponseURL. An Update that answers another PhysicalResourceId is a replacement:
CloudFormation sends a Delete for the old id, after the whole stack update has succeeded. So an id computed from what
is declared makes a declared set immutable, and leaves the ordering to CloudFormation.
"""

import calendar
import hashlib
import json
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from .clock import Clock
from .errors import HandOver
from .helper import CfnResource
from .log import logger, set_up
from .properties import Connector
from .sending import put
from .text import clipped, natural

#: crhelper makes three clients for a polling that is not used here; this is its own switch for leaving them out.
_SWITCH = "AWS_SAM_LOCAL"
#: Most bytes of an answer.
ANSWER_BYTES = 4096
#: For how long a ResponseURL lasts, in seconds (X-Amz-Expires of those that CloudFormation makes).
URL_LASTS = 7200.0
#: Most characters of a Reason; it shares the answer with the ids.
REASON_LENGTH = 2400
_AMZ_DATE = re.compile(r"\d{8}T\d{6}Z")
_FAILED = re.compile(r"failed-(\d+)-(.+)")


@dataclass(frozen=True)
class Request:
    """One request of CloudFormation's, without the URL that answers it.

    Attributes
    ----------
    issued
        X-Amz-Date of ResponseURL's signature (``20261123T101500Z``): the order in which CloudFormation issued its
        requests. None where the URL has none, as the old form of signature.
    """

    type: str
    request_id: str
    stack_id: str
    logical_id: str
    physical_id: str
    properties: dict[str, Any]
    issued: str | None

    @classmethod
    def of(cls, event: dict[str, Any]) -> "Request":
        """Read an event."""
        properties = event.get("ResourceProperties")
        return cls(
            type=event["RequestType"],
            request_id=event["RequestId"],
            stack_id=event["StackId"],
            logical_id=event["LogicalResourceId"],
            physical_id=event.get("PhysicalResourceId") or "",
            properties=properties if isinstance(properties, dict) else {},
            issued=_issued(event.get("ResponseURL", "")),
        )

    def issued_at(self, arrived: float) -> float:
        """Return when CloudFormation issued the request, in epoch seconds: by its own clock, or by arrival."""
        if self.issued is None:
            return arrived
        return min(float(calendar.timegm(time.strptime(self.issued, "%Y%m%dT%H%M%SZ"))), arrived)


def _issued(url: str) -> str | None:
    query = {name.lower(): values for name, values in parse_qs(urlsplit(url).query).items()}
    date = query.get("x-amz-date", [""])[0]
    return date if _AMZ_DATE.fullmatch(date) else None


@dataclass(frozen=True)
class Answer:
    """What CloudFormation is told."""

    status: str
    physical_id: str
    reason: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "reason", clipped(self.reason, REASON_LENGTH))

    def stored(self) -> dict[str, str]:
        """Return the form in which the ledger keeps it."""
        return {"status": self.status, "physical_id": self.physical_id, "reason": self.reason}


# --- PhysicalResourceId --------------------------------------------------------------------------------------------


def set_id(logical_id: str, connector: Connector, vm_ids: frozenset[str]) -> str:
    """Return the PhysicalResourceId of a declared set: the same set, the same id."""
    text = json.dumps([logical_id, str(connector), sorted(vm_ids, key=natural)])
    return f"{connector}/{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def is_set_id(physical_id: str) -> bool:
    """Tell whether an id has the form of `set_id`."""
    return re.fullmatch(r"env-\w{10}/cnctr-\w{10}/[0-9a-f]{32}", physical_id) is not None


def failed_id(sequence: int, request_id: str) -> str:
    """Return the id of a Create that failed: no set ever has it."""
    return f"failed-{sequence}-{request_id}"


def failed_request(physical_id: str) -> tuple[int, str] | None:
    """Return sequence and request id of the failed Create whose id this is, or None."""
    match = _FAILED.fullmatch(physical_id)
    return (int(match[1]), match[2]) if match else None


# --- the answer ----------------------------------------------------------------------------------------------------


def body_of(answer: dict[str, Any]) -> bytes:
    """Write an answer in at most 4,096 bytes, by shortening its Reason."""
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


class Resource(CfnResource):
    """crhelper's entry point without what loses or doubles answers.

    Out of the picture: its three clients and EventBridge polling (waiting happens in the function), its timer thread
    (which answers FAILED with an empty id, and lets the handler answer again), its random ids, its sleep of 120 s
    before a Delete is answered (the role can't create log groups, so none comes back), its sender (any HTTP status
    counted as sent) and its Reason of 240 characters.

    Parameters
    ----------
    serve
        Event, context -> the answer, or None where there is to be none.
    clock_of
        Context -> the invocation's clock.
    hand_over
        Event, context, clock, epoch seconds or None: starts a fresh invocation that goes on with the request then.
        Where that is not to be, it returns the answer to give instead.
    is_overtaken
        Tells, before each attempt to send it, whether a newer request has come since: then there is to be none.
    """

    def __init__(
        self,
        serve: Callable[[dict[str, Any], Any], Answer | None],
        clock_of: Callable[[Any], Clock],
        hand_over: Callable[[dict[str, Any], Any, Clock, float | None], Answer | None],
        is_overtaken: Callable[[], bool],
    ) -> None:
        self._event: dict[str, Any] = {}
        self._context: Any = None
        self._response_url = ""
        before = os.environ.get(_SWITCH)
        os.environ[_SWITCH] = "true"
        try:
            super().__init__(json_logging=True, log_level="INFO", boto_level="ERROR", sleep_on_delete=0)
        finally:
            if before is None:
                del os.environ[_SWITCH]
            else:
                os.environ[_SWITCH] = before
        self._serve = serve
        self._clock_of = clock_of
        self._hand_over = hand_over
        self._is_overtaken = is_overtaken
        self._answer: Answer | None = None
        self._sent = False
        for declare in (self.create, self.update, self.delete):
            declare(serve)  # type: ignore[arg-type]  # _wrap_function takes the answer itself

    def __call__(self, event: dict[str, Any], context: Any) -> None:
        """Serve one event. Raises only where Lambda's asynchronous retry is what is wanted."""
        self._sent, self._answer = False, None
        try:
            super().__call__(event, context)
        except HandOver as more:
            logger.info("going on in a fresh invocation: %s", more)
            self._answer = self._hand_over(event, context, self._clock_of(context), more.resume_at)
            self._cfn_response(event)

    def _log_setup(self, event: dict[str, Any], context: Any) -> None:
        set_up(event, getattr(context, "aws_request_id", ""))

    def _set_timeout(self) -> None:
        """No timer: the clock hands over before the function's time is up."""

    def _poll_enabled(self) -> bool:
        return False

    def _setup_polling(self) -> None:
        raise NotImplementedError("waiting happens in the function")

    def _remove_polling(self) -> None:
        raise NotImplementedError("waiting happens in the function")

    def generate_physical_id(self, event: dict[str, Any]) -> str:
        """Never random: a failed Create has an id of its own, all else a computed one."""
        return event.get("PhysicalResourceId") or failed_id(0, event["RequestId"])

    def _wrap_function(self, func: Callable[[dict[str, Any], Any], Answer | None]) -> None:
        try:
            self._answer = func(self._event, self._context)
        except Exception as error:  # noqa: BLE001 - every request is answered, whatever raises
            logger.exception("unexpected error")
            self._answer = Answer(
                "FAILED",
                self.generate_physical_id(self._event),
                f"unexpected error: {type(error).__name__}: {error}",
            )

    def _cfn_response(self, _event: dict[str, Any]) -> None:
        if self._answer is not None:
            self._send()

    def _send(self, status: str | None = None, reason: str = "", *_: Any) -> None:
        """Send the answer once; crhelper comes here too when it fails before the request is served."""
        if self._sent:
            return
        answer = self._answer or Answer(status or "FAILED", self.generate_physical_id(self._event), reason)
        body = body_of(
            {
                "Status": answer.status,
                "PhysicalResourceId": answer.physical_id,
                "StackId": self.StackId,
                "RequestId": self.RequestId,
                "LogicalResourceId": self.LogicalResourceId,
                "Reason": answer.reason,
            }
        )
        logger.log(
            20 if answer.status == "SUCCESS" else 40,
            "answering %s, PhysicalResourceId %s%s",
            answer.status, answer.physical_id, f": {answer.reason}" if answer.reason else "",
        )  # fmt: skip
        clock = self._clock_of(self._context)
        put(self._response_url, body, clock, self._give_up_at, self._is_overtaken)
        self._sent = True

    @property
    def _give_up_at(self) -> float:
        """When nobody can still wait for the answer, in epoch seconds."""
        began = (self._event.get("Continuation") or {}).get("Began") or time.time()
        return float(began) + URL_LASTS
