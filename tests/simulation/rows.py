"""Rows of EVS as they are, and as the list shows them: each change of a row shows with a lag of its own.

Owns the truth about entitlements: who made each, who has adopted it for good, when it began and how it ended.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

#: What a row is where its VM is entitled, or may be again without a call.
KNOWN_HELD = frozenset({"CREATING", "CREATED", "AT_RISK"})
OVER = frozenset({"DELETED", "CREATE_FAILED"})
#: Who entitles VMs by hand.
BY_HAND = "by hand"

Where = tuple[str, str]


@dataclass(frozen=True)
class Look:
    """What the list shows of a row. `answer` keeps its form in an answer."""

    status: str
    started_at: float
    synced_at: float
    stopped_at: float | None = None
    error: tuple[str, str] | None = None
    answer: dict[str, Any] = field(default_factory=dict, compare=False)


@dataclass
class Row:
    """One entitlement of one VM, from beginning to end."""

    number: int
    where: Where
    vm_id: str
    maker: str
    began: float
    look: Look
    #: Stacks whose adoption of it can't be rolled back any more.
    adopters: set[str] = field(default_factory=set)
    #: (from when, what is shown); None: no row. In the order of time.
    views: list[tuple[float, Look | None]] = field(default_factory=list)
    is_over: bool = False
    ended_by: str = ""
    deletion_accepted: bool = False
    #: Nobody can tell whose it is: see docs/limits.md.
    is_undecidable: bool = False
    is_deletion_refused: bool = False

    @property
    def status(self) -> str:
        return self.look.status

    @property
    def is_held(self) -> bool:
        """Held by somebody: known to be, or in a status of tomorrow; or EVS gives it back by itself."""
        return not self.is_over and self.look.status not in OVER

    @property
    def is_entitled(self) -> bool:
        return not self.is_over and self.look.status in KNOWN_HELD

    def change(self, now: float, lag: float, status: str, error: tuple[str, str] | None = None) -> None:
        """Give the row another status, shown `lag` seconds from now."""
        stopped = now if status in ("DELETED", "ENTITLEMENT_REMOVED", "CREATE_FAILED") else None
        self.look = replace(self.look, status=status, synced_at=now, stopped_at=stopped, error=error, answer={})
        self._show(now + lag, self.look)

    def end(self, now: float, lag: float, by: str, *, is_listed: bool) -> None:
        """Let the entitlement end by a deletion."""
        self.is_over, self.ended_by = True, by
        self.look = replace(self.look, status="DELETED", synced_at=now, stopped_at=now, answer={})
        self._show(now + lag, self.look if is_listed else None)

    def _show(self, when: float, look: Look | None) -> None:
        if self.views:
            when = max(when, self.views[-1][0])
        self.views.append((when, look))

    def seen(self, now: float) -> Look | None:
        """Return what the list shows at a time."""
        views = self.views
        if len(views) == 1:
            return views[0][1] if views[0][0] <= now else None
        shown = None
        for when, look in views:
            if when > now:
                break
            shown = look
        return shown

    def is_history(self, now: float) -> bool:
        """Tell whether no list will ever show it again."""
        return self.is_over and bool(self.views) and self.views[-1][1] is None and self.views[-1][0] <= now

    def answer(self, look: Look) -> dict[str, Any]:
        """Return it in the form in which botocore returns a row."""
        row = look.answer
        if row:
            return row
        row.update(
            vmId=self.vm_id,
            environmentId=self.where[0],
            connectorId=self.where[1],
            type="WINDOWS_SERVER",
            status=look.status,
            startedAt=moment(look.started_at),
            lastSyncedAt=moment(look.synced_at),
        )
        if look.stopped_at is not None:
            row["stoppedAt"] = moment(look.stopped_at)
        if look.error is not None:
            row["errorDetail"] = {"errorCode": look.error[0], "errorMessage": look.error[1]}
        return row


def moment(seconds: float) -> datetime:
    """Return epoch seconds as botocore returns a timestamp."""
    return datetime.fromtimestamp(round(seconds, 3), UTC)
