"""Waits until what was created is settled.

Owns the pace of the looks, and when bad news on the list is to be believed: it may lag behind the calls.
"""

from ..errors import Failure
from ..evs.rows import Rows
from ..log import logger
from ..text import count, some
from ..values import Connector, VmIds
from .context import Context
from .entitle import Entitling
from .explain import AFTER, explain
from .progress import Progress
from .unsettled import Ours, called_by_others

#: Why a VM has failed that EVS has taken twice.
NOT_LISTED = "EVS does not list it any more"
#: Progress is logged every so many seconds.
TELL_EVERY = 10.0


class Waiting:
    """The wait for one connector's creations.

    Attributes:
        since: when the last CreateEntitlement call was done with and only the wait was left, in epoch seconds; None
            before.
    """

    def __init__(
        self,
        context: Context,
        connector: Connector,
        entitling: Entitling,
        progress: Progress,
        *,
        adopts: bool,
        last_page: str | None,
    ) -> None:
        self._context = context
        self._connector = connector
        self._entitling = entitling
        self._progress = progress
        self._adopts = adopts
        self._watch = context.listing.watch(connector, last_page)
        self._told = context.clock.now()
        self._again: VmIds = frozenset()
        self.since: float | None = None

    def wait(self, required: VmIds) -> None:
        """Wait until each required VM is CREATED (or AT_RISK) or has failed.

        Raises:
            Failure: the time was up, naming what was CREATING; access denied; EVS out of reach for too long.
        """
        context, progress = self._context, self._progress
        clock = context.clock
        self.since = clock.now()
        progress.settle(required)
        while outstanding := progress.outstanding(required):
            now = clock.now()
            if now >= context.work_by:
                raise Failure(self._late(outstanding, required))
            context.fence.tell_void()
            clock.pause(min(self._interval(now), max(context.work_by - now, 0.1)))
            self._tell(len(required) - len(outstanding), len(required))
            if self._elapsed(now) > AFTER:
                explain(context, self._connector, "waiting", context.work_by)
            seen, is_complete = self._watch.look(outstanding, context.until)
            news = self._see(seen)
            if is_complete:
                self._call_again(outstanding - news)
            progress.settle(required)
        if unlisted := progress.unlisted(required):
            # EVS answered CREATED. What the list shows too, nobody has to wait for any more.
            self._see(self._watch.look(unlisted, context.until)[0])

    def has_lasted(self, seconds: float) -> bool:
        """Tell whether every VM was called for, and longer ago than that."""
        return self.since is not None and self._context.clock.now() - self.since > seconds

    def _see(self, seen: Rows) -> VmIds:
        """Note rows, and return the VMs of which they say something new.

        A row that neither this invocation nor a call of the ledger's explains is somebody else's.
        """
        fence, progress = self._context.fence, self._progress
        seen = self._explained(seen)
        unknown = [row for row in seen.values() if row.vm_id not in progress.adopted]
        ours = Ours(fence.state, self._connector)
        if ours.others_in(unknown):
            fence.reload()
            ours = Ours(fence.state, self._connector)
            foreign = ours.others_in(unknown)
            fence.disown(self._connector, foreign)
            until = self._context.clock.now() + self._context.pace.list_lag
            progress.found_somebody_elses(foreign, until, adopt=self._adopts)
        news = progress.saw(seen, self._context.clock.now())
        fence.confirm(self._connector, ours.shown(seen, news))
        return news

    def _explained(self, seen: Rows) -> Rows:
        """Leave out rows of which the ledger does not say yet whose they are.

        Only the call of another invocation explains them, and that one may be about to say that EVS has refused it.
        """
        fence, recently = self._context.fence, self._context.clock.now() - self._context.pace.others_for
        if called_by_others(fence.state, self._connector, fence.invocation, 0.0).isdisjoint(seen):
            return seen
        fence.reload()
        unheard = called_by_others(fence.state, self._connector, fence.invocation, recently)
        return {vm_id: row for vm_id, row in seen.items() if vm_id not in unheard}

    def _call_again(self, absent: VmIds) -> None:
        overdue = self._progress.overdue(absent, self._context.clock.now())
        given_up = overdue & (self._again | self._progress.taken_twice(overdue))
        self._progress.fail(dict.fromkeys(given_up, NOT_LISTED))
        again = overdue - given_up
        self._again |= overdue
        if again:
            self.since = None
            self._entitling.create(again)
            self.since = self._context.clock.now()

    def _interval(self, now: float) -> float:
        """Seconds until the next look: the answer follows within 2 s at first, within 15 s later on."""
        elapsed = self._elapsed(now)
        if elapsed < 10:
            return 1.0
        return 1.5 if elapsed < 60 else min(elapsed / 20, 12.0)

    def _elapsed(self, now: float) -> float:
        """Seconds since EVS last took a call of this invocation, or since the request was issued."""
        return now - self._progress.last_taken_at(self._context.request.issued_at(now))

    def _tell(self, done: int, total: int) -> None:
        now = self._context.clock.now()
        if now - self._told >= TELL_EVERY:
            self._told = now
            logger.info("%s of %s created", f"{done:,}", f"{total:,}")

    def _late(self, outstanding: VmIds, required: VmIds) -> str:
        rows = self._progress.rows
        words = sorted({rows[vm_id].word if vm_id in rows else "CREATING" for vm_id in outstanding})
        late = f"{count(len(outstanding))} of {len(required):,} still {' or '.join(words)}: {some(outstanding)}"
        return f"time is up: {late}. {self._progress.so_far()}".rstrip()
