"""Which sets a request is about: declared by a Create or Update, dropped or kept by a Delete.

Owns what a request does to the set that it names, in the ledger; never calls EVS. CloudFormation is asked only where a
Delete might have to keep what is entitled. `former_sets.py` has the sets that no request names,
`proven_sets.py` those that were lost with the ledger.
"""

from dataclasses import replace

from ..cloudformation.physical_id import set_id
from ..cloudformation.properties import Properties
from ..errors import Failure
from ..ledger.calls import announce
from ..ledger.records import Adoption, Call, DeclaredSet, RequestRecord
from ..ledger.state import State
from ..log import logger
from ..values import NO_VMS, Connector
from .context import Context
from .proven_sets import ProvenSets


class DeclaredSets:
    """The sets of a request's logical id.

    Args:
        properties: what is declared, or the Failure that says what is wrong with it.
    """

    def __init__(self, context: Context, properties: Properties | Failure) -> None:
        self._context = context
        self._request = context.request
        self._given = properties
        self._lost = ProvenSets(context)
        self._retains = False
        #: Ids of sets that count as kept, and that CloudFormation has not shown to be none of its own.
        self._kept: set[str] = set()

    @property
    def declared(self) -> Properties:
        """What the request declares.

        Raises:
            Failure: its properties are wrong.
        """
        if isinstance(self._given, Failure):
            raise self._given
        return self._given

    @property
    def connector(self) -> Connector:
        """Where the set is declared."""
        return self.declared.connector

    @property
    def set_id(self) -> str:
        """The PhysicalResourceId of the set."""
        return set_id(self._request.logical_id, self.connector, self.declared.vm_ids)

    # --- at the beginning ------------------------------------------------------------------------------------------

    def find_out(self, state: State) -> None:
        """Find out what has to be known of the sets before the request is admitted.

        Raises:
            Overtaken: a newer request is known.
            Failure: the ledger was lost, and CloudFormation does not say what of the set is still the stack's.
        """
        self._lost.find_out(state, self._record())
        self.find_out_retained(state)

    def find_out_retained(self, state: State) -> None:
        """Decide whether a Delete has to keep what is entitled.

        DeletionPolicy can't be updated by itself, so CloudFormation may delete a resource whose properties say
        RETAIN. The clean-up of a former set removes all the same. So does the rollback of the resource's creation.
        """
        request = self._request
        if request.type != "Delete" or isinstance(self._given, Failure) or self._given.removal_policy != "RETAIN":
            return
        live = self._lost.taken_up(state).sets_of(request.logical_id, live=True)
        deleted = live.get(request.physical_id)
        if deleted is None or (deleted.kept and not deleted.retained):
            return
        # CloudFormation sends a Delete that failed again. What the first one has kept stays kept.
        self._retains = deleted.retained or (not self._is_replaced(live) and not self._context.stack.is_rolling_back())
        if self._retains:
            logger.warning("RemovalPolicy is RETAIN: %s stays entitled", request.physical_id)

    def _is_replaced(self, live: dict[str, DeclaredSet]) -> bool:
        """Tell whether the set that is deleted is a former one: CloudFormation names another id for the resource.

        The ledger alone can't tell: the answer for a newer set may never have been heard, and a set that was taken up
        again has lost its place in the order.
        """
        physical_id, stack = self._request.physical_id, self._context.stack
        newer = {
            key: other
            for key, other in live.items()
            if key != physical_id and not other.retained and other.sequence >= live[physical_id].sequence
        }
        try:
            named = stack.physical_id_of(self._request.logical_id)
        except Failure as failure:
            logger.warning("%s", failure)
            return any(not other.kept for other in newer.values())
        if named is not None:
            return named != physical_id
        # The resource is gone, as one is that CloudFormation skips while it deletes a former id of it. Another resource
        # may have found that out first: then the newer set counts as kept already.
        now = self._context.clock.now()
        return any(not stack.has_ignored(key, other.declared_at, now) for key, other in newer.items())

    def begin(self, state: State) -> State:
        """Take the fence, and declare or drop the set, in one write.

        Raises:
            Overtaken: a newer request is known.
            Failure: the request came too late, or its properties are wrong.
        """
        request, fence = self._request, self._context.fence
        key = fence.key
        admitted = state.admit(self._record())
        if admitted is state:
            if state.requests[key].answer is not None:
                return state
            return self._with_made(state.record(key, invocation=fence.invocation))
        if self._context.clock.now() > self._context.answer_by:
            raise Failure("the request was delivered after CloudFormation had given up waiting for it")
        admitted = self._lost.taken_up(admitted)
        found = admitted.sets.get(request.physical_id)
        admitted = admitted.record(
            key,
            invocation=fence.invocation,
            found=found.sequence if found else None,
            found_at=found.declared_at if found else 0.0,
        )
        overtaken = admitted.sets_of(request.logical_id, live=False)
        if request.type == "Delete":
            return self._begun_to_delete(admitted.drop(overtaken))
        if request.type == "Create":
            for physical_id, kept in admitted.sets_of(request.logical_id, live=True).items():
                admitted = admitted.declare(physical_id, replace(kept, kept=True))
        if isinstance(self._given, Failure):
            return admitted.drop(overtaken)
        return self._with_made(self._begun_to_declare(admitted.drop(overtaken.keys() - {self.set_id})))

    def _record(self) -> RequestRecord:
        """Return the request as the ledger is to know it, but for its place in the order."""
        request = self._request
        return RequestRecord(
            type=request.type,
            request_id=request.request_id,
            logical_id=request.logical_id,
            physical_id=request.physical_id,
            issued=request.issued,
            sequence=0,
            answer_by=self._context.answer_by,
            arrived=self._context.began,
            is_back=self._is_back(),
        )

    def _is_back(self) -> bool:
        """Tell whether an Update goes back to the set that the resource still has: the update before it failed."""
        request = self._request
        if request.type != "Update" or isinstance(self._given, Failure) or request.physical_id != self.set_id:
            return False
        try:
            old = Properties.parse(request.old_properties)
        except Failure:
            return bool(request.old_properties)
        return set_id(request.logical_id, old.connector, old.vm_ids) != request.physical_id

    def _begun_to_delete(self, state: State) -> State:
        found = state.sets.get(self._request.physical_id)
        if self._retains and found is not None:
            return state.declare(self._request.physical_id, replace(found, kept=True, retained=True))
        return state.drop([self._request.physical_id])

    def _begun_to_declare(self, state: State) -> State:
        known = state.sets.get(self.set_id)
        retains = self.declared.removal_policy == "RETAIN"
        if known is not None and known.live:
            # Declared by an Update back, or again after it was retained; of the latter `kept` tells until the answer.
            return state.declare(self.set_id, replace(known, sequence=state.sequence, retains=retains))
        return state.declare(self.set_id, self._new(state.sequence))

    def _with_made(self, state: State) -> State:
        """Return the ledger with the calls that EVS took from this very request, where it was lost or restored since.

        When each of them left is not known any more. No entitlement from before the request is one of theirs.
        """
        context, taken = self._context, self._context.carried.times_taken
        if not taken or state.requests[context.fence.key].failing is not None:
            return state
        made = frozenset(vm_id for vm_id, times in taken.items() if times) - state.may_be_ours(self.connector)
        if not made:
            return state
        invocation, until = context.fence.invocation, context.clock.now() + context.pace.list_lag
        began = context.began
        call = Call("CreateEntitlement", self.connector, made, began, began, until, invocation, taken=True)
        return announce(state, {f"{invocation}-0": call})

    def _new(self, sequence: int) -> DeclaredSet:
        """Return the set as it is before the answer."""
        request, declared = self._request, self.declared
        return DeclaredSet(
            request.logical_id,
            self.connector,
            declared.vm_ids,
            request.request_id,
            sequence,
            declared_at=self._context.under_way_at,
            retains=declared.removal_policy == "RETAIN",
        )

    # --- Create and Update -----------------------------------------------------------------------------------------

    @property
    def is_followed(self) -> bool:
        """Whether the set is live already, and not merely retained."""
        known = self._context.fence.state.sets.get(self.set_id)
        return known is not None and known.live and not known.kept

    def made_live(self, state: State, adoption: Adoption) -> State:
        """Make the set live, and take over what it declares of retained sets, of whichever logical id.

        Where the stack operation is rolled back, those VMs are given back, as adopted ones are: they stay retained.
        """
        # Another resource may have taken over all that was retained of it meanwhile.
        known, vm_ids = state.sets.get(self.set_id) or self._new(state.sequence), self.declared.vm_ids
        retained = {
            physical_id: other
            for physical_id, other in state.sets.items()
            if other.live and other.connector == self.connector and self._is_retained(physical_id, other)
        }
        # What another resource declares as well is not this one's to take over: the other may be rolled back, too.
        vm_ids -= state.followed(self.connector)
        for physical_id, other in retained.items():
            if physical_id != self.set_id:
                rest = replace(other, vm_ids=other.vm_ids - vm_ids)
                state = state.declare(physical_id, rest) if rest.vm_ids else state.drop([physical_id])
        taken = vm_ids & state.owned(self.connector) & NO_VMS.union(*(other.vm_ids for other in retained.values()))
        state = state.hold(self.connector, state.holding(self.connector).mark(taken, adoption))
        now_live = replace(known, vm_ids=self.declared.vm_ids, live=True, kept=False, retained=False)
        return state.declare(self.set_id, now_live)

    def _is_retained(self, physical_id: str, other: DeclaredSet) -> bool:
        """Tell whether a set was certainly retained: it may have come to count as kept after that was found out."""
        return other.kept and (other.retained or physical_id in self._kept)
