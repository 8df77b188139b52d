"""Sets that CloudFormation has, and that the ledger does not know as live: it was emptied, replaced or restored.

Owns which of them a request takes up again; never calls EVS. The id of a set proves what the set declares. That the
stack still has it, CloudFormation says. It is asked only where the ledger contradicts the request.
"""

from ..cloudformation.events import was_taken_on
from ..cloudformation.physical_id import is_set_id, set_id
from ..cloudformation.properties import Properties
from ..errors import Failure, Overtaken
from ..ledger.records import DeclaredSet, RequestRecord
from ..ledger.state import State, key_of
from ..log import logger
from .context import Context


class ProvenSets:
    """The sets of one request's resource that are to be live, whatever the ledger says of them."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._request = context.request
        #: Ids of sets that the stack has.
        self._standing: list[str] = []

    def find_out(self, state: State, record: RequestRecord) -> None:
        """Ask CloudFormation which sets the stack has, where the ledger does not know the one that the request names.

        An id that CloudFormation names has been answered with success. So the ledger is older than that where it has
        the set pending, or merely remembers to have dropped it once.

        Args:
            record: the request, as the ledger is to know it.

        Raises:
            Overtaken: a newer request is known, or this one has come to its end before the ledger was lost.
            Failure: CloudFormation can't be asked, or a Delete may remove what a newer set declares.
        """
        request, self._standing = self._request, []
        if state.admit(record) is state or not is_set_id(request.physical_id):
            # Known already, or no set's: what was cancelled has to be stopped without a delay.
            return
        known = state.sets.get(request.physical_id)
        if not (known and known.live):
            self._standing = self._standing_in(state)
        elif request.type == "Delete" and state.sets_of(request.logical_id, live=False):
            # What the ledger has pending, it would drop.
            self._standing = [self._context.named() or ""]

    def _standing_in(self, state: State) -> list[str]:
        """Return the ids that the stack has, of the set that the request names and the one that CloudFormation does."""
        request, physical_id = self._request, self._request.physical_id
        is_dropped = request.type == "Delete" and physical_id in state.dropped
        try:
            named = self._context.stack.physical_id_of(request.logical_id) or ""
            if request.type == "Update":
                # Named by no event either, the id is proof enough: CloudFormation sends it with the request.
                return [named or ("" if self._context.has_deleted() else physical_id)]
            if self._context.has_deleted():
                raise Overtaken("CloudFormation has had the answer to this Delete")
            is_standing = not is_dropped or (named == physical_id and self._has_come_back(state, named))
            # Where the whole resource goes, another Delete may have dropped the set that CloudFormation names.
            is_known = named in state.sets or (named in state.dropped and not self._has_come_back(state, named))
        except Failure as failure:
            # Of a dropped set nothing contradicts the ledger then. An Update removes nothing of the set that it names.
            if request.type == "Delete" and not is_dropped:
                raise
            logger.warning("%s", failure)
            return [physical_id] if request.type == "Update" else []
        if named != physical_id and not is_known and is_set_id(named):
            raise Failure(
                f"the ledger was lost, and what {physical_id} declared may still be declared by {named}, which has "
                "replaced it and which the ledger does not know yet. Nothing was removed. What the newer set does not "
                "declare stays entitled: end it in the console"
            )
        return [one for one in (named, physical_id) if is_standing or one != physical_id]

    def _has_come_back(self, state: State, physical_id: str) -> bool:
        """Tell whether the stack has taken on a set since the ledger dropped it, at a Delete that it remembers."""
        before = state.requests.get(key_of("Delete", self._request.logical_id, physical_id))
        return before is None or self._context.told(was_taken_on, physical_id, before.arrived)

    def taken_up(self, state: State) -> State:
        """Return the ledger with the sets that the stack has as live ones, where their ids prove what they declare."""
        for physical_id in self._standing:
            state = self._with(state, physical_id)
        return state

    def _with(self, state: State, physical_id: str) -> State:
        known = state.sets.get(physical_id)
        if not is_set_id(physical_id) or (known is not None and known.live):
            return state
        request = self._request
        # An Update names the set that it replaces. One back to that set has the failed one for old properties.
        given = [request.old_properties, request.properties] if request.type == "Update" else [request.properties]
        proven = next((one for one in map(_parsed, given) if one and self._id_of(one) == physical_id), None)
        if proven is not None:
            connector, vm_ids = proven.connector, proven.vm_ids
        elif known is not None:
            connector, vm_ids = known.connector, known.vm_ids
        else:
            return state
        logger.warning("the ledger did not know %s, which the stack has: taken up again", physical_id)
        found = DeclaredSet(request.logical_id, connector, vm_ids, request.request_id, state.sequence, live=True)
        # It is no adoption either that another resource has made of them since the ledger was lost.
        holding = state.holding(connector).disown(vm_ids).own(vm_ids)
        return state.declare(physical_id, found).hold(connector, holding)

    def _id_of(self, declared: Properties) -> str:
        return set_id(self._request.logical_id, declared.connector, declared.vm_ids)


def _parsed(given: dict[str, object]) -> Properties | None:
    try:
        return Properties.parse(given)
    except Failure:
        return None
