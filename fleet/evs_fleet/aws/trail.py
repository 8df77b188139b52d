"""Who entitled or removed what, read from CloudTrail's event history.

Owns the question to LookupEvents and the reading of a CloudTrail event.
https://docs.aws.amazon.com/awscloudtrail/latest/userguide/view-cloudtrail-events.html: management events of the last 90
days, of one region; whoever needs more keeps a trail or an event data store.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from evs_health.assessment import sort_vm_ids

if TYPE_CHECKING:
    from evs_fleet.aws.session import Session

EVENT_SOURCE = "evs.amazonaws.com"
#: Name of the event -> what it does.
ACTIONS = {"CreateEntitlement": "entitle", "DeleteEntitlement": "remove"}
#: How far CloudTrail's event history reaches back.
KEPT = timedelta(days=90)
#: What CloudTrail can't tell.
LIMITS = (
    "CloudTrail's event history has the last 90 days of this region, some minutes late. It has calls, not outcomes: a "
    "VM that EVS then could not entitle, or whose entitlement EVS itself removed or restored, is not in it. For "
    "longer, keep a trail or an event data store."
)


@dataclass(frozen=True)
class Event:
    """One call of CreateEntitlement or DeleteEntitlement.

    Attributes:
        action: `entitle` or `remove`.
        outcome: `ok`, or the error code with which EVS refused the call.
        who: ARN of the caller, or what of it CloudTrail has.
        role: the role that the caller had assumed, or None.
        vm_ids: the VMs; empty where CloudTrail left the parameters out.
    """

    time: datetime
    action: str
    outcome: str
    who: str
    vm_ids: tuple[str, ...]
    environment_id: str | None
    connector_id: str | None
    role: str | None = None
    message: str | None = None
    source_ip: str | None = None
    user_agent: str | None = None
    event_id: str | None = None


def events(session: Session, since: datetime, until: datetime) -> list[Event]:
    """Return the changing calls between two times, the newest first.

    Raises:
        AwsError: CloudTrail can't be asked.
    """
    # By name, not by source: the reads of a monitor would be most of what a source has.
    found = [event for name in ACTIONS for event in _of_name(session, name, since, until)]
    return sorted(found, key=lambda event: event.time, reverse=True)


def _of_name(session: Session, name: str, since: datetime, until: datetime) -> Iterator[Event]:
    rows = session.items(
        "cloudtrail",
        "lookup_events",
        "Events",
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": name}],
        StartTime=since,
        EndTime=until,
    )
    for row in rows:
        event = _event(row)
        # Another service may have an operation of this name.
        if event and row.get("EventName") == name and since <= event.time <= until:
            yield event


def _event(row: dict[str, Any]) -> Event | None:
    detail = _object(row.get("CloudTrailEvent"))
    time = row.get("EventTime")
    if not isinstance(time, datetime) or (row.get("EventSource") or detail.get("eventSource")) != EVENT_SOURCE:
        return None
    given, identity = _object(detail.get("requestParameters")), _object(detail.get("userIdentity"))
    issuer = _object(_object(identity.get("sessionContext")).get("sessionIssuer"))
    vm_ids = given.get("vmIds")
    return Event(
        time=time,
        action=ACTIONS[str(row["EventName"])],
        outcome=str(detail.get("errorCode") or "ok"),
        who=str(identity.get("arn") or identity.get("principalId") or row.get("Username") or "unknown"),
        vm_ids=tuple(sort_vm_ids({str(vm_id) for vm_id in vm_ids})) if isinstance(vm_ids, list) else (),
        environment_id=given.get("environmentId"),
        connector_id=given.get("connectorId"),
        role=issuer.get("userName"),
        message=detail.get("errorMessage"),
        source_ip=detail.get("sourceIPAddress"),
        user_agent=detail.get("userAgent"),
        event_id=row.get("EventId"),
    )


def _object(value: Any) -> dict[str, Any]:
    """Return a JSON object that is there as such or as its text; an empty one for anything else."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}
