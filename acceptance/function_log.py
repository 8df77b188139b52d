"""What CloudFormation asked the function of a stack, read from the function's own log.

Each line of that has the request's type and id. Nothing else of a line is kept.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from evs_fleet.aws.session import Session
from evs_fleet.errors import AwsError

#: Seconds that the function's last lines may take to reach its log, and seconds between looks.
_WITHIN, _LOOK_EVERY = 30.0, 2.0


@dataclass(frozen=True)
class Sent:
    """A request that CloudFormation sent to the function, by the function's log; `at` is in seconds since 1970."""

    kind: str
    request_id: str
    at: float


class FunctionLog:
    """The logs of the functions of a run's stacks."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: set[str] = set()

    def new_requests(self, stack: str) -> list[Sent] | None:
        """Return what CloudFormation asked the function since the last time, in order; None where its log is gone.

        Log lines come late, so that at least one request is awaited for a while.
        """
        group = self._log_group(stack)
        if group is None:
            return None
        until, before = time.monotonic() + _WITHIN, 0
        while True:
            found = self._sent(group)
            new = [sent for sent in found or () if sent.request_id not in self._known]
            # Twice the same: what CloudFormation sent last may be a moment behind.
            if found is None or (new and len(new) == before) or time.monotonic() > until:
                break
            before = len(new)
            time.sleep(_LOOK_EVERY)
        self._known.update(sent.request_id for sent in new)
        return None if found is None else new

    def _sent(self, group: str) -> list[Sent] | None:
        found: dict[str, Sent] = {}
        try:
            events = self._session.items("logs", "filter_log_events", "events", logGroupName=group)
            for event in sorted(events, key=lambda event: int(event["timestamp"])):
                line = _json_line(event["message"])
                if line and line.get("RequestType") in ("Create", "Update", "Delete"):
                    sent = Sent(line["RequestType"], str(line.get("RequestId")), event["timestamp"] / 1000)
                    found.setdefault(sent.request_id, sent)
        except AwsError:
            return None
        return list(found.values())

    def _log_group(self, stack: str) -> str | None:
        try:
            answer = self._session.call("cloudformation", "describe_stack_resources", StackName=stack)
        except AwsError:
            return None
        groups = [
            str(one["PhysicalResourceId"])
            for one in answer["StackResources"]
            if one["ResourceType"] == "AWS::Logs::LogGroup" and "Provider" in one["LogicalResourceId"]
        ]
        return groups[0] if groups else None


def _json_line(message: str) -> dict[str, Any] | None:
    try:
        value = json.loads(message)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
