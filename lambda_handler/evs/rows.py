"""Rows of ListVmEntitlements: statuses and what they mean, times, and which row of a VM counts. Pure."""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from enum import Enum
from typing import Any, NamedTuple

from ..aws.calls import NotFound, Refused

#: How far EVS's clock and the function's may be apart, in seconds. Both follow Amazon's time service.
SKEW = 0.1

_VM_ID = re.compile(r"\bvm-[0-9]+\b")


class Status(Enum):
    """What a row of ListVmEntitlements says, and what that means here.

    ==================== =========================================================================================
    CREATING             held: EVS is checking the VM
    CREATED              held: the VM is entitled
    AT_RISK              held: entitled, and the connector is out of reach for the moment
    ENTITLEMENT_REMOVED  EVS took it away, and gives it back by itself once the VM complies again
    CREATE_FAILED        EVS could not entitle the VM; it must be created again
    DELETED              the same as no row
    UNKNOWN              a status of tomorrow, or none: held by somebody, and not settled
    ==================== =========================================================================================
    """

    CREATING = "CREATING"
    CREATED = "CREATED"
    AT_RISK = "AT_RISK"
    ENTITLEMENT_REMOVED = "ENTITLEMENT_REMOVED"
    CREATE_FAILED = "CREATE_FAILED"
    DELETED = "DELETED"
    UNKNOWN = "UNKNOWN"


_STATUSES = {status.value: status for status in Status}
_HELD = frozenset({Status.CREATING, Status.CREATED, Status.AT_RISK})
_ENTITLED = frozenset({Status.CREATED, Status.AT_RISK})
#: A row with one of these is somebody's: an entitlement, or one that EVS gives back by itself, or who knows what.
_SOMEBODYS = _HELD | {Status.ENTITLEMENT_REMOVED, Status.UNKNOWN}
_UNSETTLED = frozenset({Status.CREATING, Status.UNKNOWN})
#: Of several rows of a VM the one with the highest rank counts, then the newest.
_RANK = dict.fromkeys(_HELD, 2) | {Status.UNKNOWN: 1}


class Row(NamedTuple):
    """One row of ListVmEntitlements, as far as it matters here.

    Attributes:
        text: the status in EVS's word.
        started: when the entitlement began, in epoch seconds; 0 where EVS does not say. Whole seconds may be cut ones.
        newest: when it began or ended, whichever is newer, in epoch seconds; 0 where EVS says neither.
    """

    vm_id: str
    status: Status
    text: str = ""
    started: float = 0.0
    newest: float = 0.0
    error_code: str = ""
    error_message: str = ""

    @property
    def is_held(self) -> bool:
        """CREATING, CREATED or AT_RISK."""
        return self.status in _HELD

    @property
    def is_somebodys(self) -> bool:
        """Held, removed by EVS (which may restore it), or in a status that is not known."""
        return self.status in _SOMEBODYS

    @property
    def may_be_held(self) -> bool:
        """Held, or in a status that is not known: what may have to be paid for."""
        return self.status in _HELD or self.status is Status.UNKNOWN

    @property
    def is_gone(self) -> bool:
        """DELETED: the same as no row."""
        return self.status is Status.DELETED

    @property
    def is_creating(self) -> bool:
        """EVS is still checking the VM."""
        return self.status is Status.CREATING

    @property
    def is_unsettled(self) -> bool:
        """CREATING, or a status that is not known: something else may follow."""
        return self.status in _UNSETTLED

    @property
    def is_entitled(self) -> bool:
        """CREATED, or AT_RISK, which is an entitlement whose connector is out of reach for the moment."""
        return self.status in _ENTITLED

    @property
    def cause(self) -> str:
        """``errorCode: errorMessage``, or the status where EVS gives none."""
        return f"{self.error_code}: {self.error_message}" if self.error_code else self.word

    @property
    def word(self) -> str:
        """The status in EVS's word."""
        return self.text or self.status.value

    @property
    def started_by(self) -> float:
        """When the entitlement had begun for certain, in epoch seconds; 0 where EVS does not say."""
        return self.started + 1.0 if self.started and self.started.is_integer() else self.started

    def began_before(self, moment: float) -> bool:
        """Tell whether the entitlement began before a moment (epoch seconds); False where EVS does not say when."""
        return 0.0 < self.started_by < moment - SKEW

    def began_after(self, moment: float) -> bool:
        """Tell whether the entitlement began after a moment (epoch seconds); False where EVS does not say when."""
        return self.started > moment + SKEW


Rows = dict[str, Row]


def merged(rows: Iterable[Row], into: Rows | None = None) -> Rows:
    """Reduce rows to one a VM: a held one counts before the others, then the newest."""
    result: Rows = {} if into is None else into
    for row in rows:
        known = result.get(row.vm_id)
        if known is None or _rank(row) >= _rank(known):
            result[row.vm_id] = row
    return result


def _rank(row: Row) -> tuple[int, float]:
    return (_RANK.get(row.status, 0), row.newest)


def named_in(refusal: Refused | NotFound, among: Iterable[str]) -> dict[str, str]:
    """Return the VMs of a refused batch that the refusal names, each with what is said of it."""
    found: dict[str, str] = {}
    candidates = set(among)
    if isinstance(refusal, NotFound) and refusal.resource_id in candidates:
        found[refusal.resource_id] = f"{refusal.code}: {refusal.message}"
    for entry in refusal.detail.get("fieldList") or ():
        text = f"{entry.get('name', '')} {entry.get('message', '')}"
        for vm_id in candidates.intersection(_VM_ID.findall(text)):
            found[vm_id] = f"{refusal.code}: {entry.get('message') or refusal.message}"
    for vm_id in candidates.intersection(_VM_ID.findall(refusal.message)):
        found.setdefault(vm_id, f"{refusal.code}: {refusal.message}")
    return found


def taken_apart(refusal: Refused | NotFound, batch: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Return what to ask for instead of a refused batch of several VMs.

    EVS's wording is not documented: a refusal may name what it does not mean, or repeat the whole request. Only a
    refused call for one VM alone says that it is the VM which is refused. So those that are named go alone, and the
    others together. Where all are named, or none, it is halves.
    """
    named = named_in(refusal, batch)
    if 0 < len(named) < len(batch):
        return [tuple(vm_id for vm_id in batch if vm_id not in named), *((one,) for one in batch if one in named)]
    middle = len(batch) // 2
    return [batch[:middle], batch[middle:]]


def rows_of(answer: dict[str, Any]) -> Iterator[Row]:
    """Return the rows of an answer of EVS. No member of one is required; without a status it is somebody's."""
    for row in answer.get("entitlements") or ():
        vm_id, text = row.get("vmId"), row.get("status") or ""
        if vm_id:
            error = row.get("errorDetail") or {}
            started, newest = _times(row)
            yield Row(
                vm_id,
                _STATUSES.get(text, Status.UNKNOWN),
                text,
                started,
                newest,
                error.get("errorCode") or "",
                error.get("errorMessage") or "",
            )


def _times(row: dict[str, Any]) -> tuple[float, float]:
    """Return when the entitlement began, and the newer one of that and when it ended; 0 where EVS does not say.

    When EVS last looked at the VM says nothing of the entitlement: it changes while the row is still that of before.
    """
    started, stopped = _epoch(row.get("startedAt")), _epoch(row.get("stoppedAt"))
    return started, max(started, stopped)


def _epoch(moment: Any) -> float:
    return moment.timestamp() if isinstance(moment, datetime) else 0.0
