"""What `resolve` says: one row for each change of the lock, each refused and each excluded VM, and what it all costs.

Pure. Owns the words and the order: what needs a reader's attention most stands first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from evs_fleet import price
from evs_fleet.guests import is_windows_server
from evs_fleet.output import BAD, DIM, GOOD, WARN, Column, plural

if TYPE_CHECKING:
    from evs_entitlements.lock import EntitlementLock, LockedVm
    from evs_fleet.difference import Difference
    from evs_fleet.inventory.model import Vm
    from evs_fleet.selection import Selection

RE_REGISTERED, ADDED, REMOVED, RENAMED, CHANGED = "re-registered", "added", "removed", "renamed", "changed"
REFUSED, EXCLUDED = "refused", "excluded"
_STYLES = {
    RE_REGISTERED: WARN,
    ADDED: GOOD,
    REMOVED: BAD,
    RENAMED: WARN,
    CHANGED: WARN,
    REFUSED: WARN,
    EXCLUDED: DIM,
}

#: Columns of the table, whose last one has the rest in words.
TABLE = (Column("change", "Change", styles=_STYLES), Column("id", "VM"), Column("name", "Name"), Column("what", ""))
#: Columns of CSV: a re-registered VM has its old id in `before` and its new one in `after`.
CSV = tuple(Column(name, name) for name in ("change", "id", "name", "field", "before", "after", "why"))
#: Refused or excluded VMs that a table shows; JSON and CSV have all.
SHOWN = 20


def rows(difference: Difference, selection: Selection) -> list[dict[str, Any]]:
    """Return one row for each change, and each VM that was refused or excluded."""
    return [
        *(
            _row(RE_REGISTERED, now, before=was.id, after=now.id, what=f"{was.id} -> {now.id}{_new_name(was, now)}")
            for was, now in difference.reregistered
        ),
        *(_row(REMOVED, vm, why=why, what=why) for vm, why in difference.removed),
        *(_row(ADDED, vm, what=_size(vm)) for vm in difference.added),
        *(
            _row(RENAMED, now, before=was.name, after=now.name, what=f"{was.name} -> {now.name}")
            for was, now in difference.renamed
        ),
        *(
            _row(
                CHANGED,
                one.vm,
                field=one.field,
                before=one.before,
                after=one.after,
                what=f"{one.field}: {_shown(one.before)} -> {_shown(one.after)}",
            )
            for one in difference.changed
        ),
        *(_row(REFUSED, vm, why=why, what=why) for vm, why in sorted(selection.refused, key=_windows_first)),
        *(_row(EXCLUDED, vm, why=reason, what=reason) for vm, reason in selection.excluded),
    ]


def shortened(found: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield rows for a table: of long lists of refused or excluded VMs the first ones, and how many more there are."""
    counts: dict[str, int] = {}
    for row in found:
        change = row["change"]
        counts[change] = counts.get(change, 0) + 1
        if change not in (REFUSED, EXCLUDED) or counts[change] <= SHOWN:
            yield row
    for change, count in counts.items():
        if change in (REFUSED, EXCLUDED) and count > SHOWN:
            more = f"and {count - SHOWN} more; --output json or csv has all"
            yield {"change": change, "id": "", "name": "", "what": more}


def cost(lock: EntitlementLock, usd_per_vcpu_hour: float | None) -> dict[str, Any]:
    """Return vCPUs and price a month of a lock's VMs, with the price's source; for VMs whose vCPUs are known."""
    vcpus = sum(vm.vcpus or 0 for vm in lock.vms)
    rate = price.USD_PER_VCPU_HOUR if usd_per_vcpu_hour is None else usd_per_vcpu_hour
    return {
        "vms": len(lock.vms),
        "vcpus": vcpus,
        "vms_without_vcpus": sum(vm.vcpus is None for vm in lock.vms),
        "usd_per_vcpu_hour": rate,
        "source": price.SOURCE if usd_per_vcpu_hour is None else price.SOURCE_OF_OPTION,
        "hours_per_month": price.HOURS_PER_MONTH,
        "usd_per_month": price.usd_per_month(vcpus, rate),
    }


def total(path: str, costs: dict[str, Any]) -> list[str]:
    """Say in lines how many VMs a lock has and what they cost."""
    unknown = costs["vms_without_vcpus"]
    more = f" (without {plural(unknown, 'VM')} of unknown size)" if unknown else ""
    rate = f"{costs['usd_per_vcpu_hour']:g} USD a vCPU-hour: {costs['source']}"
    hours = f"if all are powered on for all of its {costs['hours_per_month']} hours"
    return [
        f"{path}: {plural(costs['vms'], 'VM')}, {plural(costs['vcpus'], 'vCPU')}{more}",
        f"at most {costs['usd_per_month']:,.2f} USD a month, {hours} ({rate})",
    ]


def _row(change: str, vm: LockedVm | Vm, **values: Any) -> dict[str, Any]:
    empty = {"field": None, "before": None, "after": None, "why": None}
    return {
        "change": change,
        "id": vm.id,
        "name": vm.name,
        **empty,
        **values,
        "instance_uuid": vm.instance_uuid,
        "vcpus": vm.vcpus,
        "folder": vm.folder,
    }


def _new_name(was: LockedVm, now: LockedVm) -> str:
    return "" if was.name == now.name else f", was {was.name}"


def _size(vm: LockedVm) -> str:
    parts = [plural(vm.vcpus, "vCPU") if vm.vcpus else None, vm.guest_id, vm.folder]
    return ", ".join(part for part in parts if part)


def _shown(value: object) -> str:
    return "not known" if value is None else str(value)


def _windows_first(refused: tuple[Vm, str]) -> tuple[bool, bool]:
    # A Linux VM in a folder is no surprise; a Windows Server that EVS would refuse is.
    vm, _ = refused
    windows = "windows" in (vm.guest_id or vm.guest_name or "").lower()
    return (not is_windows_server(vm.guest_id, vm.guest_name), not windows)
