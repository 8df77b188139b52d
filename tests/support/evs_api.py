"""The local EVS API as a real boto3 client sees it: the clock, the place and the client of the tests of the API."""

import time
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_aws import EvsApi

PLACE = {
    "environmentId": "env-abcde12345",
    "connectorId": "cnctr-abcde12345",
    "entitlementType": "WINDOWS_SERVER",
}


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.time = time.time()

    def __call__(self) -> float:
        return self.time

    def pass_seconds(self, seconds: float) -> None:
        self.time += seconds


def client_of(api: EvsApi, **config: Any) -> Any:
    options = {"retries": {"total_max_attempts": 1}, "proxies": {}, "parameter_validation": False, **config}
    return boto3.client(
        "evs",
        endpoint_url=api.url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(**options),
    )


def statuses(evs: Any) -> dict[str, str]:
    pages = evs.get_paginator("list_vm_entitlements").paginate(**PLACE)
    return {row["vmId"]: row["status"] for page in pages for row in page["entitlements"]}


def refusal(call: Callable[..., Any], **members: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call(**members)
    return dict(caught.value.response)
