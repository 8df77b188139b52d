"""Sends events to EventBridge's default bus, one a call. The only module that calls it.

An entry takes at most 256 KB (EventBridge quotas); `words` keeps to that.
"""

import json
from typing import Any

from ..aws.calls import Throttled, call
from ..aws.clients import Clients
from ..aws.retries import Retries
from .memory import Event
from .words import SOURCE


class Post:
    """The default event bus of account and region."""

    def __init__(self, clients: Clients, retries: Retries) -> None:
        self._clients = clients
        self._retries = retries
        self._made: Any = None

    def send(self, event: Event, stack_id: str, until: float) -> None:
        """Send one event.

        Raises:
            AwsError, Failure: EventBridge did not take it until `until` (epoch seconds).
        """
        if self._made is None:
            self._made = self._clients.make("events")
        client = self._made
        entry = {
            "Source": SOURCE,
            "DetailType": event.detail_type,
            "Detail": json.dumps(event.detail, separators=(",", ":")),
            "Resources": [stack_id],
        }

        def put() -> None:
            answer = call(client.put_events, "events:PutEvents", Entries=[entry])
            if answer.get("FailedEntryCount"):
                said: dict[str, Any] = next(iter(answer.get("Entries") or ()), {})
                raise Throttled("events:PutEvents", said.get("ErrorCode", "Unknown"), said.get("ErrorMessage", ""))

        self._retries.through(put, until)
