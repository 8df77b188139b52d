"""botocore, as this function needs it: clients, errors sorted by what they mean, and patience with them.

Owns retries. botocore's own are switched off: a call to EVS may take effect for as long as it is retried, and the
ledger has to know that time. What an error means for the effect of a call is the first thing it is sorted by.
"""

import random
from collections.abc import Callable
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError, ReadTimeoutError
from botocore.parsers import ResponseParserError

from .clients import Clients as Clients
from .clock import Clock
from .errors import Failure

THROTTLING = frozenset(
    {
        "ThrottlingException", "Throttling", "ThrottledException", "RequestThrottled", "RequestLimitExceeded",
        "TooManyRequestsException", "ProvisionedThroughputExceededException", "SlowDown", "LimitExceededException",
        "TransactionInProgressException", "RequestThrottledException", "RequestThrottling",
    }
)  # fmt: skip
#: A new role, or a new policy of it, is not known to all of AWS at once: these may heal by themselves.
DENIED = frozenset(
    {
        "AccessDeniedException", "AccessDenied", "UnauthorizedOperation", "UnrecognizedClientException",
        "InvalidClientTokenId", "NotAuthorized", "AuthFailure",
    }
)  # fmt: skip
#: Nothing was done, and the same call, signed anew, may pass.
SIGN_ANEW = frozenset(
    {"InvalidSignatureException", "RequestExpired", "RequestTimeTooSkewed", "SignatureDoesNotMatch",
     "ExpiredTokenException", "ExpiredToken"}
)  # fmt: skip
#: What botocore raises of an answer that is none of the service's, as of a proxy or a load balancer in between.
GARBAGE = (ResponseParserError, KeyError, AttributeError)
#: For so many seconds a call may still take effect after a 5xx or a broken connection: the far end had it in hand ...
FAULT_LANDS_WITHIN = 10.0
#: ... and after it kept silent for longer than one waits: nobody knows where it is.
SILENT_LANDS_WITHIN = 60.0
#: For how long, in seconds, a call that keeps failing is tried again.
TROUBLE = 300.0
#: Slowest pace of trying again, in seconds.
SLOWEST = 15.0

_T = TypeVar("_T")


class AwsError(Exception):
    """A call that did not succeed."""

    def __init__(self, action: str, code: str, message: str) -> None:
        super().__init__(f"{action}: {code}: {message}" if message else f"{action}: {code}")
        self.action = action
        self.code = code
        self.message = message


class Throttled(AwsError):
    """Nothing was done; `retry_after` seconds were asked for, or None."""

    retry_after: float | None = None


class Unanswered(AwsError):
    """5xx, or the connection broke: it may or may not have been done, or may yet be, `lands_within` seconds."""

    lands_within: float = FAULT_LANDS_WITHIN


class Denied(AwsError):
    """IAM refused; nothing was done."""


class NotFound(AwsError):
    """Something that the call names does not exist; nothing was done. `detail` is the whole error answer."""

    resource_id: str = ""
    detail: dict[str, Any] = {}


class Refused(AwsError):
    """The service does not take this call; nothing was done. `detail` is the whole error answer."""

    detail: dict[str, Any] = {}


def call(method: Callable[..., dict[str, Any]], action: str, **parameters: Any) -> dict[str, Any]:
    """Make one call.

    Parameters
    ----------
    method
        A client's method.
    action
        In IAM's form, such as ``evs:CreateEntitlement``.
    **parameters
        Of the call.

    Raises
    ------
    AwsError
        One of its kinds, by what is known of the call's effect.
    """
    try:
        return method(**parameters)
    except ClientError as error:
        raise _sorted(action, error) from None
    except BotoCoreError as error:
        unanswered = Unanswered(action, type(error).__name__, str(error))
        if isinstance(error, ReadTimeoutError):
            unanswered.lands_within = SILENT_LANDS_WITHIN
        raise unanswered from None
    except GARBAGE as error:
        raise Unanswered(action, "an answer that can't be read", type(error).__name__) from None


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
    if status >= 500 or code in ("InternalServerException", "InternalServerError", "InternalFailure"):
        return Unanswered(action, code, message)
    if code == "ResourceNotFoundException":
        missing = NotFound(action, code, message)
        missing.resource_id = answer.get("resourceId", "")
        missing.detail = answer
        return missing
    refused = Refused(action, code, message)
    refused.detail = answer
    return refused


class Patience:
    """Rides out what may pass by itself, for as long as it is worth it.

    Parameters
    ----------
    denied_until
        Until when (epoch seconds) AccessDenied counts as a policy that is still on its way.
    since
        When the present trouble began, where an earlier invocation was in it already.
    """

    def __init__(self, clock: Clock, denied_until: float, since: float | None = None) -> None:
        self._clock = clock
        self._denied_until = denied_until
        self._tries = 0
        self.since = since
        self.trouble = TROUBLE

    def fine(self) -> None:
        """Note that a call went through."""
        self._tries = 0
        self.since = None

    def endure(self, error: AwsError, until: float) -> None:
        """Wait before another try.

        Raises
        ------
        AwsError
            The same error, once it has lasted too long or the next try would come after `until` (epoch seconds).
        Failure
            AccessDenied that did not heal, naming the action.
        """
        now = self._clock.now()
        if isinstance(error, Denied):
            if now >= self._denied_until:
                raise Failure(f"access denied: {error}") from error
            delay = min(1.0 * 2**self._tries, 5.0)
        elif isinstance(error, (Throttled, Unanswered)):
            self.since = self.since if self.since is not None else now
            if now - self.since > self.trouble:
                raise error
            delay = min(0.2 * 2**self._tries, SLOWEST) * (0.5 + random.random() / 2)
            if isinstance(error, Throttled) and error.retry_after:
                delay = max(delay, float(error.retry_after))
        else:
            raise error
        if now + delay > until:
            raise error
        self._tries = min(self._tries + 1, 10)
        self._clock.pause(delay)

    def through(self, step: Callable[[], _T], until: float) -> _T:
        """Take a step that can be repeated freely, until it succeeds."""
        while True:
            self._clock.room_for_a_call()
            try:
                result = step()
            except AwsError as error:
                self.endure(error, until)
            else:
                self.fine()
                return result
