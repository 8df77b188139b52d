"""The EVS API: pages, batches of 100, typed rows. The only module that calls it.

Rules from the EVS API reference (CreateEntitlement, DeleteEntitlement, ListVmEntitlements) and the EVS user guide:
1 to 100 VM ids a call, pages of at most 100 rows, no filter by VM, creation is asynchronous.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .aws import Clients, NotFound, Refused, call
from .clock import Clock
from .properties import Connector

#: Of the EVS API.
API_VERSION = "2023-07-27"
#: Most VM ids that one call takes, and most rows that one page holds.
BATCH = 100
#: A row with one of these holds an entitlement.
HELD = frozenset({"CREATING", "CREATED", "AT_RISK"})
#: EVS took it away and gives it back by itself once the VM complies again.
REMOVED = "ENTITLEMENT_REMOVED"
#: A mutating call leaves this many seconds after the ledger was told, or not at all.
SEND_WITHIN = 5.0
#: ... and can take no effect this many seconds after that: connecting, the call, and as long again at the far end.
LANDS_WITHIN = 30.0

_VM_ID = re.compile(r"\bvm-[0-9]+\b")


@dataclass(frozen=True)
class Row:
    """One row of ListVmEntitlements, as far as it matters here."""

    vm_id: str
    status: str
    since: float = 0.0
    error_code: str = ""
    error_message: str = ""

    @property
    def held(self) -> bool:
        """CREATING, CREATED or AT_RISK."""
        return self.status in HELD

    @property
    def gone(self) -> bool:
        """DELETED: the same as no row."""
        return self.status == "DELETED"

    @property
    def creating(self) -> bool:
        """Not settled yet."""
        return self.status == "CREATING"

    @property
    def entitled(self) -> bool:
        """CREATED, or AT_RISK, which is an entitlement whose connector is out of reach for the moment."""
        return self.status in ("CREATED", "AT_RISK")

    @property
    def cause(self) -> str:
        """``errorCode: errorMessage``, or the status where EVS gives none."""
        return f"{self.error_code}: {self.error_message}" if self.error_code else self.status


Rows = dict[str, Row]


class TooLate(Exception):
    """The time in which the ledger was told the call would leave is over; nothing was sent."""


class Evs:
    """The EVS API.

    Parameters
    ----------
    clients
        Makes the client at the first call.
    """

    def __init__(self, clients: Clients, clock: Clock) -> None:
        self._clients = clients
        self._clock = clock
        self._made: Any = None
        self._send_by = 0.0

    @property
    def _client(self) -> Any:
        if self._made is None:
            # The version that the asset brings along, though Lambda's own botocore may know a newer one.
            self._made = self._clients.make("evs", api_version=API_VERSION)
            # Just before the bytes leave, after signing: a process that was held up must not send any more.
            for operation in ("CreateEntitlement", "DeleteEntitlement"):
                self._made.meta.events.register(f"before-send.evs.{operation}", self._in_time)
        return self._made

    def _in_time(self, **_: Any) -> None:
        if self._clock.now() > self._send_by:
            raise TooLate

    def page(self, connector: Connector, token: str | None = None) -> tuple[list[Row], str | None]:
        """Return one page of rows, and the token of the next or None."""
        more = {"nextToken": token} if token else {}
        answer = call(
            self._client.list_vm_entitlements,
            "evs:ListVmEntitlements",
            environmentId=connector.environment_id,
            connectorId=connector.connector_id,
            entitlementType="WINDOWS_SERVER",
            maxResults=BATCH,
            **more,
        )
        return list(_rows(answer)), answer.get("nextToken") or None

    def create(self, connector: Connector, vm_ids: tuple[str, ...], send_by: float) -> Rows:
        """Call CreateEntitlement, which must leave before `send_by` (epoch seconds).

        Raises
        ------
        AwsError, TooLate
        """
        return self._change("CreateEntitlement", self._client.create_entitlement, connector, vm_ids, send_by)

    def delete(self, connector: Connector, vm_ids: tuple[str, ...], send_by: float) -> Rows:
        """Call DeleteEntitlement; else as `create`."""
        return self._change("DeleteEntitlement", self._client.delete_entitlement, connector, vm_ids, send_by)

    def _change(
        self, operation: str, method: Any, connector: Connector, vm_ids: tuple[str, ...], send_by: float
    ) -> Rows:
        self._send_by = send_by
        answer = call(
            method,
            f"evs:{operation}",
            environmentId=connector.environment_id,
            connectorId=connector.connector_id,
            entitlementType="WINDOWS_SERVER",
            vmIds=list(vm_ids),
        )
        return merged(_rows(answer))


def merged(rows: Iterable[Row], into: Rows | None = None) -> Rows:
    """Reduce rows to one a VM: a held one counts before the others, then the newest."""
    result: Rows = {} if into is None else into
    for row in rows:
        known = result.get(row.vm_id)
        if known is None or (row.held, row.since) >= (known.held, known.since):
            result[row.vm_id] = row
    return result


def named(refusal: Refused | NotFound, among: Iterable[str]) -> dict[str, str]:
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


def _rows(answer: dict[str, Any]) -> Iterator[Row]:
    for row in answer.get("entitlements") or ():
        vm_id, status = row.get("vmId"), row.get("status")
        if vm_id and status:
            error = row.get("errorDetail") or {}
            yield Row(vm_id, status, _newest(row), error.get("errorCode", ""), error.get("errorMessage", ""))


def _newest(row: dict[str, Any]) -> float:
    for name in ("startedAt", "lastSyncedAt", "stoppedAt"):
        moment = row.get(name)
        if isinstance(moment, datetime):
            return moment.timestamp()
    return 0.0
