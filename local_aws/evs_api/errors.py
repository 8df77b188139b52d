"""What the local EVS API refuses a call with: the error's code, HTTP status and modelled members.

Only the form of refusals lives here. Which call is refused is decided by the modules that raise these.
"""

from __future__ import annotations

from typing import Any

#: The namespace that AWS puts before the code of an error that the service's own model has.
MODELLED = "com.amazonaws.evs"
#: The namespace of errors that AWS's front end answers before the service sees the call.
COMMON = "com.amazon.coral.service"


class ApiError(Exception):
    """A call is refused or fails.

    Parameters
    ----------
    code
        The error's name, such as ``ValidationException``.
    message
        What the caller reads.
    status
        The HTTP status: 400 for the caller's mistakes, 500 and more for the service's own.
    members
        Further members of the error's shape, such as ``resourceId``.
    """

    def __init__(self, code: str, message: str, *, status: int = 400, **members: Any) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = members


def validation(message: str, *fields: tuple[str, str], reason: str = "fieldValidationFailed") -> ApiError:
    """Return a ValidationException; each field is a member's name and what is wrong with it."""
    members: dict[str, Any] = {"reason": reason}
    if fields:
        members["fieldList"] = [{"name": name, "message": text} for name, text in fields]
    return ApiError("ValidationException", message, **members)


def not_found(resource_type: str, resource_id: str) -> ApiError:
    """Return a ResourceNotFoundException for an environment or a connector."""
    message = f"{resource_type} {resource_id} was not found."
    return ApiError("ResourceNotFoundException", message, resourceId=resource_id, resourceType=resource_type)


def throttled(retry_after_seconds: int | None = None) -> ApiError:
    """Return a ThrottlingException, with the wait in whole seconds if one is given."""
    members = {} if retry_after_seconds is None else {"retryAfterSeconds": retry_after_seconds}
    return ApiError("ThrottlingException", "Rate exceeded", **members)


def access_denied(principal_arn: str, action: str, resource_arn: str, why: str = "") -> ApiError:
    """Return IAM's refusal of an action, in the words in which IAM puts it."""
    message = f"User: {principal_arn} is not authorized to perform: {action} on resource: {resource_arn}"
    return ApiError("AccessDeniedException", message + (f" {why}" if why else ""))
