"""Who calls the local EVS API, and whether IAM lets them.

The form of a request's signature is always checked, as AWS does before the service sees a call. With an `Iam`
the caller's identity and permissions are checked too. No entitlements, no faults.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from local_aws.evs_api.errors import ApiError, access_denied

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential="
    r"(?P<key>[^/]+)/(?P<date>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request,"
    r"\s*SignedHeaders=(?P<headers>[^,]+),\s*Signature=(?P<signature>[0-9a-f]+)"
)
#: How long an answer of IAM is used again, in seconds: tests change policies and look at once.
CACHE_SECONDS = 0.2


@dataclass(frozen=True)
class Signature:
    """What a request's Authorization header says."""

    access_key: str
    session_token: str | None
    region: str


@dataclass(frozen=True)
class Caller:
    """Whom an access key belongs to; the account's root may do everything."""

    arn: str
    policy_source: str | None


class Iam(Protocol):
    """Where callers and their permissions are looked up."""

    def caller(self, signature: Signature) -> Caller | None:
        """Return who signs with this access key and token, or None if nobody does."""

    def decision(self, policy_source: str, action: str, resource_arn: str) -> str:
        """Return IAM's ``allowed``, ``implicitDeny`` or ``explicitDeny``."""


def read_signature(headers: Mapping[str, str], *, now: float, max_skew: float | None) -> Signature:
    """Return who signed a request, after AWS's checks of the signature's form and date.

    Parameters
    ----------
    headers
        The request's headers.
    now
        The service's time in seconds since 1970.
    max_skew
        How many seconds the request's date may be off; None for no check.

    Raises
    ------
    ApiError
        MissingAuthenticationTokenException, IncompleteSignatureException or InvalidSignatureException.
    """
    authorization = headers.get("Authorization", "")
    if not authorization:
        raise ApiError("MissingAuthenticationTokenException", "Missing Authentication Token")
    match = _AUTHORIZATION.fullmatch(authorization)
    if not match:
        raise ApiError("IncompleteSignatureException", "The Authorization header is no AWS signature version 4.")
    if match["service"] != "evs":
        raise ApiError("InvalidSignatureException", "Credential should be scoped to correct service: 'evs'.")
    if max_skew is not None:
        _check_date(headers.get("X-Amz-Date", ""), now, max_skew)
    return Signature(match["key"], headers.get("X-Amz-Security-Token"), match["region"])


def _check_date(given: str, now: float, max_skew: float) -> None:
    try:
        signed = datetime.strptime(given, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise ApiError("IncompleteSignatureException", f"X-Amz-Date is {given!r}, expected 20060102T150405Z.")
    off = now - signed.timestamp()
    if abs(off) > max_skew:
        what = "expired: {} is now earlier than {}" if off > 0 else "not yet current: {} is still later than {}"
        limit = datetime.fromtimestamp(now - max_skew if off > 0 else now + max_skew, UTC)
        text = what.format(given, limit.strftime("%Y%m%dT%H%M%SZ"))
        raise ApiError("InvalidSignatureException", f"Signature {text}")


class AccessControl:
    """Authorizes calls by what an `Iam` says; without one, everybody may do everything."""

    def __init__(self, iam: Iam | None = None) -> None:
        self._iam = iam
        self._lock = threading.Lock()
        self._known: dict[Any, tuple[float, Any]] = {}

    def authorize(self, signature: Signature, action: str, resource_arn: str) -> str | None:
        """Return the caller's ARN, or None where it is not known.

        Raises
        ------
        ApiError
            UnrecognizedClientException or AccessDeniedException.
        """
        if self._iam is None:
            return None
        iam = self._iam
        caller: Caller | None = self._remembered(signature, lambda: iam.caller(signature))
        if caller is None:
            message = "The security token included in the request is invalid."
            raise ApiError("UnrecognizedClientException", message)
        source = caller.policy_source
        if source is None:
            return caller.arn
        question = (source, action, resource_arn)
        decision: str = self._remembered(question, lambda: iam.decision(*question))
        if decision != "allowed":
            why = (
                "with an explicit deny in an identity-based policy"
                if decision == "explicitDeny"
                else f"because no identity-based policy allows the {action} action"
            )
            raise access_denied(caller.arn, action, resource_arn, why)
        return caller.arn

    def _remembered(self, question: Any, ask: Any) -> Any:
        with self._lock:
            until, answer = self._known.get(question, (0.0, None))
            if time.monotonic() < until:
                return answer
        answer = ask()
        with self._lock:
            if len(self._known) > 1000:
                self._known.clear()
            self._known[question] = (time.monotonic() + CACHE_SECONDS, answer)
        return answer
