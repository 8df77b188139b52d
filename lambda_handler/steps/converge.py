"""Carries a request out, from the fence to the answer, and undoes it on failure.

Owns the order of steps of Create, Update and Delete. Create and Update only ever add; Delete alone removes, with one
exception: whoever comes after a request that was overtaken removes what that one left in no set.
"""

from ..aws.calls import AwsError
from ..cloudformation.answer import Answer
from ..cloudformation.physical_id import failed_id
from ..cloudformation.properties import Properties
from ..errors import Failure, Interruption, LedgerFailure, LedgerGone, Restart, unexpected
from ..evs.listing import Look
from ..evs.missing import explained
from ..ledger.records import Adoption
from ..ledger.state import State, key_of
from ..log import logger
from ..text import causes, clipped, count, some
from ..values import NO_VMS, VmIds
from .context import Context
from .declared_sets import DeclaredSets
from .entitle import Entitling
from .plan import Plan, plan
from .progress import Progress
from .remove import Left, remove_all
from .unsettled import Ours
from .wait import Waiting
from .without_ledger import undo_without_ledger

#: What a user is told where entitlements exist that this stack did not create.
CONFLICT = (
    "already entitled, and not by this stack: {vm_ids} at {connector}. Nothing was changed. To take these over, set "
    "adopt_existing=True on the construct (-c adoptExisting=true for app.py, AdoptExisting in a template). Where "
    "another stack declares them, first deploy that stack with removal_policy=RETAIN, then without its whole set at "
    "this connector; otherwise it will remove them"
)
#: Between looks, while a deletion that is under way may still hit a VM of the set, in seconds.
BUSY = 2.0


class Convergence:
    """One request, carried out by one invocation.

    Args:
        properties: what is declared, or the Failure that says what is wrong with it.
        log_stream: where the whole story stands; named in the Reason of a failure.
    """

    def __init__(self, context: Context, properties: Properties | Failure, log_stream: str) -> None:
        self._context = context
        self._fence = context.fence
        self._request = context.request
        self._given = properties
        self._log_stream = log_stream
        self._sets = DeclaredSets(context, properties)
        self._adopting: VmIds = NO_VMS
        self._made: VmIds = NO_VMS
        self._progress: Progress | None = None
        self._waiting: Waiting | None = None

    def answer(self) -> Answer:
        """Carry the request out.

        Raises:
            Overtaken, HandOver: there is to be no answer from this invocation.
            LedgerGone: of a Delete: the ledger's table does not exist.
        """
        while True:
            try:
                return self._attempt()
            except Restart:
                self._fence.is_failing = False
                self._fence.load(self._context.answer_by)

    def _attempt(self) -> Answer:
        context, fence = self._context, self._fence
        try:
            self._sets.find_out_retained(fence.load(context.until))
            fence.admit(self._sets.begin, context.until)
        except LedgerGone as gone:
            if self._request.type == "Delete":
                raise
            return self.failed(str(gone))
        except Failure as failure:
            return self.failed(str(self._given if isinstance(self._given, Failure) else failure))
        record = fence.record
        context.answer_by = record.answer_by
        if record.answer is not None:
            return Answer.of_stored(record.answer)
        if self._request.type == "Delete":
            return self._delete()
        if isinstance(self._given, Failure):
            return self._conclude(self.failed(str(self._given)))
        if record.failing is not None:
            fence.is_failing = True
            return self._undo(record.failing)
        return self._entitle_or_undo(self._given)

    # --- Create and Update -----------------------------------------------------------------------------------------

    def _entitle_or_undo(self, declared: Properties) -> Answer:
        try:
            self._sets.find_out_kept()
            self._sets.find_out_retained_elsewhere()
            if self._request.type == "Update" and self._sets.is_followed:
                return self._succeed(declared, NO_VMS, 0)
            progress, planned = self._entitle(declared)
            if not progress.missing(planned.required):
                return self._succeed(declared, progress.adopted, len(planned.added))
            reason = f"{progress.report(planned.required)}. VMs that were entitled before are untouched"
        except LedgerGone as gone:
            # Nobody will ever know again what this invocation has made: it removes that itself.
            return self.failed(f"{gone}{undo_without_ledger(self._context, self._sets.connector, self._made_so_far())}")
        except LedgerFailure as failure:
            # What is under way stays in the ledger; without it nothing may be undone.
            return self.failed(str(failure))
        except (Failure, AwsError) as failure:
            reason = str(failure)
        except Exception as error:  # noqa: BLE001 - whatever it is, what was created must not stay behind
            logger.exception("unexpected error")
            reason = unexpected(error)
        return self._fail(reason)

    def _entitle(self, declared: Properties) -> tuple[Progress, Plan]:
        context = self._context
        self._made, self._waiting = self._made_so_far(), None
        look, planned = self._planned(declared)
        if planned.conflicts:
            conflicts = [
                f"{vm_id} ({row.word})" if row.status.name == "UNKNOWN" else vm_id
                for vm_id, row in sorted(planned.conflicts.items(), key=lambda item: (len(item[0]), item[0]))
            ]
            raise Failure(CONFLICT.format(vm_ids=some(conflicts, sort=False), connector=declared.connector))
        self._adopting = planned.adopt
        state = self._fence.state
        self._fence.confirm(declared.connector, Ours(state, declared.connector).shown(look.rows, declared.vm_ids))
        rows = {vm_id: row for vm_id, row in look.rows.items() if vm_id in declared.vm_ids}
        progress = Progress(rows, context.carried.failed, planned.awaited, planned.adopt)
        self._progress = progress
        if context.carried.called_for_all:
            again = planned.create | planned.restore
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
        """Create again what was ours and got lost; that it can't be is no reason to fail."""
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
        """Look and plan; wait while a deletion that is under way may still hit a VM of the set."""
        context, fence = self._context, self._fence
        others_for = context.pace.others_for
        while True:
            try:
                look = context.listing.look(declared.connector, context.until)
            except AwsError as error:
                raise explained(error, declared.connector) from error
            planned = plan(declared, fence.state, look, others_for)
            if planned.conflicts or planned.adopt:
                # Another resource of this stack may have created them since the ledger was read: it says so before.
                fence.reload()
                planned = plan(declared, fence.state, look, others_for)
            if not planned.busy or planned.conflicts:
                return look, planned
            if context.clock.now() >= context.work_by:
                raise Failure(f"time is up: a removal of {some(planned.busy)} is still under way")
            logger.info("a removal of %s is under way; waiting for it", some(planned.busy))
            context.clock.pause(BUSY)
            fence.reload()

    def _made_so_far(self) -> VmIds:
        """Return what this invocation has had made, or may have."""
        return self._made | self._progress.made if self._progress else self._made

    def has_called_for_all(self) -> bool:
        """Tell whether every VM was called for, and so long ago that the list shows what became of the calls."""
        return self._waiting is not None and self._waiting.has_lasted(self._context.pace.list_lag)

    def _succeed(self, declared: Properties, adopt: VmIds, added: int) -> Answer:
        """Make the set live, and answer with its id."""
        context, request, connector = self._context, self._request, self._sets.connector
        self._sets.drop_obsolete()
        for left in remove_all(context, context.work_by, connector):
            logger.error("could not be removed, and stays in the ledger for the next Update or Delete: %s", left)
        data = {"Count": str(len(declared.vm_ids)), "Added": str(added)}
        answer = Answer("SUCCESS", self._sets.set_id, data=data)

        def live(state: State) -> State:
            adoption = Adoption(request.request_id, context.began)
            state = state.hold(connector, state.holding(connector).adopt(adopt, adoption))
            state = self._sets.made_live(state, adoption)
            return self._recorded(state, answer=answer.stored())

        self._fence.write(live)
        if adopt:
            logger.warning("adopted: %s", some(adopt, 100))
        return answer

    # --- undoing ---------------------------------------------------------------------------------------------------

    def _fail(self, reason: str) -> Answer:
        """Note that the request is being undone, then undo it."""
        request = self._request
        logger.error("failed: %s", reason)
        if self._adopting:
            # Nothing of them is in the ledger before the request succeeds.
            logger.warning("given back, left entitled: %s, which this request was to adopt", some(self._adopting, 100))

        def failing(state: State) -> State:
            state = state.drop(state.sets_of(request.logical_id, live=False))
            return self._recorded(state, failing=clipped(reason, 3000))

        try:
            self._fence.write(failing)
        except LedgerFailure as failure:
            return self.failed(f"{reason}. Not undone: {failure}")
        self._fence.is_failing = True
        return self._undo(reason)

    def _undo(self, reason: str) -> Answer:
        context = self._context
        context.mutations.retries.succeeded()
        try:
            for left in remove_all(context, context.answer_by, self._sets.connector):
                logger.error("could not be removed, and stays in the ledger for the next request: %s", left)
                reason = f"{clipped(reason, 1500)}. Not yet undone, left to the next request: {some(left.vm_ids)}"
        except (Failure, AwsError) as failure:
            reason = f"{clipped(reason, 1500)}. Not undone: {failure}"
        except Exception as error:  # noqa: BLE001 - an error while an error is handled is answered, too
            logger.exception("unexpected error")
            reason = f"{clipped(reason, 1500)}. Not undone: {unexpected(error)}"
        return self._conclude(self.failed(reason))

    def _recorded(self, state: State, **changes: object) -> State:
        request = self._request
        return state.record(key_of(request.type, request.logical_id, request.physical_id), **changes)

    def _conclude(self, answer: Answer) -> Answer:
        """Write down what CloudFormation is told, so that a redelivered request says the same."""
        try:
            self._fence.write(lambda state: self._recorded(state, answer=answer.stored()))
        except LedgerFailure as failure:
            logger.warning("the answer could not be written down: %s", failure)
        return answer

    def give_up(self, reason: str) -> Answer | None:
        """Fail as things stand; None where the ledger says that this is not to be, or has an answer already."""
        self._context.clock.close()
        try:
            return self._conclude(self.failed(f"{reason}. Not undone, left to the next request"))
        except (Interruption, Restart) as other:
            logger.warning("not given up: %s", other)
            return None

    def failed(self, reason: str) -> Answer:
        """Return the answer of a failure: a failed Create has an id that no set has, all else the id it came with."""
        request, physical_id = self._request, self._request.physical_id
        if request.type == "Create" or not physical_id:
            key = key_of(request.type, request.logical_id, request.physical_id)
            record = self._fence.state.requests.get(key)
            sequence = record.sequence if record and record.request_id == request.request_id else 0
            physical_id = failed_id(sequence, request.request_id)
        return Answer("FAILED", physical_id, f"{clipped(reason, 2000)} (log stream {self._log_stream})")

    # --- Delete ----------------------------------------------------------------------------------------------------

    def _delete(self) -> Answer:
        context = self._context
        try:
            self._sets.find_out_kept()
            self._sets.find_out_retained_elsewhere()
            self._sets.drop_abandoned()
            here = None if isinstance(self._given, Failure) else self._given.connector
            left = [left for left in remove_all(context, context.answer_by, here) if self._is_concern(left)]
            if not left:
                return self._conclude(Answer("SUCCESS", self._request.physical_id))
            vm_ids = {vm_id: why for part in left for vm_id, why in part.vm_ids.items()}
            reason = f"{count(len(vm_ids))} still entitled: {causes(vm_ids)}"
        except (Failure, AwsError) as failure:
            reason = str(failure)
        except Exception as error:  # noqa: BLE001 - answered, whatever it is
            logger.exception("unexpected error")
            reason = unexpected(error)
        return self._conclude(self.failed(reason))

    def _is_concern(self, left: Left) -> bool:
        """Tell whether what is left fails this Delete; where others are at work, or declare VMs, they see to it."""
        if isinstance(self._given, Failure) or left.connector == self._given.connector:
            return True
        logger.error("could not be removed, and stays in the ledger: %s", left)
        state, now = self._fence.state, self._context.clock.now()
        others = [one for one in state.requests.values() if one.request_id != self._request.request_id]
        is_seen_to = any(one.answer is None and one.answer_by > now for one in others)
        return not is_seen_to and not state.declared(left.connector)
