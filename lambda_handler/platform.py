"""What an invocation needs of the world outside: time, clients of AWS's services, and the PUT of the answer.

`Platform` is the seam at which tests put another world. `LambdaPlatform` is the real one.
"""

import time
from contextlib import suppress
from typing import Any, Protocol

from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, HTTPClientError, SSLError
from botocore.utils import get_environ_proxies

from .aws.clients import Connections, Sessions
from .clock import Clock


class Platform(Protocol):
    """The world outside of one invocation."""

    def now(self) -> float:
        """Return epoch seconds."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        ...

    def client(self, service: str, connect_timeout: float, read_timeout: float) -> Any:
        """Return a client in botocore's form, without retries of its own (time-outs in seconds)."""
        ...

    def put(self, url: str, body: bytes, timeout: float) -> int:
        """PUT a body to a presigned address and return the HTTP status.

        Args:
            timeout: how long it may take to connect, and to be answered, in seconds.

        Raises:
            OSError: the connection could not be made, or broke. Its text does not hold the address.
        """
        ...


class LambdaPlatform:
    """AWS, as a Lambda function reaches it."""

    def __init__(self) -> None:
        self._sessions = Sessions()

    def now(self) -> float:
        """Return epoch seconds."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)

    def client(self, service: str, connect_timeout: float, read_timeout: float) -> Any:
        """Return a client of a service."""
        return self._sessions.make(service, connect_timeout, read_timeout)

    def put(self, url: str, body: bytes, timeout: float) -> int:
        """PUT a body, by way of the proxy that HTTPS_PROXY and NO_PROXY name, as every AWS call goes.

        What the calls trust is trusted here, too: a proxy may read along with a certificate of its own. Where that
        holds only the certificates of a private endpoint, the system's are trusted as ever.
        """
        try:
            if (bundle := self._sessions.bundle()) is not None:
                with suppress(SSLError, FileNotFoundError):
                    return self._put(url, body, timeout, bundle)
            return self._put(url, body, timeout, verify=True)
        except (BotoCoreError, HTTPClientError, OSError, ValueError) as error:
            # Not its text: that carries the address.
            raise OSError(type(error).__name__) from None

    def _put(self, url: str, body: bytes, timeout: float, verify: str | bool) -> int:
        connections = Connections(verify=verify, timeout=(timeout, timeout), proxies=get_environ_proxies(url))
        # The signature covers an empty Content-Type.
        request = AWSRequest("PUT", url, {"Content-Type": "", "Content-Length": str(len(body))}, body)
        try:
            return int(connections.send(request.prepare()).status_code)
        finally:
            connections.close()


class InvocationClients:
    """Makes clients for one invocation, whose time bounds each call."""

    def __init__(self, platform: Platform, clock: Clock) -> None:
        self._platform = platform
        self._clock = clock

    def make(self, service: str) -> Any:
        """Return a new client of a service."""
        return self._platform.client(service, self._clock.connect_timeout, self._clock.read_timeout)
