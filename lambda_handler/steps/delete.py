"""Deletes entitlements at one connector, and deals with refusals.

Owns DeleteEntitlement's batches. Before each call the ledger is asked once more, in the same write that announces the
call, whether the VMs are still in no set, and whether what was adopted may be removed.
"""

from collections import deque

from ..aws.calls import NotFound, Refused
from ..evs.api import BATCH
from ..evs.listing import Look
from ..evs.rows import Rows, named_in, taken_apart
from ..ledger.state import State
from ..log import logger
from ..text import batches
from ..values import NO_VMS, Connector, VmIds
from .context import Context
from .mutation import Lost, NotSent, Refusal, Taken
from .unsettled import asked_at, may_be_created, may_be_deleted, may_land, unheard_of_others

#: So many refusals of one round that tell no VM from the others are narrowed down. The rest is for the next round.
MOST_UNNAMED = 20

Batch = tuple[str, ...]


class Deletions:
    """What is to be deleted at one connector.

    Args:
        since: when the request began to remove there, in whichever invocation, in epoch seconds.
        until: when the removal ends, in epoch seconds.

    Attributes:
        left: what can't be removed: VM id -> why.
    """

    def __init__(self, context: Context, connector: Connector, since: float, until: float) -> None:
        self._context = context
        self._fence = context.fence
        self._connector = connector
        self._where = (connector.environment_id, connector.connector_id)
        self._until = until
        self._settle_by = since + (until - since) * context.pace.settle
        self.left: dict[str, str] = {}
        #: The targets' rows, by the last look.
        self._rows: Rows = {}
        self._not_before: dict[str, float] = {}
        #: Times of adoptions whose operation has certainly completed.
        self._completed: set[float] = set()
        self._unnamed = 0
        #: VMs whose deletion this invocation has heard EVS take.
        self._heard: VmIds = NO_VMS

    def targets(self) -> VmIds:
        """Return what is still to be removed."""
        return self._fence.state.removable(self._connector) - self.left.keys()

    def leave(self, vm_ids: dict[str, str]) -> None:
        """Note what can't be removed: VM id -> why."""
        self.left.update(vm_ids)

    def drop(self, vm_ids: VmIds) -> None:
        """Forget VMs: they hold nothing of ours any more."""
        self._fence.disown(self._connector, vm_ids)

    def delete(self, look: Look) -> None:
        """Delete what is ready for it, by the rows of a look."""
        waits_for_creation = look.began < self._settle_by
        # A creation without an answer could come after the deletion.
        coming = may_land(self._fence.state, self._connector, look.began) if waits_for_creation else NO_VMS
        # There is nothing to pay for, and EVS has refused before: one call without an answer is awaited.
        unheard = (
            may_be_deleted(self._fence.state, self._connector, look.began) & self._context.carried.refused_since.keys()
        )
        awaited = {vm_id for vm_id in unheard & self._rows.keys() if not self._rows[vm_id].may_be_held}
        under_way = self._context.carried.under_way
        ready = [
            vm_id
            for vm_id in self.targets() & self._rows.keys()
            if vm_id not in coming
            and vm_id not in awaited
            and max(self._not_before.get(vm_id, 0.0), under_way.get(vm_id, 0.0)) <= look.began
            and not (self._rows[vm_id].is_creating and waits_for_creation)
        ]
        # What EVS has refused goes alone: it would hold up others. So does what it has left out.
        alone = frozenset(ready) & (self._context.carried.refused_since.keys() | self._context.carried.left_out)
        queue = deque([*batches(frozenset(ready) - alone, BATCH), *batches(alone, 1)])
        self._unnamed = 0
        while queue and self._context.clock.now() < self._until:
            self._call(queue, look)

    def _allowed(self, state: State, look: Look) -> VmIds:
        """Return the VMs that may be deleted, by the ledger as it is: in no set, and not adopted unless for certain.

        Nor may those be whose deletion EVS has taken since the look, or shortly before: of another invocation, while
        this one was held up.
        """
        adopted = state.holding(self._connector).adopted
        unjudged = {vm_id for vm_id, adoption in adopted.items() if adoption.at not in self._completed}
        return state.removable(self._connector) - unjudged - self._asked_lately(state, look)

    def _asked_lately(self, state: State, look: Look) -> VmIds:
        """Return the VMs whose deletion EVS has taken, so lately that a look may still show them.

        A second call could hit whoever entitles the VM next. So could one beside that of another invocation, which is
        on its way: a live one tells soon what has come of it.
        """
        pace, now, asked = self._context.pace, self._context.clock.now(), asked_at(state, self._connector)
        lately = frozenset(vm_id for vm_id, at in asked.items() if look.began - at < pace.list_lag)
        me, recently = self._fence.invocation, now - pace.others_for
        return lately | unheard_of_others(state, self._connector, "DeleteEntitlement", me, recently)

    def _call(self, queue: "deque[Batch]", look: Look) -> None:
        mutations = self._context.mutations
        window = [queue.popleft() for _ in range(min(len(queue), self._context.pace.announced_at_once))]
        outcomes = mutations.run(
            "DeleteEntitlement", self._connector, map(frozenset, window), {}, lambda state: self._allowed(state, look)
        )
        called = NO_VMS.union(*(vm_ids for vm_ids, _ in outcomes))
        allowed = self._allowed(self._fence.state, look)
        rest = [tuple(vm_id for vm_id in batch if vm_id in allowed and vm_id not in called) for batch in window]
        queue.extendleft(reversed([batch for batch in rest if batch]))
        for vm_ids, outcome in outcomes:
            match outcome:
                case Taken(rows):
                    self._took(vm_ids, rows, look)
                case NotSent(error):
                    queue.extendleft(reversed(batches(vm_ids, BATCH)))
                    if error is not None:
                        mutations.retries.wait(error, self._until)
                case Lost(error):
                    mutations.retries.wait(error, self._until)
                case Refusal(error):
                    self._take_apart(error, batches(vm_ids, BATCH)[0], queue)

    def _took(self, vm_ids: VmIds, answered: Rows, look: Look) -> None:
        self._context.carried.all_refused_since.pop(self._connector, None)
        for vm_id in vm_ids:
            self._context.carried.refused_since.pop(vm_id, None)
            self._context.carried.under_way.pop(vm_id, None)
        # EVS may have taken the call for those VMs only that it answers with.
        left_out = vm_ids - answered.keys() if answered and len(vm_ids) > 1 else NO_VMS
        self._heard = (self._heard - left_out) | (vm_ids - left_out)
        carried = self._context.carried
        carried.left_out = (carried.left_out - vm_ids) | left_out
        carried.ended |= {
            vm_id for vm_id in vm_ids - left_out if (row := self._rows.get(vm_id)) and not row.may_be_held
        }
        gone = frozenset(vm_id for vm_id, row in answered.items() if row.is_gone and vm_id in vm_ids)
        if gone:
            state, now = self._fence.state, self._context.clock.now()
            pending = may_be_created(state, self._connector, look.began) | may_be_deleted(state, self._connector, now)
            self._fence.forget(self._connector, gone - pending, now, state.claims)

    # --- refusals --------------------------------------------------------------------------------------------------

    def _take_apart(self, error: NotFound | Refused, batch: Batch, queue: "deque[Batch]") -> None:
        """One VM of a batch is refused: the others still go."""
        if isinstance(error, NotFound) and error.resource_id in self._where:
            # Whether that is so, the next look says.
            queue.clear()
            return
        named = named_in(error, batch)
        tells_apart = 0 < len(named) < len(batch)
        if len(batch) == 1 or (not tells_apart and self._unnamed >= MOST_UNNAMED):
            self._refused(batch, named.get(batch[0], f"{error.code}: {error.message}"), is_named=bool(named))
        else:
            self._unnamed += not tells_apart
            queue.extendleft(reversed(taken_apart(error, batch)))

    def _refused(self, batch: Batch, cause: str, *, is_named: bool) -> None:
        """Note a refusal, which is final when it has lasted.

        One of several VMs counts only while EVS takes no deletion at this connector: then it is no matter of one VM.
        """
        carried, pace, now = self._context.carried, self._context.pace, self._context.clock.now()
        state = self._fence.state
        pending = may_be_created(state, self._connector, now) | may_be_deleted(state, self._connector, now)
        limit = pace.refused_for if is_named and len(batch) == 1 else pace.refused_unnamed_for
        asked = asked_at(state, self._connector)
        for vm_id in batch:
            # As of the look before the call; if that has changed since, the next one tells.
            row = self._rows.get(vm_id)
            if vm_id in asked or vm_id in carried.under_way:
                # EVS may refuse a second deletion while it carries out the first one.
                carried.under_way[vm_id] = now + pace.list_lag
                continue
            if len(batch) == 1:
                since = carried.refused_since.setdefault(vm_id, now)
            else:
                since = carried.all_refused_since.setdefault(self._connector, now)
            self._not_before[vm_id] = now + pace.refused_retry
            if row is None or row.is_creating or now - since <= limit:
                continue
            if row.may_be_held:
                self.left[vm_id] = cause
            elif vm_id not in pending:
                # Failed, or removed by EVS: there is nothing to pay for, and EVS will not have it deleted.
                logger.warning("EVS refuses to delete %s, which is %s: %s", vm_id, row.word, cause)
                self.drop(frozenset({vm_id}))
