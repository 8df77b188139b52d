"""Waits until what was created is settled.

Owns the pace of the looks, and when bad news on the list is to be believed: it may lag behind the calls.
"""

from .entitle import Entitling
from .errors import Failure
from .evs import Row
from .ledger import VmIds
from .look import LIST_LAG, Watch
from .properties import Connector
from .text import count, some
from .turn import Turn


class Waiting:
    """The wait for one connector's creations.

    Attributes
    ----------
    since
        When the last CreateEntitlement call was done with and only the wait was left, in epoch seconds; None before.
    """

    def __init__(self, turn: Turn, connector: Connector, entitling: Entitling) -> None:
        self._turn = turn
        self._entitling = entitling
        self._connector = connector
        self.since: float | None = None

    def wait(self, required: VmIds) -> None:
        """Wait until each required VM is CREATED (or AT_RISK) or has failed.

        Raises
        ------
        Failure
            The time was up, naming what was CREATING; access denied; EVS out of reach for too long.
        """
        turn, entitling = self._turn, self._entitling
        watch = Watch(turn, self._connector)
        again: set[str] = set()
        self.since = turn.clock.now()
        while outstanding := self._outstanding(required):
            now = turn.clock.now()
            if now >= turn.work_by:
                raise Failure(self._late(outstanding, required))
            turn.clock.pause(min(self._interval(now), max(turn.work_by - now, 0.1)))
            watch.progress(len(required) - len(outstanding), len(required))
            seen, complete = watch.look(outstanding)
            seen = {vm_id: row for vm_id, row in seen.items() if not self._lagging(row)}
            entitling.rows.update(seen)
            if complete:
                vanished = self._vanished(outstanding - seen.keys())
                entitling.failed.update(dict.fromkeys(vanished & again, "EVS does not list it any more"))
                if vanished - again:
                    self.since = None
                    entitling.create(vanished - again)
                    self.since = turn.clock.now()
                again |= vanished

    def has_lasted(self, seconds: float) -> bool:
        """Tell whether every VM was called for, and longer ago than that."""
        return self.since is not None and self._turn.clock.now() - self.since > seconds

    def _outstanding(self, required: VmIds) -> VmIds:
        entitling = self._entitling
        result = set()
        for vm_id in required:
            row = entitling.rows.get(vm_id)
            if vm_id in entitling.failed or vm_id in entitling.untried or (row is not None and row.entitled):
                continue
            if row is None or row.creating:
                result.add(vm_id)
            else:
                entitling.failed[vm_id] = row.cause
        return frozenset(result)

    def _lagging(self, row: Row) -> bool:
        """Tell whether the list still shows what was there before the call."""
        since = self._turn.clock.now() - self._entitling.made_at.get(row.vm_id, 0.0)
        return since < LIST_LAG and row == self._entitling.former.get(row.vm_id)

    def _vanished(self, vm_ids: VmIds) -> VmIds:
        now, made_at = self._turn.clock.now(), self._entitling.made_at
        return frozenset(vm_id for vm_id in vm_ids if now - made_at.setdefault(vm_id, now) > LIST_LAG)

    def _interval(self, now: float) -> float:
        """Seconds until the next look: the answer follows within 2 s at first, within 15 s later on."""
        elapsed = now - max(self._entitling.made_at.values(), default=self._turn.request.issued_at(now))
        if elapsed < 10:
            return 1.0
        return 1.5 if elapsed < 60 else min(elapsed / 20, 12.0)

    def _late(self, outstanding: VmIds, required: VmIds) -> str:
        late = f"time is up: {count(len(outstanding))} of {len(required):,} still CREATING: {some(outstanding)}"
        return f"{late}. {self._entitling.so_far()}".rstrip()
