"""What went wrong with AWS, as one line that says what to do.

Owns the sorting of botocore's exceptions and of AWS's error codes, and their words. Calls nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from botocore import exceptions as raised

from evs_fleet.errors import AwsError

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
_INVALID = {
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "InvalidAccessKeyId",
    "AuthFailure",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
}
_DENIED = {
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "AuthorizationError",
    "NotAuthorized",
    "UnauthorizedException",
}
_THROTTLED = {
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestLimitExceeded",
    "TooManyRequestsException",
    "RequestThrottledException",
    "SlowDown",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "BandwidthLimitExceeded",
    "LimitExceededException",
}
_NOT_ENABLED = {"OptInRequired", "SubscriptionRequiredException"}
_LOG_IN = "log in again (`aws sso login`, or however you got them)"
#: botocore's exceptions that mean: a login that was there is no longer valid. By name, since some are new.
_LOGIN_OVER = (
    "SSOTokenLoadError",
    "UnauthorizedSSOTokenError",
    "TokenRetrievalError",
    "SSOError",
    "LoginError",
    "LoginRefreshRequired",
    "LoginTokenLoadError",
    "LoginInsufficientPermissions",
)
_UNREACHED = (
    raised.EndpointConnectionError,
    raised.ConnectTimeoutError,
    raised.ReadTimeoutError,
    raised.ConnectionClosedError,
    raised.ProxyConnectionError,
    raised.HTTPClientError,
)


class AccessDenied(AwsError):
    """IAM does not let the caller do it; the text names the action."""


class NotFound(AwsError):
    """The environment, connector, stack or table is not there."""


class Unreachable(AwsError):
    """Nobody answered at the service's address."""


class CredentialsRefused(AwsError):
    """There are no credentials, or they are no longer, or never were, valid."""


def missing_region() -> AwsError:
    """Return the error for: nobody said which region."""
    return AwsError("no AWS region: give --region, set AWS_REGION, or add a region to your profile")


def too_old(service: str, version: str) -> AwsError:
    """Return the error for: the installed botocore has no entitlements."""
    return AwsError(f"botocore {version} does not know all of {service}: install botocore 1.42.92 or newer")


def failure(
    error: Exception, *, action: str, region: str | None, regions: Iterable[str] = (), profile: str | None = None
) -> AwsError:
    """Return an exception of botocore's as one line.

    Args:
        error: what botocore raised.
        action: what was called, such as `evs:ListVmEntitlements`.
        region: the region in which it was called.
        regions: the regions that botocore knows the service in; empty where it knows none.
        profile: the profile that was asked for.
    """
    if isinstance(error, raised.ClientError):
        return _refusal(error, action, region)
    if isinstance(error, _UNREACHED):
        return _unreached(error, action, region, sorted(regions))
    return _of_this_machine(error, action, profile)


def _of_this_machine(error: Exception, action: str, profile: str | None) -> AwsError:
    """Sort what botocore finds wrong before it sends anything."""
    of_profile = f" of profile {profile}" if profile else ""
    if isinstance(error, raised.ProfileNotFound):
        return AwsError(f"{_plain(error)}: `aws configure list-profiles` shows those there are")
    if isinstance(error, raised.NoRegionError):
        return missing_region()
    if isinstance(error, raised.NoCredentialsError):
        return CredentialsRefused(
            "no AWS credentials: log in (`aws sso login`, `aws configure`), set AWS_PROFILE, or give --profile"
        )
    if isinstance(error, raised.PartialCredentialsError):
        return CredentialsRefused(f"AWS credentials{of_profile} are incomplete: {_plain(error)}")
    if _is_login_over(error):
        return CredentialsRefused(f"the AWS login{of_profile} is over or was never made: {_LOG_IN}; {_plain(error)}")
    if isinstance(error, raised.CredentialRetrievalError):
        return CredentialsRefused(f"AWS credentials{of_profile} can't be got: {_plain(error)}")
    if isinstance(error, raised.ParamValidationError):
        return AwsError(f"{action}: {_plain(error)}")
    return AwsError(f"{action}: {_plain(error)}" if action else _plain(error))


def _is_login_over(error: Exception) -> bool:
    return any(kind.__name__ in _LOGIN_OVER for kind in type(error).__mro__)


def _unreached(error: Exception, action: str, region: str | None, regions: list[str]) -> AwsError:
    service = action.partition(":")[0]
    if regions and region not in regions:
        known = ", ".join(regions)
        return Unreachable(f"{service} did not answer in {region}, and is not known there: it is in {known}")
    # botocore has no list of EVS's regions; in one without it, its address does not exist.
    why = f"the network, a proxy, or is {service} not in {region}?"
    return Unreachable(f"{action}: AWS was not reached in {region}: {_plain(error)} ({why})")


def _refusal(error: Any, action: str, region: str | None) -> AwsError:
    """Sort what AWS answered."""
    answer = error.response.get("Error", {})
    code, message = str(answer.get("Code", "")), _plain(answer.get("Message") or "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _EXPIRED:
        return CredentialsRefused(f"the AWS credentials have expired: {_LOG_IN}")
    if code in _INVALID:
        if "expired" in message.lower() or "not yet current" in message:
            return CredentialsRefused(f"AWS refuses the time of this request: is this machine's clock right? {message}")
        return CredentialsRefused(f"AWS does not take these credentials: {_LOG_IN}; {code}: {message}")
    if code in _DENIED:
        return AccessDenied(f"access denied: {action} in {region}" + (f": {message}" if message else ""))
    if code in _THROTTLED or status == 429:
        return AwsError(f"{action}: AWS asks for fewer calls ({code}) and went on to: try again in a minute")
    if code in _NOT_ENABLED:
        return AwsError(f"{action}: {region} is not enabled for this account: {code}: {message}")
    return _of_service(error, code, message, action, region, status)


def _of_service(error: Any, code: str, message: str, action: str, region: str | None, status: int) -> AwsError:
    if code == "ResourceNotFoundException" and action.startswith("evs:"):
        kind = str(error.response.get("resourceType") or "resource").lower()
        name = error.response.get("resourceId") or message
        return NotFound(
            f"{kind} {name} was not found in {region} of this account: `evs-entitlements environments` lists all"
        )
    if code.startswith("ResourceNotFound") or code == "NoSuchEntity":
        return NotFound(f"{action}: {code}: {message}")
    if code == "ValidationError" and "does not exist" in message:
        return NotFound(f"{message} (region {region}, and the account of these credentials)")
    if status >= 500:
        return AwsError(f"{action}: AWS failed with {code or status} and went on to: try again later; {message}")
    return AwsError(f"{action}: {code}: {message}")


def _plain(value: object) -> str:
    return " ".join(str(value).split()).rstrip(".:")
