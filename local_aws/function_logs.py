"""What Lambda functions wrote, read from ministack's CloudWatch Logs in the order in which it was written.

ministack's own log has the output of asynchronous invocations only; CloudFormation's it keeps to CloudWatch Logs.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


def function_logs(client: Any) -> list[str]:
    """Return all log lines, each behind its time and the name of its log group.

    Parameters
    ----------
    client
        A boto3 client of CloudWatch Logs.
    """
    events: list[tuple[int, str, str]] = []
    for page in client.get_paginator("describe_log_groups").paginate():
        for group in page["logGroups"]:
            name = group["logGroupName"]
            pages = client.get_paginator("filter_log_events").paginate(logGroupName=name)
            events.extend((event["timestamp"], name, event["message"]) for one in pages for event in one["events"])
    # Stable: lines of the same millisecond stay in the order in which the service has them.
    events.sort(key=lambda event: event[0])
    return [f"{_time(milliseconds)} {name} {line.rstrip()}" for milliseconds, name, line in events]


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]
