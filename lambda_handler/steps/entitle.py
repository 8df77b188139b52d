"""Creates what a plan asks for.

Owns batches and refusals; never removes anything. An answer that never came is no failure and no reason to call blindly
again: look first. A refused batch is taken apart until the refused VMs are known one by one. What EVS refuses is not
ours, unless a call of ours that nobody knows the outcome of explains the refusal.
"""

import re
from collections import deque
from collections.abc import Collection, Iterable

from ..aws.calls import AwsError, NotFound, Refused
from ..cloudformation.properties import Properties
from ..errors import Failure
from ..evs.api import BATCH
from ..evs.listing import not_found_again
from ..evs.missing import explained, not_found
from ..evs.rows import Rows, named_in, taken_apart
from ..text import batches, count, some
from ..values import NO_VMS, VmIds
from .context import Context
from .mutation import Lost, NotSent, Refusal, Taken
from .progress import Progress
from .unsettled import Ours, called_by_others, called_since, may_be_created

#: Words by which a refusal may mean that the VM is entitled already. EVS's wording is not documented. Where these miss
#: it, a VM that the list does not show yet counts as refused. That a VM does not exist is none of them.
_ALREADY = re.compile(
    r"already|duplicate|conflict|in use"
    r"|(?<!not )(?<!n't )(?<!n\u2019t )(?<!no longer )(?<!never )(?<!non-)(?<!non)exist",
    re.IGNORECASE,
)

Batch = tuple[str, ...]


class Entitling:
    """Creation at the connector of one request."""

    def __init__(self, context: Context, declared: Properties, progress: Progress) -> None:
        self._context = context
        self._connector = declared.connector
        self._adopts = declared.adopt_existing
        self._where = (declared.connector.environment_id, declared.connector.connector_id)
        self._progress = progress
        #: What was ours when the plan was made.
        self._known = context.fence.state.owned(declared.connector)
        self._is_best_effort = False
        self._seen: Rows = {}
        self._looked_at = 0.0

    def create(self, vm_ids: VmIds, *, is_best_effort: bool = False) -> None:
        """Call CreateEntitlement for VMs, at most 100 a call, until each is taken or refused.

        Args:
            is_best_effort: take the first refusal of a VM for an answer.

        Raises:
            Failure: environment or connector unknown, access denied, EVS out of reach for too long, or time is up.
        """
        self._is_best_effort = is_best_effort
        queue = deque(batches(vm_ids - self._progress.failed.keys(), BATCH))
        while queue:
            if self._context.carried.singled_out[is_best_effort] >= self._context.pace.most_singled_out:
                for batch in queue:
                    self._progress.leave_untried(batch)
                return
            self._call(queue)

    def _call(self, queue: "deque[Batch]") -> None:
        """Call for the first batches of the queue; put back what is to be called for again."""
        context = self._context
        if context.clock.now() >= context.work_by:
            left = [vm_id for batch in queue for vm_id in batch]
            late = f"time is up: {count(len(left))} not created yet: {some(left)}. {self._progress.so_far()}"
            raise Failure(late.rstrip())
        window = [queue[number] for number in range(min(len(queue), context.pace.announced_at_once))]
        rows = self._progress.rows
        former = {vm_id: row for batch in window for vm_id in batch if (row := rows.get(vm_id)) and not row.is_gone}
        for _, outcome in context.mutations.run(
            "CreateEntitlement", self._connector, map(frozenset, window), former, known=self._known
        ):
            batch = queue.popleft()
            match outcome:
                case Taken():
                    self._took(frozenset(batch), outcome)
                case NotSent(error):
                    queue.appendleft(batch)
                    if error is not None:
                        self._ride_out(error)
                case Lost(error):
                    self._progress.may_have_made(frozenset(batch))
                    self._ride_out(error)
                    queue.extendleft(reversed(batches(self._not_held(batch), BATCH)))
                case Refusal(error):
                    if isinstance(error, NotFound) and error.resource_id in self._where:
                        self._doubt_not_found(error)
                        queue.appendleft(batch)
                    else:
                        self._take_apart(error, batch, queue)

    def _doubt_not_found(self, error: NotFound) -> None:
        """Believe that environment or connector does not exist only when EVS says so again, over some seconds."""
        pace, now, carried = self._context.pace, self._context.clock.now(), self._context.carried
        carried.not_found = not_found_again(carried.not_found, self._connector, now)
        if carried.not_found.is_believed(now, pace):
            raise not_found(error, self._connector, self._context.request.place) from error
        self._context.clock.pause(pace.not_found_for / 4)

    def _took(self, batch: VmIds, taken: Taken) -> None:
        carried = self._context.carried
        carried.not_found = None
        for vm_id in batch:
            carried.doubted_since.pop(vm_id, None)
        now, pace = self._context.clock.now(), self._context.pace
        self._progress.took(batch - taken.foreign, taken.rows, now, pace.list_lag)
        if taken.foreign:
            self._progress.found_somebody_elses(taken.foreign, now + pace.list_lag, adopt=self._adopts)
            self._progress.saw({vm_id: taken.rows[vm_id] for vm_id in taken.foreign}, now)

    def _ride_out(self, error: AwsError) -> None:
        try:
            self._context.mutations.retries.wait(error, self._context.until)
        except AwsError:
            raise Failure(f"EVS can't be reached: {error}") from error

    # --- looking again ---------------------------------------------------------------------------------------------

    def _not_held(self, batch: Batch, within: float = 0.0) -> list[str]:
        """Return the VMs that hold nothing of ours; by a look of now, or one begun `within` so many seconds."""
        context = self._context
        now = context.clock.now()
        if now - self._looked_at >= within:
            try:
                look = context.listing.look(self._connector, context.until)
            except AwsError as error:
                raise explained(error, self._connector, context.request.place) from error
            self._seen, self._looked_at = look.rows, look.began
        if not self._unheard_of(batch, now).isdisjoint(self._seen):
            # The other invocation may have told the ledger since.
            context.fence.reload()
        unheard = self._unheard_of(batch, now)
        ours = Ours(context.fence.state, self._connector)
        held = {
            vm_id: row
            for vm_id in batch
            if (row := self._seen.get(vm_id)) and row.may_be_held and vm_id not in unheard and ours.has(row)
        }
        context.fence.confirm(self._connector, ours.shown(held, held))
        self._progress.saw(held, now)
        return [vm_id for vm_id in batch if vm_id not in held]

    def _unheard_of(self, batch: Batch, now: float) -> VmIds:
        """Return the VMs that only the call of another invocation explains.

        That one may be about to say that EVS has refused it.
        """
        fence, recently = self._context.fence, now - self._context.pace.others_for
        return called_by_others(fence.state, self._connector, fence.invocation, recently).intersection(batch)

    def _somebody_elses(self, batch: Iterable[str]) -> VmIds:
        """Return the VMs that the last look shows as held by somebody else."""
        fence = self._context.fence
        shown = [row for vm_id in batch if (row := self._seen.get(vm_id))]
        if not Ours(fence.state, self._connector).others_in(shown):
            return NO_VMS
        # Another resource of this stack may have created them since the ledger was read: it says so before.
        fence.reload()
        return Ours(fence.state, self._connector).others_in(shown)

    # --- refusals --------------------------------------------------------------------------------------------------

    def _take_apart(self, error: NotFound | Refused, batch: Batch, queue: "deque[Batch]") -> None:
        """Find out which VMs of a refused batch are the refused ones; the others go again.

        Halves of a batch that was just looked at are not looked at again until it is about single VMs: a long list is
        read once for each refused VM, not at each step on the way to it.
        """
        pace = self._context.pace
        rest = self._not_held(batch, within=pace.narrowing if len(batch) > 1 else 0.0)
        if foreign := self._somebody_elses(rest):
            now = self._context.clock.now()
            self._progress.found_somebody_elses(foreign, now + pace.list_lag, adopt=self._adopts)
            self._progress.saw({vm_id: self._seen[vm_id] for vm_id in foreign}, now)
            rest = [vm_id for vm_id in rest if vm_id not in foreign]
        guilty = named_in(error, rest)
        if self._is_in_doubt(error, guilty or rest[:1]):
            self._context.fence.tell_void()
            self._context.clock.pause(pace.doubt)
            self._looked_at = 0.0
            queue.extendleft(reversed(batches(rest, BATCH)))
        elif len(rest) < len(batch):
            queue.extendleft(reversed(batches(rest, BATCH)))
        elif len(rest) == 1:
            self._context.carried.singled_out[self._is_best_effort] += 1
            self._progress.fail(guilty or {rest[0]: f"{error.code}: {error.message}"})
        else:
            queue.extendleft(reversed(taken_apart(error, tuple(rest))))

    def _is_in_doubt(self, error: NotFound | Refused, vm_ids: Collection[str]) -> bool:
        """Tell whether VMs may be refused for an entitlement that the list does not show yet.

        It may be our own: a call for the VM, of this or another invocation, without an answer, or one that EVS took.
        Where the words do not say so, that is believed for some seconds only.
        Where existing entitlements are to be adopted it may be anybody's, and the list shows it in a while.
        """
        context, now = self._context, self._context.clock.now()
        if self._is_best_effort:
            return False
        context.fence.reload()
        state = context.fence.state
        is_already = _ALREADY.search(str(error)) is not None
        recently = now - context.pace.others_for
        # It has become ours since: another resource's call was taken, listed, and is forgotten. The next look takes it.
        made = state.owned(self._connector) - self._known
        if not (called_since(state, self._connector, recently) | made).isdisjoint(vm_ids):
            return True
        if is_already and not may_be_created(state, self._connector, now).isdisjoint(vm_ids):
            return True
        if not self._adopts or not is_already:
            return False
        since = [context.carried.doubted_since.setdefault(vm_id, now) for vm_id in vm_ids]
        return bool(since) and now - min(since) < context.pace.list_lag
