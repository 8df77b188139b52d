"""Calls to the EVS API, each with its answer as it came: status, headers and bytes, before botocore makes them nice.

Owns the form of an answer. Retries what was throttled and nothing else: a call that got no answer may take effect.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from acceptance.errors import AcceptanceError

TYPE = "WINDOWS_SERVER"
#: Attempts of a call that is throttled, and seconds between them.
_ATTEMPTS, _PAUSE = 8, 3.0
_THROTTLED = frozenset({"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded"})
_TIME = re.compile(r'"(?:startedAt|stoppedAt|lastSyncedAt)"\s*:\s*("[^"]*"|[0-9.eE+-]+)')


@dataclass(frozen=True)
class Answer:
    """One answer of EVS.

    Attributes:
        operation: of the API.
        members: of the request.
        status: HTTP status; 0 where no answer came.
        code: the error's code as an SDK knows it; empty where the call was taken.
        header: the header x-amzn-ErrorType.
        body: as JSON; empty where it is none.
        text: the body as it came.
        began: when it was asked, in seconds since 1970.
        seconds: how long it took.
        skew: how far the service's clock is ahead, in whole seconds; None where the answer has no date.
    """

    operation: str
    members: dict[str, Any]
    status: int
    code: str
    header: str
    body: dict[str, Any]
    text: str
    began: float
    seconds: float
    skew: float | None = None

    @property
    def is_taken(self) -> bool:
        """Whether the call was taken."""
        return 200 <= self.status < 300

    @property
    def is_refused(self) -> bool:
        """Whether nothing was done for certain: the service says that the caller is wrong."""
        return 400 <= self.status < 500

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of entitlements, as JSON."""
        return [row for row in self.body.get("entitlements") or () if isinstance(row, dict)]

    @property
    def times(self) -> list[str]:
        """Every time of an entitlement as it came: a number, or a string in quotes."""
        return _TIME.findall(self.text)

    @property
    def words(self) -> str:
        """The answer in one line."""
        if self.is_taken:
            found = ", ".join(f"{row.get('vmId')} {row.get('status')}" for row in self.rows)
            return f"HTTP 200, {found or 'no row'}"
        members = {name: self.body[name] for name in ("resourceId", "resourceType", "reason") if name in self.body}
        fields = [str(entry.get("name")) for entry in self.body.get("fieldList") or () if isinstance(entry, dict)]
        more = "".join(f", {name} {value}" for name, value in members.items())
        more += f", fieldList {', '.join(fields)}" if fields else ""
        return f"HTTP {self.status} {self.code}{more}: {self.body.get('message', '')}".rstrip(": ")


@dataclass
class _Raw:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""


class EvsCalls:
    """The EVS API in one region.

    Args:
        profile: whose credentials are used; None for the shell's.

    Raises:
        AcceptanceError: botocore does not know the API's entitlements.
    """

    def __init__(self, region: str, profile: str | None) -> None:
        retries = {"total_max_attempts": 1, "mode": "standard"}
        config = Config(retries=retries, connect_timeout=10, read_timeout=60, parameter_validation=False)
        self._client = boto3.Session(profile_name=profile, region_name=region).client("evs", config=config)
        if not hasattr(self._client, "list_vm_entitlements"):
            raise AcceptanceError("the installed botocore does not know entitlements of EVS: expected 1.42.92 or newer")
        self._raw = _Raw()
        self._client.meta.events.register("after-call.evs", self._keep)

    def unmodelled(self, answer: Answer) -> set[str]:
        """Return the members of an answer that botocore's model does not have, each with where it stands."""
        model = self._client.meta.service_model
        if not answer.is_taken:
            known = {"__type", "message", "Message"}
            if answer.code in model.shape_names:
                known |= set(model.shape_for(answer.code).members)
            return {f"{answer.code}.{name}" for name in answer.body if name not in known}
        known = set(model.operation_model(answer.operation).output_shape.members)
        found = {f"{answer.operation}.{name}" for name in answer.body if name not in known}
        of_row = set(model.shape_for("VmEntitlement").members)
        return found | {f"VmEntitlement.{name}" for row in answer.rows for name in row if name not in of_row}

    def ask(self, operation: str, **members: Any) -> Answer:
        """Make a call and return its answer, whatever it is."""
        for attempt in range(_ATTEMPTS):
            answer = self._once(operation, members)
            if answer.code not in _THROTTLED or attempt == _ATTEMPTS - 1:
                break
            time.sleep(_PAUSE)
        return answer

    def pages(self, environment_id: str, connector_id: str, size: int = 100) -> Iterator[Answer]:
        """Yield the pages of the list of entitlements at a connector.

        Raises:
            AcceptanceError: a page was refused, or not answered.
        """
        more: dict[str, Any] = {}
        while True:
            answer = self.ask(
                "ListVmEntitlements",
                environmentId=environment_id,
                connectorId=connector_id,
                entitlementType=TYPE,
                maxResults=size,
                **more,
            )
            if not answer.is_taken:
                raise AcceptanceError(f"EVS does not list the entitlements of {connector_id}: {answer.words}")
            yield answer
            token = answer.body.get("nextToken")
            if not token:
                return
            more = {"nextToken": token}

    def _once(self, operation: str, members: dict[str, Any]) -> Answer:
        self._raw = _Raw()
        began, clock, lost = time.time(), time.monotonic(), ""
        try:
            getattr(self._client, xform_name(operation))(**members)
        except ClientError:
            pass
        except BotoCoreError as error:
            # Of credentials, too: the caller sees a status of 0, and the name says which it was.
            lost = type(error).__name__
        seconds = time.monotonic() - clock
        raw = self._raw
        body = _json(raw.content)
        header = raw.headers.get("x-amzn-errortype", "")
        is_taken = 200 <= raw.status < 300
        code = "" if is_taken else lost or _code(header) or _code(str(body.get("__type", ""))) or "unknown"
        return Answer(
            operation,
            members,
            raw.status,
            code,
            header,
            body,
            raw.content.decode("utf-8", "replace"),
            began,
            seconds,
            _skew(raw.headers.get("date", ""), began + seconds / 2),
        )

    def _keep(self, http_response: Any, **_: Any) -> None:
        headers = {str(name).lower(): str(value) for name, value in http_response.headers.items()}
        self._raw = _Raw(http_response.status_code, headers, http_response.content)


def _json(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content or b"{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _code(text: str) -> str:
    return text.partition(":")[0].rpartition("#")[2]


def _skew(date: str, now: float) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() + 0.5 - now
    except (ValueError, TypeError):
        return None
