"""Makes what a Create or Update declares so: look, plan, create, wait.

Owns the order of these, and what a user is told of a conflict. Only ever adds; never writes down that it succeeded.
"""

from ..aws.calls import AwsError
from ..cloudformation.properties import Properties
from ..errors import Failure, LedgerFailure
from ..evs.listing import Look
from ..evs.missing import explained
from ..log import logger
from ..text import causes, count, some
from ..values import NO_VMS, VmIds
from .context import Context
from .entitle import Entitling
from .plan import Plan, plan
from .progress import Progress
from .unsettled import Ours
from .wait import NOT_LISTED, Waiting

#: What a user is told where entitlements exist that this stack did not create.
CONFLICT = (
    "already entitled, and not by this stack: {vm_ids} at {connector}. Nothing was changed. To take these over, set "
    "adopt_existing=True on the construct (-c adoptExisting=true for app.py, AdoptExisting in a template). Where "
    "another stack declares them, first deploy that stack with removal_policy=RETAIN, then without its whole set at "
    "this connector; otherwise it will remove them"
)
#: Between looks, while a call that is under way may still hit a VM of the set, in seconds.
BUSY = 2.0


class Declaring:
    """The creations of one request in one invocation.

    Attributes:
        adopting: VMs that are to be taken over if the request succeeds.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._fence = context.fence
        self.adopting: VmIds = NO_VMS
        self._waiting: Waiting | None = None

    def entitle(self, declared: Properties) -> tuple[Progress, Plan]:
        """Create what is missing, and wait until each VM that is required is CREATED or has failed.

        Raises:
            Failure: a conflict, environment or connector unknown, access denied, or the time is up.
            LedgerFailure, AwsError, HandOver, Overtaken, Restart
        """
        context = self._context
        self._waiting = None
        look, planned = self._planned(declared)
        for vm_id in planned.conflicts.keys() | planned.adopt:
            # Whatever a call of ours without an answer may have made: this is somebody else's.
            context.carried.times_taken.pop(vm_id, None)
        if planned.conflicts:
            conflicts = [
                f"{vm_id} ({row.word})" if row.status.name == "UNKNOWN" else vm_id
                for vm_id, row in sorted(planned.conflicts.items(), key=lambda item: (len(item[0]), item[0]))
            ]
            raise Failure(CONFLICT.format(vm_ids=some(conflicts, sort=False), connector=declared.connector))
        self.adopting = planned.adopt
        state = self._fence.state
        self._fence.confirm(declared.connector, Ours(state, declared.connector).shown(look.rows, declared.vm_ids))
        rows = {vm_id: row for vm_id, row in look.rows.items() if vm_id in declared.vm_ids}
        carried = context.carried
        progress = Progress(rows, carried.failed, planned.awaited, planned.adopt, carried.times_taken)
        progress.restored = planned.restore
        again = planned.create | planned.restore
        # Each time in another invocation.
        twice = progress.taken_twice(again)
        progress.fail({one: row.cause if (row := rows.get(one)) and not row.is_gone else NOT_LISTED for one in twice})
        if carried.called_for_all:
            progress.fail({vm_id: row.cause for vm_id in again if (row := rows.get(vm_id)) and not row.is_gone})
        if planned.create:
            logger.info("entitling %s at %s", count(len(planned.create)), declared.connector)
        entitling = Entitling(context, declared, progress)
        entitling.create(planned.create)
        self._restore(entitling, progress, planned.restore - progress.failed.keys())
        self._waiting = Waiting(
            context, declared.connector, entitling, progress, adopts=declared.adopt_existing, last_page=look.last_page
        )
        self._waiting.wait(planned.required)
        return progress, planned

    def _restore(self, entitling: Entitling, progress: Progress, vm_ids: VmIds) -> None:
        """Create again what was ours and got lost. Where EVS refuses that, the request does not fail."""
        if not vm_ids:
            return
        logger.warning("entitling again: %s", some(vm_ids, 100))
        try:
            entitling.create(vm_ids, is_best_effort=True)
        except LedgerFailure:
            raise
        except (Failure, AwsError) as error:
            logger.warning("could not be entitled again: %s", error)
        lost = {vm_id: progress.failed[vm_id] for vm_id in vm_ids & progress.failed.keys()}
        if lost:
            logger.warning("could not be entitled again: %s", causes(lost))

    def _planned(self, declared: Properties) -> tuple[Look, Plan]:
        """Look and plan. First wait for each call under way of which nobody knows what it does to a VM of the set."""
        context, fence = self._context, self._fence
        others_for = context.pace.others_for
        while True:
            try:
                look = context.listing.look(declared.connector, context.until)
            except AwsError as error:
                raise explained(error, declared.connector, context.request.place) from error
            planned = plan(declared, fence.state, look, others_for, fence.invocation)
            if planned.conflicts or planned.adopt:
                # Another resource of this stack may have created them since the ledger was read: it says so before.
                fence.reload()
                planned = plan(declared, fence.state, look, others_for, fence.invocation)
            if not planned.busy or planned.conflicts:
                return look, planned
            if context.clock.now() >= context.work_by:
                raise Failure(f"time is up: an earlier call for {some(planned.busy)} is still under way")
            logger.info("an earlier call for %s is under way; waiting for it", some(planned.busy))
            context.clock.pause(BUSY)
            fence.reload()

    def has_called_for_all(self) -> bool:
        """Tell whether every VM was called for, and so long ago that the list shows what became of the calls."""
        return self._waiting is not None and self._waiting.has_lasted(self._context.pace.list_lag)
