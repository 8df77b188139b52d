"""Sends events to EventBridge's default bus, one a call. The only module that calls it.

An entry takes at most 256 KB (EventBridge quotas); `words` keeps to that.
"""

import json
from typing import Any

from ..aws.calls import AwsError, Refused, Throttled, call
from ..aws.clients import Clients
from ..aws.retries import Retries
from ..errors import Failure
from .memory import Event
from .words import SOURCE


class Post:
    """The default event bus of account and region."""

    def __init__(self, clients: Clients, retries: Retries) -> None:
        self._clients = clients
        self._retries = retries
        self._made: Any = None
        #: What kept the last event from being sent, where that concerns all events. One run asks no more then.
        self._down: AwsError | Failure | None = None

    def send(self, event: Event, stack_id: str, until: float) -> None:
        """Send one event.

        Raises:
            AwsError, Failure: EventBridge did not take it until `until` (epoch seconds), or took none before.
        """
        if self._down is not None:
            raise self._down
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

        try:
            self._retries.through(put, until)
        except Refused:
            # It says something of this event alone.
            raise
        except (AwsError, Failure) as error:
            # To wait for each event in turn would take the time in which other places are looked at.
            self._down = error
            raise
