"""How a connector is: whether it can hold entitlements, reaches its vCenter, and until when EVS waits for it.

Owns the reading of ListEnvironmentConnectors. Pure: it calls nothing and imports nothing but the standard library, so
that a Lambda function without this package's libraries can use it as it is.

Rules from the EVS user guide, https://docs.aws.amazon.com/evs/latest/userguide/ (Windows Server licensing): the check
runs every ten minutes. While it fails, all entitlements of that vCenter are AT_RISK. After 8 hours they are removed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

#: How long EVS keeps entitlements of a vCenter that its connector does not reach.
GRACE = timedelta(hours=8)
#: The type of connector that entitlements need.
VCENTER = "VCENTER"
#: Checks whose failure means that the connector does not reach its vCenter.
REACHABILITY = frozenset({"VCENTER_REACHABILITY", "REACHABILITY"})


@dataclass(frozen=True)
class Check:
    """One of the checks that EVS makes of a connector: ``result`` is PASSED, FAILED or UNKNOWN."""

    type: str
    result: str
    impaired_since: datetime | None = None

    @property
    def words(self) -> str:
        """Which check it is, its result, and since when that is not what it should be, where EVS says so."""
        since = f" since {self.impaired_since.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if self.impaired_since else ""
        return f"check {self.type} is {self.result}{since}"


@dataclass(frozen=True)
class Connector:
    """What ListEnvironmentConnectors says of one connector."""

    connector_id: str
    type: str
    state: str
    checks: tuple[Check, ...] = ()
    fqdn: str = ""

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Connector:
        """Return a connector in the API's form as a value."""
        checks = (
            Check(str(check.get("type") or ""), str(check.get("result") or ""), _time(check.get("impairedSince")))
            for check in row.get("checks") or ()
        )
        names = ("connectorId", "type", "state", "applianceFqdn")
        connector_id, kind, state, fqdn = (str(row.get(name) or "") for name in names)
        return cls(connector_id, kind, state, tuple(checks), fqdn)

    @property
    def reachable(self) -> bool | None:
        """Whether the connector reaches its vCenter; None where no check says so."""
        results = {check.result for check in self.checks if check.type in REACHABILITY}
        if "FAILED" in results:
            return False
        return True if "PASSED" in results else None

    @property
    def removal_at(self) -> datetime | None:
        """When EVS removes the entitlements of this connector unless it reaches vCenter again; None if it does."""
        since = [
            check.impaired_since
            for check in self.checks
            if check.type in REACHABILITY and check.result == "FAILED" and check.impaired_since
        ]
        return min(since) + GRACE if since else None

    @property
    def problems(self) -> tuple[str, ...]:
        """What keeps this connector from holding entitlements; empty when nothing does."""
        found = []
        if self.type != VCENTER:
            found.append(f"its type is {self.type}, and entitlements need one of type {VCENTER}")
        if self.state != "ACTIVE":
            found.append(f"its state is {self.state}, not ACTIVE")
        found += [check.words for check in self.checks if check.result != "PASSED"]
        return tuple(found)


def removal_at(connector: Connector | None, first_seen: datetime) -> datetime:
    """Return when EVS removes entitlements that are AT_RISK, unless the connector reaches its vCenter again.

    Args:
        connector: what EVS says of it, where that is known. Its check may have failed before anybody looked.
        first_seen: when AT_RISK was first seen.
    """
    known = connector.removal_at if connector else None
    seen = first_seen + GRACE
    return min(known, seen) if known else seen


def _time(value: object) -> datetime | None:
    return value if isinstance(value, datetime) else None
