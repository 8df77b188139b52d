"""Errors in botocore's form, as AWS's services give them."""

from typing import Any, NoReturn

from botocore.exceptions import ClientError


def client_error(operation: str, code: str, message: str, status: int = 400, **fields: Any) -> ClientError:
    """Return what botocore raises for an error answer. `fields` are the modeled ones, such as retryAfterSeconds."""
    answer: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status, "RetryAttempts": 0},
        "message": message,
        **fields,
    }
    return ClientError(answer, operation)


class Refusal(Exception):
    """A service refuses a call: code, message, HTTP status and modeled fields."""

    def __init__(self, code: str, message: str, status: int = 400, **fields: Any) -> None:
        super().__init__(message)
        self.code, self.message, self.status, self.fields = code, message, status, fields

    def of(self, operation: str) -> ClientError:
        """Return it as botocore raises it."""
        return client_error(operation, self.code, self.message, self.status, **self.fields)


def not_found(resource_id: str, resource_type: str) -> Refusal:
    """Return EVS's word that something does not exist."""
    what = "VM" if resource_type == "vm" else f"The {resource_type}"
    return Refusal(
        "ResourceNotFoundException",
        f"{what} {resource_id} was not found",
        404,
        resourceId=resource_id,
        resourceType=resource_type,
    )


def refuse(vm_ids: list[str], why: str, how: str) -> NoReturn:
    """Refuse a call for some of its VMs, in one of the ways in which EVS may name them."""
    if how == "fields":
        fields = [{"name": f"vmIds.{vm_id}", "message": f"{vm_id} {why}"} for vm_id in vm_ids]
        raise Refusal("ValidationException", "invalid input", reason="fieldValidationFailed", fieldList=fields)
    if how == "message":
        raise Refusal("ValidationException", f"VM {', '.join(vm_ids)} {why}", reason="other")
    if how == "not found":
        raise not_found(vm_ids[0], "vm")
    raise Refusal("ValidationException", f"one or more VMs can't be processed: {why}", reason="other")
