"""What an engineer on call reads: what happened, what it means, how long there is left, what to look at. Pure.

Owns the sentences and the details of events. A name or an error of EVS is data: it is bounded, and never a format.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from evs_health.assessment import Assessment, Kind
from evs_health.connectors import Connector as Health
from evs_health.connectors import removal_at

from ..text import clipped, count, some
from ..values import Connector, VmIds
from .changes import Change, Seen, Standing
from .memory import Event

#: `source` of all events, and their detail-types. A contract: rules of others stand on them.
SOURCE = "evs-entitlements"
DETAIL_TYPES = {change: f"EVS Entitlements {change.value}" for change in Change}
#: Most VM ids in an event, and most VMs that are told with name and error.
MOST_IDS, MOST_NAMED = 10_000, 100
#: Most bytes of an event's detail: EventBridge takes entries of 256 KB.
MOST_BYTES = 240_000
#: The first things to look at when a connector has lost its vCenter.
LOOK_AT = (
    "Look at: 1. the vCenter password in the connector's secret: was it changed in vCenter alone? "
    "2. the way from EVS to vCenter: DNS, routes, firewall, certificate; 3. vCenter itself: is it up?"
)


def moment(at: float) -> str:
    """Return a time as people read it, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def time_left(until: datetime, now: float) -> str:
    """Return ``in 7 h 55 min``, or that the time is over."""
    minutes = int((until.timestamp() - now) // 60)
    return f"in {minutes // 60} h {minutes % 60:02} min" if minutes > 0 else "any moment now"


def named(assessment: Assessment, vm_ids: VmIds, most: int = 10) -> str:
    """Name VMs by id and name, as far as EVS has the name."""
    rows = assessment.entitlements
    shown = {
        vm_id: f"{vm_id} ({clipped(rows[vm_id].name, 80)})" if vm_id in rows and rows[vm_id].name else vm_id
        for vm_id in vm_ids
    }
    ordered = sorted(vm_ids, key=lambda vm_id: (len(vm_id), vm_id))
    return some([shown[vm_id] for vm_id in ordered], most, sort=False)


def connector_words(place: Connector, health: Health | None, *, is_listed: bool) -> str:
    """Say how the connector is."""
    if health is None:
        known = "is not one of its environment" if is_listed else "could not be asked for"
        return f"connector {place.connector_id} {known}"
    if not health.problems:
        return f"connector {place.connector_id} is {health.state} and all its checks pass"
    reaches = f" ({health.fqdn})" if health.fqdn else ""
    return f"connector {place.connector_id}{reaches}: {'; '.join(health.problems)}"


def message(
    place: Connector,
    change: Change,
    vm_ids: VmIds,
    assessment: Assessment,
    connector: str,
    at: float,
    until: datetime | None,
) -> str:
    """Say what happened to VMs just now, what it means, and what to do."""
    who = f"{place}: {count(len(vm_ids))} of {len(assessment.declared):,} declared"
    vms = named(assessment, vm_ids)
    if change is Change.AT_RISK:
        return f"{who} at risk since {moment(at)}: {vms}. {_at_risk(until, at)} {connector}. {LOOK_AT}"
    if change is Change.REMOVED:
        return f"{who} not licensed since {moment(at)}: {vms}. {_why_lost(assessment, vm_ids)} {connector}."
    again = " again" if change is Change.BACK else ""
    return f"{who} licensed{again} since {moment(at)}: {vms}."


def how_it_is(assessment: Assessment, seen: Mapping[str, Seen], health: Health | None, now: float) -> Iterator[str]:
    """Yield what is wrong at a place, each run anew: since when, what it means, which VMs."""
    for standing in (Standing.AT_RISK, Standing.LOST):
        vm_ids = frozenset(vm_id for vm_id, one in seen.items() if one.standing is standing)
        if not vm_ids:
            continue
        since = min(seen[vm_id].since for vm_id in vm_ids)
        vms = f"since {moment(since)}: {named(assessment, vm_ids)}."
        if standing is Standing.AT_RISK:
            yield f"{count(len(vm_ids))} at risk {vms} {_at_risk(until_removal(Change.AT_RISK, health, since), now)}"
        else:
            yield f"{count(len(vm_ids))} not licensed {vms} {_why_lost(assessment, vm_ids)}"
    if undeclared := assessment.vm_ids(Kind.UNDECLARED, Kind.UNKNOWN_STATUS):
        yield f"{count(len(undeclared))} entitled and not declared: {named(assessment, frozenset(undeclared))}."


def _at_risk(until: datetime | None, now: float) -> str:
    if until is None:
        return "They are licensed for now."
    return f"EVS removes the entitlements {time_left(until, now)}, at {moment(until.timestamp())}."


def _why_lost(assessment: Assessment, vm_ids: VmIds) -> str:
    means = {
        Kind.MISSING: "EVS has no entitlement of {}: deploy the stack again with a changed list, or entitle by hand",
        Kind.FAILED: "EVS could not create the entitlement of {}: see its error, then deploy again with a changed list",
        Kind.REMOVED: "EVS took the entitlement of {} away and restores it by itself once the VM complies again",
    }
    said = []
    for kind, text in means.items():
        if mine := vm_ids & set(assessment.vm_ids(kind)):
            errors = {assessment.entitlements[vm].error for vm in mine if vm in assessment.entitlements} - {""}
            why = f" ({clipped('; '.join(sorted(errors)), 300)})" if errors else ""
            said.append(text.format(some(mine, 5)) + why)
    return "; ".join(said) + "."


def event(
    change: Change,
    vm_ids: VmIds,
    place: Connector,
    stack_id: str,
    assessment: Assessment,
    health: Health | None,
    told: str,
    since: float,
    until: datetime | None,
) -> Event:
    """Return the event of one change. Its ``id`` is the same however often it is sent."""
    ordered = sorted(vm_ids, key=lambda vm_id: (len(vm_id), vm_id))
    identity = "|".join((stack_id, str(place), change.value, f"{since:.3f}", *ordered))
    rows = assessment.entitlements
    detail: dict[str, Any] = {
        "id": hashlib.sha256(identity.encode()).hexdigest()[:32],
        "stackId": stack_id,
        "environmentId": place.environment_id,
        "connectorId": place.connector_id,
        "change": change.value,
        "since": _iso(since),
        "removalAt": _iso(until.timestamp()) if until else None,
        "vmCount": len(ordered),
        "vmIds": ordered[:MOST_IDS],
        "vms": [
            {
                "id": vm_id,
                "name": clipped(rows[vm_id].name, 80) if vm_id in rows else "",
                "status": rows[vm_id].status if vm_id in rows else "",
                "error": clipped(rows[vm_id].error, 200) if vm_id in rows else "",
            }
            for vm_id in ordered[:MOST_NAMED]
        ],
        "connector": None
        if health is None
        else {
            "type": health.type,
            "state": health.state,
            "fqdn": health.fqdn,
            "problems": list(health.problems),
        },
        "message": clipped(told, 2000),
    }
    return Event(DETAIL_TYPES[change], _fitted(detail))


def _fitted(detail: dict[str, Any]) -> dict[str, Any]:
    """Name fewer VMs, until EventBridge takes the event: names may take six bytes a character, ids a hundred digits."""
    for name in ("vms", "vmIds"):
        while detail[name] and _size(detail) > MOST_BYTES:
            detail = {**detail, name: detail[name][: len(detail[name]) // 2]}
    return detail


def _size(detail: dict[str, Any]) -> int:
    return len(json.dumps(detail, separators=(",", ":")))


def until_removal(change: Change, health: Health | None, since: float) -> datetime | None:
    """Return when EVS removes what is at risk; None for other changes."""
    return removal_at(health, datetime.fromtimestamp(since, UTC)) if change is Change.AT_RISK else None


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
