"""Errors in botocore's form, as AWS's services give them."""

from typing import Any

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
