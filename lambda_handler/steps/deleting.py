"""Carries a Delete out: which sets go, what is removed, and for what of it this request has to answer.

Owns the order of these; the calls and the rule of removal are `remove`'s, the sets `former_sets`'.
"""

from ..cloudformation.properties import Properties
from ..errors import Failure, Restart
from ..ledger.state import State
from ..log import logger
from ..values import Connector
from .context import Context
from .former_sets import FormerSets
from .remove import Left, remove_all


class Deleting:
    """The removal of one Delete in one invocation.

    Args:
        properties: what is declared, or the Failure that says what is wrong with it.
    """

    def __init__(self, context: Context, sets: FormerSets, properties: Properties | Failure) -> None:
        self._context = context
        self._sets = sets
        self._here = None if isinstance(properties, Failure) else properties.connector
        #: Something is left to another request that is under way.
        self._entrusts = False

    def remove(self) -> dict[str, str]:
        """Remove what is ours and in no set; return what is left and makes this Delete fail: VM id -> why.

        Raises:
            Failure, AwsError: CloudFormation or EVS could not be asked.
            LedgerFailure, HandOver, Overtaken, Restart
        """
        self._sets.find_out_kept()
        self._sets.find_out_retained_elsewhere()
        self._sets.drop_abandoned()
        self._sets.drop_skipped()
        left = []
        for one in remove_all(self._context, self._context.answer_by, self._here):
            if not self._is_concern(one):
                continue
            if one.connector == self._here:
                left.append(one)
            else:
                # Nobody else would come for it, so that it gets the whole time, too.
                left += self._removed(one.connector)
        for one in left:
            logger.error("could not be removed: %s", one)
        return {vm_id: why for one in left for vm_id, why in one.vm_ids.items()}

    def _removed(self, connector: Connector) -> list[Left]:
        left = remove_all(self._context, self._context.answer_by, connector, is_only=True)
        return [one for one in left if self._is_concern(one)]

    def _is_concern(self, left: Left) -> bool:
        """Tell whether what is left makes this Delete fail: it does not where another request or set will see to it."""
        if self._here is None or left.connector == self._here:
            return True
        if self._sets.has_request_to_come(left.connector):
            logger.error("could not be removed, and stays in the ledger: %s", left)
            return False
        if self._is_under_way(self._context.fence.state):
            logger.error("could not be removed, and is left to another request: %s", left)
            self._entrusts = True
            return False
        return True

    def _is_under_way(self, state: State) -> bool:
        """Tell whether another request of the stack has yet to be answered."""
        request_id, now = self._context.request.request_id, self._context.clock.now()
        others = [one for one in state.requests.values() if one.request_id != request_id]
        return any(one.answer is None and one.answer_by > now for one in others)

    def require_seen_to(self, state: State) -> State:
        """Return the ledger as it is when this Delete succeeds; what is left to another request needs one by then.

        Two Deletes would leave it to each other else.

        Raises:
            Restart: there is none any more.
        """
        if self._entrusts and not self._is_under_way(state):
            raise Restart
        return state
