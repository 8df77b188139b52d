"""One call to AWS, and its error sorted by what is known of the call's effect.

botocore's own retries are switched off: a call to EVS may take effect for as long as it is retried, and the ledger has
to know that time. So what an error means for the effect of a call is the first thing it is sorted by.
"""

import re
from collections.abc import Callable
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
)
from botocore.parsers import ResponseParserError

THROTTLING = frozenset(
    [
        "ThrottlingException",
        # Lambda's, while the function is being updated.
        "ResourceConflictException",
        "Throttling",
        "ThrottledException",
        "RequestThrottled",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "ProvisionedThroughputExceededException",
        "SlowDown",
        "LimitExceededException",
        "TransactionInProgressException",
        "RequestThrottledException",
        "RequestThrottling",
    ]
)
#: A new role, or a new policy of it, is not known to all of AWS at once: these may heal by themselves.
DENIED = frozenset(
    [
        "AccessDeniedException",
        "AccessDenied",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "NotAuthorized",
        "AuthFailure",
    ]
)
#: Nothing was done, and the same call, signed anew, may pass.
SIGN_ANEW = frozenset(
    [
        "InvalidSignatureException",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "ExpiredTokenException",
        "ExpiredToken",
    ]
)
#: The service itself says that it failed.
FAULTS = frozenset({"InternalServerException", "InternalServerError", "InternalFailure"})
#: Not all of the call came in time, or its answer did not: what became of it is open.
TIMED_OUT = frozenset({"RequestTimeout", "RequestTimeoutException"})
#: No connection was made, so the call never left.
NEVER_LEFT = (ConnectTimeoutError, EndpointConnectionError, ProxyConnectionError)
#: What botocore raises of an answer that is none of the service's, as of a proxy or a load balancer in between.
UNREADABLE = (ResponseParserError, KeyError, AttributeError)


class AwsError(Exception):
    """A call that did not succeed."""

    def __init__(self, action: str, code: str, message: str) -> None:
        super().__init__(f"{action}: {code}: {message}" if message else f"{action}: {code}")
        self.action = action
        self.code = code
        self.message = message


class Throttled(AwsError):
    """Nothing was done, and the same call may pass later; `retry_after` seconds were asked for, or None."""

    retry_after: float | None = None


class Unanswered(AwsError):
    """5xx or 408, or the connection broke: it may or may not have been done, or may yet be.

    Attributes:
        is_fault: the service itself answered that it failed; nothing on the way is in doubt.
    """

    is_fault: bool = False


class Denied(AwsError):
    """IAM refused; nothing was done."""


class NotFound(AwsError):
    """Something that the call names does not exist; nothing was done. `detail` is the whole error answer."""

    resource_id: str = ""
    detail: dict[str, Any] = {}


class Refused(AwsError):
    """The service does not take this call; nothing was done. `detail` is the whole error answer."""

    detail: dict[str, Any] = {}


class TokenRefused(Refused):
    """A page token is not taken, in whatever words: it has aged, and the list has to be read anew."""


def call(method: Callable[..., dict[str, Any]], action: str, **parameters: Any) -> dict[str, Any]:
    """Make one call.

    Args:
        method: a client's method.
        action: in IAM's form, such as ``evs:CreateEntitlement``.
        **parameters: of the call.

    Raises:
        AwsError: one of its kinds, by what is known of the call's effect.
    """
    try:
        return method(**parameters)
    except ClientError as error:
        raise _sorted(action, error) from None
    except NEVER_LEFT as error:
        raise Throttled(action, type(error).__name__, _without_password(error)) from None
    except BotoCoreError as error:
        raise Unanswered(action, type(error).__name__, _without_password(error)) from None
    except UNREADABLE as error:
        raise Unanswered(action, "an answer that can't be read", type(error).__name__) from None


def _without_password(error: Exception) -> str:
    """Return an error's text. That of a proxy's address which can't be read holds the whole address."""
    return re.sub(r"//[^@\s]*@", "//", str(error))


def _sorted(action: str, error: ClientError) -> AwsError:
    answer: dict[str, Any] = error.response
    code = answer.get("Error", {}).get("Code", "Unknown")
    message = answer.get("Error", {}).get("Message", "")
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in THROTTLING or status == 429 or code in SIGN_ANEW:
        throttled = Throttled(action, code, message)
        throttled.retry_after = answer.get("retryAfterSeconds")
        return throttled
    if code in DENIED:
        return Denied(action, code, message)
    if status >= 500 or status == 408 or code in FAULTS or code in TIMED_OUT:
        unanswered = Unanswered(action, code, message)
        unanswered.is_fault = code in FAULTS
        return unanswered
    if code == "ResourceNotFoundException":
        missing = NotFound(action, code, message)
        missing.resource_id = answer.get("resourceId", "")
        missing.detail = answer
        return missing
    refused = Refused(action, code, message)
    refused.detail = answer
    return refused
