"""Where a run takes place, and what is listed there: environment, connector, and the VMs that the run may entitle.

Owns the looks at EVS's list. Changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.utils import parse_timestamp

from acceptance.errors import AcceptanceError
from acceptance.evs_calls import Answer, EvsCalls

#: Held, or about to be: somebody pays for it, or may.
NOT_HELD = frozenset({"DELETED", "CREATE_FAILED"})
#: Seconds between two looks.
LOOK_EVERY = 1.0
#: Looks are rarer after so many seconds, for the sake of whoever else uses the API.
SOON, LATER_EVERY = 90.0, 5.0

Row = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Environment, connector and VMs of a run.

    Attributes:
        vm: the VM that the run entitles.
        second: another one, or None.
        unknown: a VM id that no vCenter has.
        other_type: a connector of the environment that is of another type than VCENTER, or None.
    """

    environment: str
    connector: str
    vm: str
    second: str | None
    unknown: str
    other_type: str | None = None

    @property
    def vms(self) -> list[str]:
        """All VM ids that the run may name in a call."""
        return [vm_id for vm_id in (self.vm, self.second, self.unknown) if vm_id]


@dataclass(frozen=True)
class Seen:
    """What came of waiting: whether it came, how long after the beginning, and at which look."""

    came: bool
    seconds: float
    looks: int
    rows: list[Row]

    @property
    def row(self) -> Row:
        """The row that counts of those that were seen last; empty where there is none."""
        held = [row for row in self.rows if is_held(row)]
        return (held or present(self.rows) or self.rows or [{}])[-1]


class Looks:
    """Looks at the list at one connector.

    Attributes:
        statuses, members: of every row that was seen, whosever it is.
        names: of VMs that were seen.
        times: of rows, as they came.
        skews: how far the service's clock was ahead, in seconds, answer by answer.
    """

    def __init__(self, evs: EvsCalls, environment: str, connector: str) -> None:
        self._evs, self._where = evs, (environment, connector)
        self.statuses: set[str] = set()
        self.members: set[str] = set()
        self.names: set[str] = set()
        self.skews: list[float] = []
        self.times: set[str] = set()

    def rows(self, vm_id: str) -> list[Row]:
        """Return the rows of a VM, in the order of the list.

        Raises:
            AcceptanceError: EVS does not list them.
        """
        return [row for row in self.all_rows() if row.get("vmId") == vm_id]

    def all_rows(self) -> list[Row]:
        """Return all rows at the connector; raises AcceptanceError."""
        rows: list[Row] = []
        for answer in self._evs.pages(*self._where):
            rows += answer.rows
            self.learn(answer)
        return rows

    def learn(self, answer: Answer) -> None:
        """Note what the rows of an answer look like."""
        self.skews += [answer.skew] if answer.skew is not None else []
        self.times.update(answer.times)
        for row in answer.rows:
            self.members.update(row)
            self.statuses.add(str(row.get("status")))
            if row.get("vmName"):
                self.names.add(str(row["vmName"]))

    def wait(self, vm_id: str, until: Callable[[list[Row]], bool], since: float, limit: float) -> Seen:
        """Look until the rows of a VM are as they should be.

        Args:
            since: in seconds since 1970; what `Seen.seconds` counts from.
            limit: seconds after which looking ends.
        """
        looks = 0
        while True:
            rows = self.rows(vm_id)
            looks += 1
            passed = time.time() - since
            if (came := until(rows)) or passed > limit:
                return Seen(came, passed, looks, rows)
            time.sleep(LOOK_EVERY if passed < SOON else LATER_EVERY)


def is_held(row: Row) -> bool:
    """Tell whether a row is an entitlement, or may become one; a status that is not known counts."""
    return bool(row) and row.get("status") not in NOT_HELD


def any_held(rows: list[Row]) -> bool:
    """Tell whether one of these rows is or may become an entitlement."""
    return any(map(is_held, rows))


def present(rows: list[Row]) -> list[Row]:
    """Return the rows that are not deleted: EVS may go on to list former ones."""
    return [row for row in rows if row.get("status") != "DELETED"]


def settled(rows: list[Row]) -> bool:
    """Tell whether there is a row, and none that EVS is still at work on."""
    return bool(present(rows)) and all(row.get("status") != "CREATING" for row in rows)


def started(row: Row) -> float | None:
    """Return when a row began, in seconds since 1970; None where it does not say."""
    value = row.get("startedAt")
    if value is None or isinstance(value, bool):
        return None
    try:
        # A number or a text, as an SDK would take it.
        moment: datetime = parse_timestamp(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return float(value) if isinstance(value, int | float) else moment.timestamp()


def require_free(evs: EvsCalls, environment: str, connectors: list[str], vm_ids: list[str]) -> None:
    """Refuse a VM of which EVS lists anything but what was deleted.

    Args:
        connectors: all of the environment at which a VM may be entitled.

    Raises:
        AcceptanceError: it is entitled already, or EVS does not say.
    """
    for connector in connectors:
        for answer in evs.pages(environment, connector):
            for row in answer.rows:
                if row.get("vmId") in vm_ids and row.get("status") != "DELETED":
                    raise AcceptanceError(
                        f"{row.get('vmId')}: EVS lists an entitlement already ({row.get('status')} at {connector}); "
                        "expected a VM without one: a run never touches what exists. Nothing was changed"
                    )
