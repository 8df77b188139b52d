"""One request of CloudFormation's, without the URL that answers it. Pure.

The contract is in the CloudFormation user guide, "Custom resource request and response reference".
"""

import calendar
import re
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ..ledger.records import RequestType

_AMZ_DATE = re.compile(r"\d{8}T\d{6}Z")


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        properties: ResourceProperties as they came.
        old_properties: OldResourceProperties of an Update, as they came.
        issued: X-Amz-Date of ResponseURL's signature (``20261123T101500Z``): the order in which CloudFormation issued
            its requests. None where the URL has none, as in the old form of signature.
    """

    type: RequestType
    request_id: str
    stack_id: str
    logical_id: str
    physical_id: str
    properties: dict[str, Any]
    old_properties: dict[str, Any]
    issued: str | None

    @classmethod
    def of(cls, event: dict[str, Any]) -> "Request":
        """Read an event.

        Raises:
            KeyError, ValueError: it is none of CloudFormation's.
        """
        request_type = event["RequestType"]
        if request_type not in ("Create", "Update", "Delete"):
            raise ValueError(f"RequestType: got {request_type!r}, expected Create, Update or Delete")
        return cls(
            type=request_type,
            request_id=event["RequestId"],
            stack_id=event["StackId"],
            logical_id=event["LogicalResourceId"],
            physical_id=event.get("PhysicalResourceId") or "",
            properties=_mapping(event.get("ResourceProperties")),
            old_properties=_mapping(event.get("OldResourceProperties")),
            issued=_issued(event.get("ResponseURL", "")),
        )

    @property
    def place(self) -> str:
        """Region and account of the stack, which the function shares, in words; empty where StackId is no ARN."""
        parts = self.stack_id.split(":")
        return f"region {parts[3]} of account {parts[4]}" if len(parts) > 5 and parts[3] and parts[4] else ""

    def issued_at(self, arrived: float) -> float:
        """Return when CloudFormation issued the request, in epoch seconds: by its own clock, or by arrival."""
        if self.issued is None:
            return arrived
        return min(float(calendar.timegm(time.strptime(self.issued, "%Y%m%dT%H%M%SZ"))), arrived)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _issued(url: str) -> str | None:
    query = {name.lower(): values for name, values in parse_qs(urlsplit(url).query).items()}
    date = query.get("x-amz-date", [""])[0]
    return date if _AMZ_DATE.fullmatch(date) else None
