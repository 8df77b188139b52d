"""What has changed since the last run: entitled, at risk, removed, back. Pure.

Owns which change of a VM is worth an event. A run that could not find out never comes here. What EVS has not settled
(CREATING, a status of tomorrow) leaves a VM in the state in which it was seen last.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from evs_health.assessment import Assessment, Kind

from ..values import VmIds


class Standing(StrEnum):
    """How a declared VM was seen last."""

    LICENSED = "licensed"
    AT_RISK = "at_risk"
    #: Not licensed: EVS removed it, could not create it, or has no row of it.
    LOST = "lost"


class Change(StrEnum):
    """What happened to a declared VM."""

    ENTITLED = "Entitled"
    AT_RISK = "At Risk"
    REMOVED = "Removed"
    BACK = "Back"


@dataclass(frozen=True)
class Seen:
    """How a VM was seen last, and since when it has been so, in epoch seconds."""

    standing: Standing
    since: float


_LOST = (Kind.MISSING, Kind.FAILED, Kind.REMOVED)
_UNSETTLED = (Kind.CREATING, Kind.UNKNOWN_STATUS)


def standings(assessment: Assessment) -> dict[str, Standing]:
    """Return the standing of each declared VM that EVS has settled."""
    lost = frozenset(assessment.vm_ids(*_LOST))
    at_risk = frozenset(assessment.vm_ids(Kind.AT_RISK))
    unsettled = frozenset(assessment.vm_ids(*_UNSETTLED))
    return {
        vm_id: Standing.LOST if vm_id in lost else Standing.AT_RISK if vm_id in at_risk else Standing.LICENSED
        for vm_id in assessment.declared - unsettled
    }


def remembered(before: Mapping[str, Seen], now: Mapping[str, Standing], declared: VmIds, at: float) -> dict[str, Seen]:
    """Return what to remember: VMs that are declared no more are forgotten, without a word."""
    seen = {vm_id: before[vm_id] for vm_id in declared if vm_id in before}
    for vm_id, standing in now.items():
        known = before.get(vm_id)
        seen[vm_id] = known if known is not None and known.standing == standing else Seen(standing, at)
    return seen


def changes(before: Mapping[str, Seen] | None, now: Mapping[str, Standing]) -> dict[Change, VmIds]:
    """Return which VMs have changed, and how.

    Args:
        before: what was seen last; None before the first run. That one tells of what is wrong, and of nothing else.
    """
    found: dict[Change, set[str]] = {}
    for vm_id, standing in now.items():
        known = before.get(vm_id) if before is not None else Seen(Standing.LICENSED, 0.0)
        if (change := _change(known.standing if known else None, standing)) is not None:
            found.setdefault(change, set()).add(vm_id)
    return {change: frozenset(found[change]) for change in Change if change in found}


def _change(before: Standing | None, now: Standing) -> Change | None:
    if before == now:
        return None
    if now == Standing.LOST:
        return Change.REMOVED
    if now == Standing.AT_RISK:
        return Change.AT_RISK
    return Change.ENTITLED if before is None else Change.BACK
