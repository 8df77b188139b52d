"""Carries a request out, from the fence to the answer, and undoes it on failure.

Owns the order of steps of Create, Update and Delete. Create and Update only ever add; Delete alone removes, with one
exception: whoever comes after a request that was overtaken removes what that one left in no set.
"""

from dataclasses import replace

from .aws import AwsError
from .cloudformation import Answer, failed_id, failed_request, is_set_id, set_id
from .entitle import Entitling, looked
from .errors import Failure, HandOver, LedgerFailure, LedgerGone, Restart
from .evs import Rows
from .ledger import Adoption, DeclaredSet, State, VmIds
from .log import logger
from .plan import Plan, plan
from .properties import Connector, Properties
from .remove import Left, remove_all
from .text import causes, clipped, count, some
from .turn import Turn

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
        #: VM id -> cause, of those that could not be entitled so far.
        self.failed: dict[str, str] = {}

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
            turn.table.change(self._begin, turn.until)
        except LedgerGone as gone:
            if self._request.type == "Delete":
                raise
            return self._failed(str(gone))
        except Failure as failure:
            return self._failed(str(self._properties if isinstance(self._properties, Failure) else failure))
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

    # --- beginning -------------------------------------------------------------------------------------------------

    def _begin(self, state: State) -> State:
        """Take the fence, and declare or drop the set, in one write."""
        request = self._request
        admitted = state.admit(request.logical_id, request.request_id, request.issued, self._turn.answer_by)
        if admitted is state:
            if state.requests[request.logical_id].answer is not None:
                return state
            return state.record(request.logical_id, by=self._turn.by)
        if self._turn.clock.now() > self._turn.answer_by:
            raise Failure("the request was delivered after CloudFormation had given up waiting for it")
        admitted = admitted.record(request.logical_id, by=self._turn.by)
        overtaken = admitted.sets_of(request.logical_id, live=False)
        sequence = admitted.sequence
        if request.type == "Delete":
            return self._begin_delete(admitted, overtaken)
        if isinstance(self._properties, Failure):
            return admitted.drop(overtaken)
        admitted = admitted.drop(overtaken.keys() - {self._set_id})
        if request.type == "Create":
            for physical_id, kept in admitted.sets_of(request.logical_id, live=True).items():
                admitted = admitted.declare(physical_id, replace(kept, kept=kept.heard))
        known = admitted.sets.get(self._set_id)
        if known is not None and known.live:
            # Declared by an Update back, or again after it was retained; of the latter `kept` tells until the answer.
            return admitted.declare(self._set_id, replace(known, sequence=sequence))
        declared = DeclaredSet(request.logical_id, self._connector, self._vm_ids, request.request_id, sequence)
        return admitted.declare(self._set_id, declared)

    def _begin_delete(self, state: State, overtaken: dict[str, DeclaredSet]) -> State:
        dropped = state.sets.get(self._request.physical_id)
        state = state.drop([*overtaken, self._request.physical_id])
        if dropped is None:
            return state
        return state.record(self._request.logical_id, dropped=dropped.sequence)

    @property
    def _declared(self) -> Properties:
        if isinstance(self._properties, Failure):
            raise self._properties
        return self._properties

    @property
    def _connector(self) -> Connector:
        return self._declared.connector

    @property
    def _vm_ids(self) -> VmIds:
        return self._declared.vm_ids

    @property
    def _set_id(self) -> str:
        return set_id(self._request.logical_id, self._connector, self._vm_ids)

    # --- Create and Update -----------------------------------------------------------------------------------------

    def _entitle_or_undo(self) -> Answer:
        try:
            declared = self._declared
            if self._request.type == "Update" and self._turn.state.sets[self._set_id].live:
                return self._succeed(NO_VMS)
            entitling, planned = self._entitle(declared)
            if (entitling.failed.keys() | entitling.untried) & planned.required:
                reason = entitling.report(planned.required)
            else:
                return self._succeed(planned.adopt)
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
        rows, planned = self._planned(declared)
        if planned.conflicts:
            raise Failure(CONFLICT.format(vm_ids=some(planned.conflicts), connector=declared.connector))
        entitling = Entitling(self._turn, declared.connector, rows, self.failed)
        if planned.create:
            logger.info("entitling %s at %s", count(len(planned.create)), declared.connector)
        entitling.create(planned.create)
        self._restore(entitling, planned.restore)
        entitling.wait(planned.required)
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
            rows = looked(turn, declared.connector)
            holding = turn.state.holding(declared.connector)
            planned = plan(
                declared.vm_ids,
                adopt_existing=declared.adopt_existing,
                holding=holding,
                established=holding.owned & turn.state.declared(declared.connector, live=True),
                rows=rows,
                now=turn.clock.now(),
            )
            if not planned.busy or planned.conflicts:
                return rows, planned
            if turn.clock.now() >= turn.work_by:
                raise Failure(f"time is up: a removal of {some(planned.busy)} is still under way")
            logger.info("a removal of %s is under way; waiting for it", some(planned.busy))
            turn.clock.pause(2.0)
            turn.reload()

    def _succeed(self, adopt: VmIds) -> Answer:
        """Make the set live, and answer with its id."""
        turn, request = self._turn, self._request
        self._drop_obsolete()
        for left in remove_all(turn, turn.work_by, self._connector):
            logger.error("could not be removed, and stays in the ledger for the next Update or Delete: %s", left)
        answer = Answer("SUCCESS", self._set_id)

        def live(state: State) -> State:
            holding = state.holding(self._connector)
            adoption = Adoption(request.request_id, turn.began)
            holding = holding.adopt(adopt, adoption)
            declared = state.sets[self._set_id]
            if declared.kept:
                # Retained, and declared anew: should this operation be rolled back, it is retained as before.
                holding = holding.mark(declared.vm_ids & holding.owned, adoption)
            state = state.hold(self._connector, holding)
            state = state.declare(self._set_id, replace(declared, live=True, kept=False))
            return state.record(request.logical_id, answer=answer.stored())

        turn.write(live)
        if adopt:
            logger.warning("adopted: %s", some(adopt, 100))
        return answer

    def heard(self) -> None:
        """Write down that CloudFormation has taken the answer: a live set that it knows is one that it follows."""
        turn = self._turn

        def heard(state: State) -> State:
            declared = state.sets.get(self._set_id)
            if declared is None or not declared.live or declared.heard:
                return state
            return state.declare(self._set_id, replace(declared, heard=True))

        if self._request.type == "Delete" or isinstance(self._properties, Failure):
            return
        try:
            turn.table.change(heard, turn.clock.now() + 5)
        except (LedgerFailure, HandOver) as error:
            logger.warning("that the answer was taken could not be written down: %s", error)

    def _drop_obsolete(self) -> None:
        """Drop sets that an Update shows to be history, whose Delete never came or whose answer was never heard."""
        turn, request = self._turn, self._request
        if request.type != "Update":
            return
        current = {request.physical_id, self._set_id}
        obsolete = {
            physical_id
            for physical_id, declared in turn.state.sets_of(request.logical_id, live=True).items()
            if physical_id not in current and not declared.kept
        }
        if not obsolete:
            return
        try:
            obsolete.discard(turn.stack.physical_id_of(request.logical_id) or "")
        except Failure as failure:
            logger.warning("%s", failure)
            return
        turn.write(lambda state: state.drop(obsolete))

    # --- undoing ---------------------------------------------------------------------------------------------------

    def _fail(self, reason: str) -> Answer:
        """Note that the request is being undone, then undo it."""
        turn, request = self._turn, self._request
        logger.error("failed: %s", reason)

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
            for left in remove_all(turn, turn.answer_by, self._connector):
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
            self._drop_abandoned()
            here = None if isinstance(self._properties, Failure) else self._connector
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
        if isinstance(self._properties, Failure) or left.connector == self._connector:
            return True
        logger.error("could not be removed, and stays in the ledger: %s", left)
        return not self._turn.state.declared(left.connector)

    def _drop_abandoned(self) -> None:
        """Drop live sets that no Delete will ever name.

        A Delete of an id that no set has comes after a Create that failed, or that CloudFormation gave up waiting
        for: such a Create's answer may never have been heard. And where the whole stack goes, a set before the one
        that is deleted will not get a Delete of its own any more.
        """
        turn, request = self._turn, self._request
        live = turn.state.sets_of(request.logical_id, live=True)
        live = {key: value for key, value in live.items() if not value.kept}
        dropped = turn.record.dropped
        failed = failed_request(request.physical_id)
        if dropped is not None:
            abandoned = {key for key, value in live.items() if value.sequence < dropped or not value.heard}
            if not abandoned or not turn.stack.is_being_deleted():
                return
        elif is_set_id(request.physical_id):
            return  # dropped by an earlier Delete
        elif failed is not None:
            sequence, request_id = failed
            abandoned = {
                key for key, value in live.items() if value.sequence < sequence or value.request_id == request_id
            }
        else:
            abandoned = set(live)
        if abandoned:
            abandoned.discard(turn.stack.physical_id_of(request.logical_id) or "")
            turn.write(lambda state: state.drop(abandoned))
