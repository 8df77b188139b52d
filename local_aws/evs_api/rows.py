"""Entitlement rows and how they change with time: the store behind ListVmEntitlements.

Nothing runs by itself: what was due is applied, with the time at which it was due, when somebody next looks.
That keeps tests with a clock of their own exact. Which calls are allowed is decided elsewhere.
"""

from __future__ import annotations

import bisect
import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

#: Statuses in which a VM holds an entitlement, or is about to.
HELD = frozenset({"CREATING", "CREATED", "AT_RISK"})
#: Statuses in which Windows on the VM is licensed, and paid for.
LICENSED = frozenset({"CREATED", "AT_RISK"})


@dataclass(eq=False)
class Row:
    """One entitlement of one VM. Times are seconds since 1970."""

    sequence: int
    vm_id: str
    environment_id: str
    connector_id: str
    vm_name: str | None
    status: str
    order: float
    started_at: float | None = None
    stopped_at: float | None = None
    last_synced_at: float | None = None
    error: tuple[str, str] | None = None
    deleting: bool = False
    #: Set by hand: neither the VM's nor the connector's condition changes this row.
    pinned: bool = False

    def as_answer(self) -> dict[str, Any]:
        """Return the row as the API's VmEntitlement."""
        code, message = self.error or (None, None)
        return {
            "vmId": self.vm_id,
            "environmentId": self.environment_id,
            "connectorId": self.connector_id,
            "vmName": self.vm_name,
            "type": "WINDOWS_SERVER",
            "status": self.status,
            "lastSyncedAt": self.last_synced_at,
            "startedAt": self.started_at,
            "stoppedAt": self.stopped_at,
            "errorDetail": {"errorCode": code, "errorMessage": message} if code else None,
        }


@dataclass(frozen=True)
class Change:
    """A row took a status, at a time, for a reason; status GONE says that it is listed no more."""

    time: float
    vm_id: str
    environment_id: str
    connector_id: str
    row: int
    status: str
    cause: str


@dataclass
class RowStore:
    """All rows, what is still to happen to them, and what has."""

    random: random.Random
    changes: list[Change] = field(default_factory=list)
    _rows: dict[int, Row] = field(default_factory=dict)
    _by_vm: dict[tuple[str, str, str], list[Row]] = field(default_factory=dict)
    _due: list[tuple[float, int, Callable[[float], None]]] = field(default_factory=list)
    _sequence: Any = field(default_factory=lambda: itertools.count(1))

    def add(
        self, place: tuple[str, str], vm_id: str, vm_name: str | None, status: str, *, at: float, cause: str
    ) -> Row:
        """Add a row; place is the environment's and the connector's id."""
        row = Row(next(self._sequence), vm_id, *place, vm_name, status, self.random.random())
        self._rows[row.sequence] = row
        self._by_vm.setdefault((*place, vm_id), []).append(row)
        self.set_status(row, status, at=at, cause=cause)
        return row

    def set_status(self, row: Row, status: str, *, at: float, cause: str, error: tuple[str, str] | None = None) -> None:
        """Give a row a status and note the change."""
        row.status, row.error, row.last_synced_at = status, error, at
        if status in LICENSED:
            row.started_at = row.started_at or at
            row.stopped_at = None
        elif row.started_at is not None:
            row.stopped_at = row.stopped_at or at
        self._note(row, status, at, cause)

    def drop(self, row: Row, *, at: float, cause: str) -> None:
        """Take a row off the list."""
        if self._rows.pop(row.sequence, None) is None:
            return
        key = (row.environment_id, row.connector_id, row.vm_id)
        self._by_vm[key].remove(row)
        if not self._by_vm[key]:
            del self._by_vm[key]
        self._note(row, "GONE", at, cause)

    def _note(self, row: Row, status: str, at: float, cause: str) -> None:
        self.changes.append(Change(at, row.vm_id, row.environment_id, row.connector_id, row.sequence, status, cause))

    def has(self, row: Row) -> bool:
        """Return whether a row is still listed."""
        return row.sequence in self._rows

    def of_vm(self, place: tuple[str, str], vm_id: str) -> list[Row]:
        """Return a VM's rows, oldest first."""
        return list(self._by_vm.get((*place, vm_id), ()))

    def all(self) -> list[Row]:
        """Return every row, oldest first."""
        return list(self._rows.values())

    def page(
        self, place: tuple[str, str], after: float, size: int, *, shuffled: bool
    ) -> tuple[list[Row], float | None]:
        """Return the rows behind a position, and the position to go on from or None at the end."""

        def position(row: Row) -> float:
            return row.order if shuffled else float(row.sequence)

        rows = [row for row in self._rows.values() if (row.environment_id, row.connector_id) == place]
        if shuffled:
            rows.sort(key=position)
        start = bisect.bisect_right(rows, after, key=position)
        found = rows[start : start + size]
        return found, position(found[-1]) if len(rows) > start + size else None

    def later(self, at: float, what: Callable[[float], None]) -> None:
        """Have something happen at a time."""
        heapq.heappush(self._due, (at, next(self._sequence), what))

    def settle(self, now: float) -> None:
        """Let everything happen that is due by now, in order and each at its own time."""
        while self._due and self._due[0][0] <= now:
            at, _, what = heapq.heappop(self._due)
            what(at)

    def intervals(self, vm_id: str, statuses: frozenset[str] = LICENSED) -> list[tuple[float, float | None]]:
        """Return when a VM had a row in one of the statuses: since and until, or None for still."""
        result: list[tuple[float, float | None]] = []
        rows_in: set[int] = set()
        since = 0.0
        for change in self.changes:
            if change.vm_id != vm_id:
                continue
            before = bool(rows_in)
            (rows_in.add if change.status in statuses else rows_in.discard)(change.row)
            if rows_in and not before:
                since = change.time
            elif before and not rows_in:
                result.append((since, change.time))
        if rows_in:
            result.append((since, None))
        return result
