"""Carries a request out, from the fence to the answer, and undoes it on failure.

Owns the order of steps of Create, Update and Delete. Create and Update only ever add; Delete alone removes, with one
exception: whoever comes after a request that was overtaken removes what that one left in no set.
"""

from .aws import AwsError
from .cloudformation import Answer, failed_id
from .entitle import Entitling
from .errors import Failure, Interruption, LedgerFailure, LedgerGone, Restart
from .evs import Rows
from .ledger import Adoption, State, VmIds
from .log import logger
from .look import LIST_LAG, looked
from .orphan import undone
from .plan import Plan, plan
from .properties import Properties
from .remove import Left, remove_all
from .standing import Standing
from .text import causes, clipped, count, some
from .turn import Turn
from .wait import Waiting

#: What a user is told where entitlements exist that this stack did not create.
CONFLICT = (
    "already entitled, and not by this stack: {vm_ids} at {connector}. Nothing was changed. To take these entitlements "
    "over, set AdoptExisting (adopt_existing=True). Where another stack declares them, first deploy that stack with "
    "removal_policy=RETAIN, then without its whole set at this connector; otherwise it will remove them"
)


NO_VMS: VmIds = frozenset()


class Convergence:
    """One request, carried out by one invocation.

    Parameters
    ----------
    properties
        What is declared, or the Failure that says what is wrong with it.
    log_stream
        Where the whole story stands; named in the Reason of a failure.
    """

    def __init__(self, turn: Turn, properties: Properties | Failure, log_stream: str) -> None:
        self._turn = turn
        self._request = turn.request
        self._properties = properties
        self._log_stream = log_stream
        self._standing = Standing(turn, properties)
        #: VM id -> cause, of those that could not be entitled so far.
        self.failed: dict[str, str] = {}
        #: An invocation before this one had called for every VM: one that is listed as failed is not tried again.
        self.tried = False
        self._adopting: VmIds = NO_VMS
        self._entitling: Entitling | None = None
        self._waiting: Waiting | None = None

    def answer(self) -> Answer:
        """Carry the request out.

        Raises
        ------
        Overtaken, HandOver
            There is to be no answer from this invocation.
        """
        while True:
            try:
                return self._attempt()
            except Restart:
                self._turn.failing = False
                self._turn.table.load(self._turn.answer_by)

    def _attempt(self) -> Answer:
        turn = self._turn
        try:
            turn.table.load(turn.until)
            turn.table.change(self._standing.begin, turn.until)
        except LedgerGone as gone:
            if self._request.type == "Delete":
                raise
            return self._failed(str(gone))
        except Failure as failure:
            return self._failed(str(self._properties if isinstance(self._properties, Failure) else failure))
        turn.admitted = True
        record = turn.record
        turn.answer_by = record.answer_by
        if record.answer is not None:
            return Answer(**record.answer)
        if self._request.type == "Delete":
            return self._delete()
        if isinstance(self._properties, Failure):
            return self._conclude(self._failed(str(self._properties)))
        if record.failing is not None:
            turn.failing = True
            return self._undo(record.failing)
        return self._entitle_or_undo()

    # --- Create and Update -----------------------------------------------------------------------------------------

    def _entitle_or_undo(self) -> Answer:
        try:
            declared = self._standing.declared
            if self._request.type == "Create":
                self._standing.find_out_kept()
            if self._request.type == "Update" and self._standing.is_followed:
                return self._succeed(NO_VMS)
            entitling, planned = self._entitle(declared)
            if (entitling.failed.keys() | entitling.untried) & planned.required:
                reason = entitling.report(planned.required)
            else:
                return self._succeed(planned.adopt | entitling.adopted)
        except LedgerGone as gone:
            # Nobody will ever know again what this invocation has made: it removes that itself.
            made = frozenset(self._entitling.made) if self._entitling else NO_VMS
            return self._failed(f"{gone}{undone(self._turn, self._standing.connector, made)}")
        except LedgerFailure as failure:
            # What is under way stays in the ledger; without it nothing may be undone.
            return self._failed(str(failure))
        except (Failure, AwsError) as failure:
            reason = str(failure)
        except Restart:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, what was created must not stay behind
            logger.exception("unexpected error")
            reason = f"unexpected error: {type(error).__name__}: {error}"
        return self._fail(reason)

    def _entitle(self, declared: Properties) -> tuple[Entitling, Plan]:
        self._waiting = None
        rows, planned = self._planned(declared)
        if planned.conflicts:
            raise Failure(CONFLICT.format(vm_ids=some(planned.conflicts), connector=declared.connector))
        self._adopting = planned.adopt
        entitling = Entitling(self._turn, declared.connector, rows, self.failed, adopt_existing=declared.adopt_existing)
        self._entitling = entitling
        if planned.create:
            logger.info("entitling %s at %s", count(len(planned.create)), declared.connector)
        if self.tried:
            again = planned.create | planned.restore
            self.failed.update({vm_id: row.cause for vm_id in again if (row := rows.get(vm_id)) and not row.gone})
        entitling.create(planned.create)
        self._restore(entitling, planned.restore - self.failed.keys())
        self._waiting = Waiting(self._turn, declared.connector, entitling)
        self._waiting.wait(planned.required)
        return entitling, planned

    def _restore(self, entitling: Entitling, vm_ids: VmIds) -> None:
        """Create again what was ours and got lost; that it can't be is no reason to fail."""
        if not vm_ids:
            return
        logger.warning("entitling again: %s", some(vm_ids, 100))
        try:
            entitling.create(vm_ids)
        except LedgerFailure:
            raise
        except (Failure, AwsError) as error:
            logger.warning("could not be entitled again: %s", error)
        lost = {vm_id: entitling.failed[vm_id] for vm_id in vm_ids & entitling.failed.keys()}
        if lost:
            logger.warning("could not be entitled again: %s", causes(lost))

    def _planned(self, declared: Properties) -> tuple[Rows, Plan]:
        """Look and plan; wait while a deletion that is under way may still hit a VM of the set."""
        turn = self._turn
        while True:
            now = turn.clock.now()
            rows = looked(turn, declared.connector)
            planned = self._plan(declared, rows, now)
            if planned.conflicts:
                # Another resource of this stack may have created them since the ledger was read: it says so before.
                turn.reload()
                planned = self._plan(declared, rows, now)
            if not planned.busy or planned.conflicts:
                return rows, planned
            if turn.clock.now() >= turn.work_by:
                raise Failure(f"time is up: a removal of {some(planned.busy)} is still under way")
            logger.info("a removal of %s is under way; waiting for it", some(planned.busy))
            turn.clock.pause(2.0)
            turn.reload()

    def _plan(self, declared: Properties, rows: Rows, now: float) -> Plan:
        state = self._turn.state
        holding = state.holding(declared.connector)
        return plan(
            declared.vm_ids,
            adopt_existing=declared.adopt_existing,
            holding=holding,
            established=holding.owned & state.declared(declared.connector, live=True),
            rows=rows,
            now=now,
        )

    def has_tried(self) -> bool:
        """Tell whether every VM was called for, and so long ago that the list shows what became of the calls."""
        return self._waiting is not None and self._waiting.has_lasted(LIST_LAG)

    def is_overtaken(self) -> bool:
        """Tell whether a newer request has come, so that there is to be no answer."""
        return self._turn.is_overtaken()

    def _succeed(self, adopt: VmIds) -> Answer:
        """Make the set live, and answer with its id."""
        turn, request = self._turn, self._request
        self._standing.drop_obsolete()
        for left in remove_all(turn, turn.work_by, self._standing.connector):
            logger.error("could not be removed, and stays in the ledger for the next Update or Delete: %s", left)
        answer = Answer("SUCCESS", self._standing.set_id)

        def live(state: State) -> State:
            holding = state.holding(self._standing.connector)
            adoption = Adoption(request.request_id, turn.began)
            state = state.hold(self._standing.connector, holding.adopt(adopt, adoption))
            state = self._standing.made_live(state, adoption)
            return state.record(request.logical_id, answer=answer.stored())

        turn.write(live)
        if adopt:
            logger.warning("adopted: %s", some(adopt, 100))
        return answer

    # --- undoing ---------------------------------------------------------------------------------------------------

    def _fail(self, reason: str) -> Answer:
        """Note that the request is being undone, then undo it."""
        turn, request = self._turn, self._request
        logger.error("failed: %s", reason)
        if self._adopting:
            # Nothing of them is in the ledger before the request succeeds.
            logger.warning("given back, left entitled: %s, which this request was to adopt", some(self._adopting, 100))

        def failing(state: State) -> State:
            state = state.drop(state.sets_of(request.logical_id, live=False))
            return state.record(request.logical_id, failing=clipped(reason, 3000))

        try:
            turn.write(failing)
        except LedgerFailure as failure:
            return self._failed(f"{reason}. Not undone: {failure}")
        turn.failing = True
        return self._undo(reason)

    def _undo(self, reason: str) -> Answer:
        turn = self._turn
        turn.patience.fine()
        turn.looking.fine()
        try:
            for left in remove_all(turn, turn.answer_by, self._standing.connector):
                logger.error("could not be removed, and stays in the ledger for the next request: %s", left)
                reason = f"{clipped(reason, 1500)}. Not yet undone, left to the next request: {some(left.vm_ids)}"
        except (Failure, AwsError) as failure:
            reason = f"{clipped(reason, 1500)}. Not undone: {failure}"
        except Restart:
            raise
        except Exception as error:  # noqa: BLE001 - an error while an error is handled is answered, too
            logger.exception("unexpected error")
            reason = f"{clipped(reason, 1500)}. Not undone: unexpected error: {type(error).__name__}: {error}"
        return self._conclude(self._failed(reason))

    def _conclude(self, answer: Answer) -> Answer:
        """Write down what CloudFormation is told, so that a redelivered request says the same."""
        try:
            self._turn.write(lambda state: state.record(self._request.logical_id, answer=answer.stored()))
        except LedgerFailure as failure:
            logger.warning("the answer could not be written down: %s", failure)
        return answer

    def give_up(self, reason: str) -> Answer | None:
        """Fail as things stand; None where the ledger says that this is not to be, or has an answer already."""
        try:
            return self._conclude(self._failed(f"{reason}. Not undone, left to the next request"))
        except (Interruption, Restart) as other:
            logger.warning("not given up: %s", other)
            return None

    def _failed(self, reason: str) -> Answer:
        physical_id = self._request.physical_id
        if self._request.type == "Create" or not physical_id:
            record = self._turn.state.requests.get(self._request.logical_id)
            sequence = record.sequence if record and record.request_id == self._request.request_id else 0
            physical_id = failed_id(sequence, self._request.request_id)
        return Answer("FAILED", physical_id, f"{clipped(reason, 2000)} (log stream {self._log_stream})")

    # --- Delete ----------------------------------------------------------------------------------------------------

    def _delete(self) -> Answer:
        try:
            self._standing.find_out_kept()
            self._standing.drop_abandoned()
            here = None if isinstance(self._properties, Failure) else self._standing.connector
            left = [left for left in remove_all(self._turn, self._turn.answer_by, here) if self._is_concern(left)]
            if not left:
                return self._conclude(Answer("SUCCESS", self._request.physical_id))
            vm_ids = {vm_id: why for part in left for vm_id, why in part.vm_ids.items()}
            reason = f"{count(len(vm_ids))} still entitled: {causes(vm_ids)}"
        except (Failure, AwsError) as failure:
            reason = str(failure)
        except Restart:
            raise
        except Exception as error:  # noqa: BLE001 - answered, whatever it is
            logger.exception("unexpected error")
            reason = f"unexpected error: {type(error).__name__}: {error}"
        return self._conclude(self._failed(reason))

    def _is_concern(self, left: Left) -> bool:
        """Tell whether what is left fails this Delete; where other resources declare VMs, they see to it later."""
        if isinstance(self._properties, Failure) or left.connector == self._standing.connector:
            return True
        logger.error("could not be removed, and stays in the ledger: %s", left)
        return not self._turn.state.declared(left.connector)
