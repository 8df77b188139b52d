"""What is wrong: declared VMs and rows of EVS go in; what is missing, failed, at risk, removed, undeclared comes out.

Owns the reading of ListVmEntitlements; `connectors` has that of connectors. Pure: it calls nothing and imports
nothing but the standard library, so that a Lambda function without this package's libraries can use it as it is.

Rules from the EVS user guide, https://docs.aws.amazon.com/evs/latest/userguide/ (Windows Server licensing): an
entitlement is AT_RISK while the connector does not reach vCenter, and is removed after 8 hours; CREATE_FAILED has to be
created again; ENTITLEMENT_REMOVED is restored by EVS once the VM complies again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

#: A row with one of these holds an entitlement.
HELD = frozenset({"CREATING", "CREATED", "AT_RISK"})
#: A row with one of these licenses its VM now.
LICENSED = frozenset({"CREATED", "AT_RISK"})
#: All statuses that the API's model of 2023-07-27 has.
KNOWN = frozenset({"CREATING", "CREATED", "AT_RISK", "CREATE_FAILED", "ENTITLEMENT_REMOVED", "DELETED"})


class Kind(StrEnum):
    """What is wrong with one VM, the most pressing first within what concerns its entitlement."""

    #: Declared, and EVS has no row of it, or one that says DELETED.
    MISSING = "missing"
    #: Declared, and EVS could not create the entitlement.
    FAILED = "failed"
    #: Declared and licensed for the moment; EVS removes the entitlement when the grace is over.
    AT_RISK = "at_risk"
    #: Declared, and EVS took the entitlement away.
    REMOVED = "removed"
    #: Declared, and EVS has not yet finished creating the entitlement.
    CREATING = "creating"
    #: EVS says a status that this version does not know.
    UNKNOWN_STATUS = "unknown_status"
    #: EVS holds an entitlement that nothing declares: it is paid for.
    UNDECLARED = "undeclared"
    #: The inventory has the VM, known by its instance UUID, under another id: Windows runs unlicensed there.
    ID_CHANGED = "id_changed"
    #: Declared, and the inventory has no such VM.
    GONE = "gone"
    #: The policy chooses it, and the lock does not have it.
    NOT_LOCKED = "not_locked"
    #: EVS would entitle it, and nothing in the policy includes or excludes it.
    NEW = "new"


#: What EVS's own rows can say. The other kinds need an inventory.
OF_EVS = (
    Kind.MISSING,
    Kind.FAILED,
    Kind.AT_RISK,
    Kind.REMOVED,
    Kind.CREATING,
    Kind.UNKNOWN_STATUS,
    Kind.UNDECLARED,
)


@dataclass(frozen=True)
class Entitlement:
    """One row of ListVmEntitlements. Times are aware datetimes or None."""

    vm_id: str
    status: str
    name: str = ""
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    last_synced_at: datetime | None = None
    error_code: str = ""
    error_message: str = ""

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Entitlement:
        """Return a row in the API's form as a value; a missing member is empty."""
        error = row.get("errorDetail") or {}
        return cls(
            vm_id=str(row.get("vmId") or ""),
            status=str(row.get("status") or ""),
            name=str(row.get("vmName") or ""),
            started_at=_time(row.get("startedAt")),
            stopped_at=_time(row.get("stoppedAt")),
            last_synced_at=_time(row.get("lastSyncedAt")),
            error_code=str(error.get("errorCode") or ""),
            error_message=str(error.get("errorMessage") or ""),
        )

    @property
    def held(self) -> bool:
        """CREATING, CREATED or AT_RISK."""
        return self.status in HELD

    @property
    def error(self) -> str:
        """``errorCode: errorMessage``, or what of the two EVS gave."""
        return ": ".join(part for part in (self.error_code, self.error_message) if part)

    @property
    def newest(self) -> float:
        """When the row began or was last seen, in seconds since 1970."""
        for value in (self.started_at, self.last_synced_at, self.stopped_at):
            if value is not None:
                return value.timestamp()
        return 0.0


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be; `new_id` is the VM's id of today where that has changed."""

    kind: Kind
    vm_id: str
    name: str = ""
    status: str = ""
    detail: str = ""
    new_id: str = ""


@dataclass(frozen=True)
class Assessment:
    """What EVS holds at one connector, against what is declared for it.

    Attributes
    ----------
    declared
        Ids of the VMs that are to be entitled.
    entitlements
        VM id -> the row that counts, without those that say DELETED.
    findings
        What is wrong, in order of kind and VM number.
    """

    declared: frozenset[str]
    entitlements: dict[str, Entitlement]
    findings: tuple[Finding, ...]

    def vm_ids(self, *kinds: Kind) -> list[str]:
        """Return the VMs of which one of these is true, by number."""
        return sort_vm_ids({finding.vm_id for finding in self.findings if finding.kind in kinds})

    @property
    def licensed(self) -> list[str]:
        """The declared VMs that are licensed now: CREATED or AT_RISK."""
        rows = self.entitlements
        return sort_vm_ids({vm for vm in self.declared if vm in rows and rows[vm].status in LICENSED})

    @property
    def counts(self) -> dict[str, int]:
        """How many VMs are declared, licensed, and of each kind of finding that EVS's rows can say."""
        found = {kind.value: len(self.vm_ids(kind)) for kind in OF_EVS}
        return {"declared": len(self.declared), "licensed": len(self.licensed), **found}


def assess(declared: Iterable[str], rows: Iterable[Mapping[str, Any]]) -> Assessment:
    """Compare what is declared for one environment and connector with what EVS holds there.

    Parameters
    ----------
    declared
        Ids of the VMs that are to be entitled.
    rows
        The rows of ListVmEntitlements, as the API has them. Of several rows of one VM a held one counts before the
        others, then the newest.
    """
    wanted = frozenset(declared)
    current = {vm_id: row for vm_id, row in merge(rows).items() if row.status != "DELETED"}
    found = [_of_declared(vm_id, current.get(vm_id)) for vm_id in wanted]
    found += [_of_undeclared(row) for vm_id, row in current.items() if vm_id not in wanted]
    return Assessment(wanted, current, tuple(sort_findings(item for item in found if item)))


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Return findings by kind, and within one by VM number."""
    order = {kind: number for number, kind in enumerate(Kind)}
    return sorted(findings, key=lambda item: (order[item.kind], _number(item.vm_id)))


def merge(rows: Iterable[Mapping[str, Any]]) -> dict[str, Entitlement]:
    """Reduce rows to one a VM: a held one counts before the others, then the newest."""
    merged: dict[str, Entitlement] = {}
    for entitlement in map(Entitlement.from_row, rows):
        known = merged.get(entitlement.vm_id)
        if known is None or (entitlement.held, entitlement.newest) >= (known.held, known.newest):
            merged[entitlement.vm_id] = entitlement
    return merged


def _of_declared(vm_id: str, row: Entitlement | None) -> Finding | None:
    if row is None:
        return Finding(Kind.MISSING, vm_id, detail="EVS has no entitlement of it")
    kinds = {
        "CREATING": (Kind.CREATING, "EVS has not finished creating the entitlement"),
        "AT_RISK": (Kind.AT_RISK, "EVS removes the entitlement 8 hours after it lost vCenter"),
        "CREATE_FAILED": (Kind.FAILED, "EVS could not create the entitlement"),
        "ENTITLEMENT_REMOVED": (Kind.REMOVED, "EVS took the entitlement away; it restores it when the VM complies"),
    }
    if row.status == "CREATED":
        return None
    kind, why = kinds.get(row.status, (Kind.UNKNOWN_STATUS, f"EVS says {row.status}, which is not known here"))
    return Finding(kind, vm_id, row.name, row.status, row.error or why)


def _of_undeclared(row: Entitlement) -> Finding | None:
    if row.status == "CREATE_FAILED":
        # It holds nothing and costs nothing. EVS lists it for 90 days.
        return None
    kind = Kind.UNDECLARED if row.status in KNOWN else Kind.UNKNOWN_STATUS
    return Finding(kind, row.vm_id, row.name, row.status, "EVS has an entitlement of it that nothing declares")


def sort_vm_ids(vm_ids: Iterable[str]) -> list[str]:
    """Return VM ids by number, as a person would sort them."""
    return sorted(vm_ids, key=_number)


def _time(value: object) -> datetime | None:
    return value if isinstance(value, datetime) else None


def _number(vm_id: str) -> tuple[int, str]:
    digits = vm_id.removeprefix("vm-")
    return (int(digits) if digits.isdecimal() else -1, vm_id)
