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

    def requests(self, stack: str, since: float, *, at_least: int = 0) -> list[Sent] | None:
        """Return what CloudFormation asked the function since a time, in order; None where its log can't be read.

        Args:
            at_least: so many are awaited for a while, since log lines come late.
        """
        group = self._log_group(stack)
        if group is None:
            return None
        until = time.monotonic() + _WITHIN
        while True:
            found = self._sent(group, since)
            if found is None or len(found) >= at_least or time.monotonic() > until:
                return found
            time.sleep(_LOOK_EVERY)

    def _sent(self, group: str, since: float) -> list[Sent] | None:
        found: dict[str, Sent] = {}
        try:
            events = self._session.items(
                "logs", "filter_log_events", "events", logGroupName=group, startTime=int(since * 1000)
            )
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
