"""One user's way into AWS: credentials, profile and region as every AWS tool takes them, and calls that are made.

Owns clients and retries. What goes wrong leaves here as an `AwsError` of one line (`failures`). botocore's standard
retries ride out throttling and lost connections, unless the environment or the profile says otherwise.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, DataNotFoundError, UnknownServiceError

from evs_fleet.aws.failures import failure, missing_region, too_old

if TYPE_CHECKING:
    from evs_fleet.context import Context

#: Attempts of a call, the first one included. Enough for some twenty seconds of throttling.
ATTEMPTS = 6
#: Seconds. A region without the service may not answer at all.
CONNECT_TIMEOUT, READ_TIMEOUT = 10, 60
#: Operations that came late into botocore's model of the service.
_LATE = {"evs": "list_vm_entitlements"}


class Session:
    """AWS as one profile and region see it.

    Args:
        profile: name of a profile, or None for what the environment says.
        region: an AWS region, or None for what the environment or the profile says.

    Raises:
        AwsError: there is no such profile, or no region.
    """

    def __init__(self, profile: str | None = None, region: str | None = None) -> None:
        try:
            core = botocore.session.Session(profile=profile)
            # boto3 itself reads AWS_DEFAULT_REGION alone; the AWS CLI and the CDK put AWS_REGION first.
            self._boto3 = boto3.Session(botocore_session=core, region_name=region or os.environ.get("AWS_REGION"))
            found = self._boto3.region_name
            self._config = _config(core.get_scoped_config())
        except BotoCoreError as error:
            raise failure(error, action="", region=region, profile=profile) from error
        if not found:
            raise missing_region()
        self.region: str = found
        self.profile = profile
        self._clients: dict[str, Any] = {}
        self._caller: tuple[str, str] | None = None

    @classmethod
    def of(cls, context: Context) -> Session:
        """Return the session that the global options ask for."""
        return cls(context.profile, context.region)

    def client(self, service: str) -> Any:
        """Return the boto3 client of a service, made at the first call.

        Raises:
            AwsError: the installed botocore doesn't know the service, or the region's name is none.
        """
        if service not in self._clients:
            try:
                made = self._boto3.client(service, config=self._config)
            except (UnknownServiceError, DataNotFoundError) as error:
                raise too_old(service, botocore.__version__) from error
            except (BotoCoreError, ValueError) as error:
                raise failure(error, action=service, region=self.region, profile=self.profile) from error
            if service in _LATE and not hasattr(made, _LATE[service]):
                raise too_old(service, botocore.__version__)
            self._clients[service] = made
        return self._clients[service]

    def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Call one operation, such as `call("sts", "get_caller_identity")`, and return its answer.

        Raises:
            AwsError: it could not be done; the text is one line.
        """
        client = self.client(service)
        try:
            answer: dict[str, Any] = getattr(client, operation)(**parameters)
        except (BotoCoreError, ClientError) as error:
            raise self._failure(error, client, service, operation) from error
        return answer

    def items(self, service: str, operation: str, key: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """Call an operation that answers in pages, and yield the elements of `key` of all pages.

        Raises:
            AwsError: a page could not be read.
        """
        client = self.client(service)
        try:
            for page in client.get_paginator(operation).paginate(**parameters):
                yield from page.get(key) or ()
        except (BotoCoreError, ClientError) as error:
            raise self._failure(error, client, service, operation) from error

    def caller(self) -> tuple[str, str]:
        """Return account id and ARN of whoever these credentials belong to.

        Raises:
            AwsError: there are no credentials, or AWS does not take them.
        """
        if self._caller is None:
            answer = self.call("sts", "get_caller_identity")
            self._caller = str(answer["Account"]), str(answer["Arn"])
        return self._caller

    @property
    def partition(self) -> str:
        """The second part of every ARN of this region: ``aws``, ``aws-us-gov``; ``aws`` for one that nobody knows."""
        try:
            return str(self._boto3.get_partition_for_region(self.region))
        except BotoCoreError:
            return "aws"

    def _failure(self, error: Exception, client: Any, service: str, operation: str) -> Exception:
        name = client.meta.method_to_api_mapping.get(operation, operation)
        regions = self._boto3.get_available_regions(service, self.partition)
        return failure(error, action=f"{service}:{name}", region=self.region, regions=regions, profile=self.profile)


def _config(profile: Mapping[str, Any]) -> Config:
    settings: dict[str, Any] = {"connect_timeout": CONNECT_TIMEOUT, "read_timeout": READ_TIMEOUT}
    names = ("retry_mode", "max_attempts")
    if not any(profile.get(name) or os.environ.get(f"AWS_{name.upper()}") for name in names):
        settings["retries"] = {"mode": "standard", "total_max_attempts": ATTEMPTS}
    return Config(**settings)
