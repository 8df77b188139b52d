"""Carries a request out, from the fence to the answer, and undoes it on failure.

Owns the order of steps of Create, Update and Delete. Create and Update only ever add. Delete alone removes, with one
exception: a request that comes after an overtaken one removes what the overtaken one has left in no set.
"""

from ..aws.calls import AwsError
from ..cloudformation.answer import Answer
from ..cloudformation.physical_id import failed_id
from ..cloudformation.properties import Properties
from ..errors import Failure, HandOver, LedgerFailure, LedgerGone, Overtaken, Restart, unexpected
from ..ledger import calls
from ..ledger.records import Adoption
from ..ledger.state import State
from ..ledger.table import Change
from ..log import logger
from ..text import causes, clipped, count, some
from ..values import NO_VMS, VmIds
from .context import Context
from .declare import Declaring
from .deleting import Deleting
from .explain import SPARE_BEFORE_UNDO, explain, reason_of_failure
from .former_sets import FormerSets
from .remove import remove_all
from .without_ledger import undo_without_ledger


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
        self._sets = FormerSets(context, properties)
        self._declaring = Declaring(context)

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

    def _attempt(self) -> Answer:
        context, fence = self._context, self._fence
        try:
            # Not the end of the phase: what an invocation before has left may have to be undone yet.
            self._sets.find_out(fence.load(context.answer_by))
            fence.admit(self._sets.begin, context.answer_by, is_first_try=context.tries_before == 0)
        except LedgerGone as gone:
            if self._request.type == "Delete":
                raise
            return self._failed_without_ledger(str(gone))
        except Failure as failure:
            return self.failed(str(self._given if isinstance(self._given, Failure) else failure))
        record = fence.record
        context.answer_by = record.answer_by
        if record.answer is not None:
            return Answer.of_stored(record.answer)
        # Not before the request is admitted: only the ledger tells which of several invocations is to sleep on.
        context.resume()
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
            if self._context.is_shared and not self._sets.is_followed:
                # What can't be asked about later could neither be kept nor removed for certain. An Update back to
                # what is live already goes on: it adds nothing.
                self._context.stack.require_permission(self._request.logical_id)
            self._sets.find_out_kept()
            self._sets.find_out_retained_elsewhere()
            if self._request.type == "Update" and self._sets.is_followed:
                return self._succeed(declared, NO_VMS, 0)
            progress, planned = self._declaring.entitle(declared)
            if not progress.missing(planned.required):
                return self._succeed(declared, progress.adopted, len(planned.added))
            reason = f"{progress.report(planned.required).rstrip('.')}. VMs that were entitled before are untouched"
        except LedgerGone as gone:
            return self._failed_without_ledger(str(gone))
        except LedgerFailure as failure:
            # What is under way stays in the ledger; without it nothing may be undone.
            return self.failed(str(failure))
        except (Failure, AwsError) as failure:
            reason = str(failure)
        except Exception as error:  # noqa: BLE001 - whatever it is, what was created must not stay behind
            logger.exception("unexpected error")
            reason = unexpected(error)
        return self._fail(reason)

    def has_called_for_all(self) -> bool:
        """Tell whether every VM was called for, and so long ago that the list shows what became of the calls."""
        return self._declaring.has_called_for_all()

    def _succeed(self, declared: Properties, adopt: VmIds, added: int) -> Answer:
        """Make the set live, and answer with its id."""
        context, request, connector = self._context, self._request, self._sets.connector
        self._sets.drop_obsolete()
        for left in remove_all(context, context.work_by, connector):
            logger.error("could not be removed, and stays in the ledger for the next Update or Delete: %s", left)
        data = {"Count": str(len(declared.vm_ids)), "Added": str(added)}
        answer = Answer("SUCCESS", self._sets.set_id, data=data)

        def live(state: State) -> State:
            adoption = Adoption(request.request_id, context.under_way_at)
            state = calls.adopt(state, connector, adopt, adoption, context.clock.now())
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
        if self._declaring.adopting:
            # Nothing of them is in the ledger before the request succeeds.
            logger.warning(
                "given back, left entitled: %s, which this request was to adopt", some(self._declaring.adopting, 100)
            )

        def failing(state: State) -> State:
            state = state.drop(state.sets_of(request.logical_id, live=False))
            return self._recorded(state, failing=clipped(reason, 3000))

        try:
            self._fence.write(failing)
        except LedgerGone as gone:
            return self._failed_without_ledger(f"{clipped(reason, 1500)}. {gone}")
        except LedgerFailure as failure:
            return self.failed(f"{reason}. Not undone: {failure}")
        self._fence.is_failing = True
        return self._undo(reason)

    def _undo(self, reason: str) -> Answer:
        context, connector = self._context, self._sets.connector
        context.mutations.retries.succeeded()
        explain(context, connector, "failed", context.answer_by, SPARE_BEFORE_UNDO)
        try:
            for left in remove_all(context, context.answer_by, connector):
                logger.error("could not be removed, and stays in the ledger for the next request: %s", left)
                reason = f"{clipped(reason, 1500)}. Not yet undone, left to the next request: {some(left.vm_ids)}"
        except LedgerGone as gone:
            return self._failed_without_ledger(f"{clipped(reason, 1500)}. {gone}")
        except (Failure, AwsError) as failure:
            reason = f"{clipped(reason, 1500)}. Not undone: {failure}"
        except Exception as error:  # noqa: BLE001 - an error while an error is handled is answered, too
            logger.exception("unexpected error")
            reason = f"{clipped(reason, 1500)}. Not undone: {unexpected(error)}"
        explain(context, connector, "failed", context.answer_by)
        return self._conclude(self.failed(reason))

    def _failed_without_ledger(self, reason: str) -> Answer:
        """Fail where nobody will ever know again what this request has made: it removes that itself."""
        has_made = self._context.carried.times_taken
        return self.failed(reason + (undo_without_ledger(self._context, self._sets.connector) if has_made else ""))

    def _recorded(self, state: State, **changes: object) -> State:
        return state.record(self._fence.key, **changes)

    def _conclude(self, answer: Answer, require: Change = lambda state: state) -> Answer:
        """Write down what CloudFormation is told, so that a redelivered request says the same.

        Args:
            require: raises Restart where the ledger does not allow the answer any more.
        """
        try:
            self._fence.write(lambda state: self._recorded(require(state), answer=answer.stored()))
        except LedgerFailure as error:
            logger.warning("the answer could not be written down: %s", error)
        return answer

    def give_up(self, reason: str) -> Answer | None:
        """Fail as things stand. Return None where the ledger says that another invocation or request goes on."""
        self._fence.close()
        answer = self.failed(f"{reason}. Not undone, left to the next request")
        if not self._fence.is_admitted:
            # It has not taken the fence: another invocation may have answered already.
            return Answer.of_stored(stored) if (stored := self._fence.stored_answer()) else answer
        try:
            return self._concluded_again(answer)
        except HandOver:
            return answer  # the ledger was out of reach to the end, so that nothing says that anybody goes on
        except (Overtaken, Restart) as other:
            logger.warning("not given up: %s", other)
            return None

    def _concluded_again(self, answer: Answer) -> Answer:
        try:
            return self._conclude(answer)
        except Restart:
            # This invocation's own write has come through, and the ledger's answer to that was lost.
            record = self._fence.state.requests.get(self._fence.key)
            if record is None or record.request_id != self._request.request_id:
                return answer  # the ledger has forgotten this request, so that nobody goes on with it
            self._fence.is_failing = record.failing is not None
            return self._conclude(answer) if record.answer is None else Answer.of_stored(record.answer)

    def failed(self, reason: str) -> Answer:
        """Return the answer of a failure. A failed Create gets an id that no set has; other requests keep their id."""
        request, physical_id = self._request, self._request.physical_id
        if request.type == "Create" or not physical_id:
            record = self._fence.state.requests.get(self._fence.key)
            sequence = record.sequence if record and record.request_id == request.request_id else 0
            physical_id = failed_id(sequence, request.request_id)
        told = reason_of_failure(reason, self._context.carried.connector_wrong, self._log_stream)
        return Answer("FAILED", physical_id, told)

    # --- Delete ----------------------------------------------------------------------------------------------------

    def _delete(self) -> Answer:
        deleting = Deleting(self._context, self._sets, self._given)
        try:
            if not (left := deleting.remove()):
                return self._conclude(Answer("SUCCESS", self._request.physical_id), deleting.require_seen_to)
            reason = f"{count(len(left))} still entitled: {causes(left)}"
        except (Failure, AwsError) as failure:
            reason = str(failure)
        except Exception as error:  # noqa: BLE001 - answered, whatever it is
            logger.exception("unexpected error")
            reason = unexpected(error)
        return self._conclude(self.failed(reason))
