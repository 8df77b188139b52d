"""Errors of AWS, sorted by what is known of the effect of the call."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambda_handler.aws.calls import AwsError, Denied, NotFound, Refused, Throttled, Unanswered, call


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("RequestTimeout", 400, Unanswered),
        ("RequestTimeoutException", 400, Unanswered),
        ("408", 408, Unanswered),
        ("Unknown", 408, Unanswered),
        ("InternalServerException", 500, Unanswered),
        ("InternalFailure", 400, Unanswered),
        ("503", 503, Unanswered),
        ("ThrottlingException", 400, Throttled),
        ("Unknown", 429, Throttled),
        ("RequestExpired", 400, Throttled),
        ("AccessDeniedException", 403, Denied),
        ("ResourceNotFoundException", 404, NotFound),
        ("ValidationException", 400, Refused),
        ("ConflictException", 409, Refused),
    ],
)
def test_what_an_error_says_of_the_effect(code: str, status: int, kind: type[AwsError]) -> None:
    def method(**_: Any) -> dict[str, Any]:
        answer: Any = {"Error": {"Code": code, "Message": "m"}, "ResponseMetadata": {"HTTPStatusCode": status}}
        raise ClientError(answer, "CreateEntitlement")

    with pytest.raises(AwsError) as raised:
        call(method, "evs:CreateEntitlement")
    assert type(raised.value) is kind
    assert (raised.value.code, raised.value.message) == (code, "m")
