"""Sends an answer to the presigned address that it is due at: once, checked, and with patience.

Owns the PUT and its retries; knows nothing of what is in the answer. crhelper's own sender takes any HTTP status for
success, and tries again without end.
"""

import http.client
from collections.abc import Callable
from urllib.parse import urlsplit

from .clients import trust
from .clock import Clock
from .log import logger


def put(url: str, body: bytes, clock: Clock, give_up_at: float, is_overtaken: Callable[[], bool]) -> None:
    """PUT an answer; retried on 5xx and broken connections, given up on 4xx and once a newer request has come.

    Parameters
    ----------
    url
        Presigned: never logged, nor what raises with it in its text.
    body
        What is sent.
    clock
        Of the invocation.
    give_up_at
        When nobody can still wait for it, in epoch seconds.
    is_overtaken
        Asked before each attempt.

    Raises
    ------
    HandOver
        This invocation ends before it is in; a fresh one may go on.
    """
    parts = urlsplit(url)
    path = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
    delay = 0.5
    while True:
        if is_overtaken():
            logger.warning("no answer: CloudFormation has issued a newer request for this resource")
            return
        try:
            status = _put_once(parts.scheme, parts.netloc, path, body)
        except (OSError, http.client.HTTPException) as error:
            # Not its text: some carry the address.
            logger.warning("the answer could not be sent (%s); trying again", type(error).__name__)
        else:
            if status < 300:
                logger.info("CloudFormation has the answer")
                return
            if 400 <= status < 500 and status not in (408, 429):
                logger.error("CloudFormation refuses the answer with HTTP %d; it is given up", status)
                return
            logger.warning("the answer met HTTP %d; trying again", status)
        if clock.now() > give_up_at:
            logger.error("the answer is given up: its address has expired")
            return
        clock.pause(delay)
        delay = min(delay * 2, 15.0)


def _put_once(scheme: str, host: str, path: str, body: bytes) -> int:
    connection: http.client.HTTPConnection
    if scheme == "https":
        connection = http.client.HTTPSConnection(host, timeout=10, context=trust())
    else:
        connection = http.client.HTTPConnection(host, timeout=10)
    try:
        # The signature covers an empty Content-Type.
        connection.request("PUT", path, body, {"Content-Type": "", "Content-Length": str(len(body))})
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()
