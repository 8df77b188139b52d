"""Errors of single calls, sorted by what is known of their effect, and what their texts never hold."""

from typing import Any

import pytest
from botocore.exceptions import HTTPClientError, ProxyConnectionError

from lambda_handler.aws.calls import AwsError, Throttled, Unanswered, call
from tests.simulation.errors import client_error


def test_a_function_that_is_being_updated_takes_the_same_invoke_later() -> None:
    def invoke() -> Any:
        raise client_error("Invoke", "ResourceConflictException", "The operation cannot be performed at this time", 409)

    with pytest.raises(Throttled):
        call(invoke, "lambda:InvokeFunction")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (HTTPClientError(error="Failed to parse: http://user:p#w@proxy:3128"), Unanswered),
        (ProxyConnectionError(proxy_url="http://user:p#w@proxy:3128"), Throttled),
    ],
)
def test_the_password_of_a_proxy_is_in_no_text(error: Exception, kind: type[AwsError]) -> None:
    def fails() -> Any:
        raise error

    with pytest.raises(kind) as caught:
        call(fails, "evs:ListVmEntitlements")
    assert "p#w" not in str(caught.value)
    assert "proxy:3128" in str(caught.value)
