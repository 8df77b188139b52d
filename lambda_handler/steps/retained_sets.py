"""Sets that count as kept: retained under this or another logical id, or of an answer that nobody heard.

Owns how they are told apart, and what a request takes over of them; never calls EVS. Where CloudFormation can't say, a
set stays: an entitlement too many is found on the bill, one too few by an auditor.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from ..aws.calls import AwsError
from ..cloudformation.events import Fate
from ..cloudformation.physical_id import failed_request, is_set_id
from ..errors import Failure
from ..ledger.records import DeclaredSet
from ..ledger.state import State
from ..log import logger
from ..values import NO_VMS
from .declared_sets import DeclaredSets


class RetainedSets(DeclaredSets):
    """The sets of a request's logical id, with those that were retained."""

    def find_out_kept(self) -> None:
        """Tell sets that were retained from those of answers that nobody waited for any more.

        Both were live when a Create came. CloudFormation knows nothing of a set whose answer nobody waited for: such a
        set is dropped, by the rules for lost answers. A set that was retained stays. A Create or Update takes over from
        retained sets, whatever their logical id, and from no others.
        """
        context = self._context
        kept = {
            physical_id: one
            for physical_id, one in context.fence.state.sets.items()
            if one.live and one.kept and self._is_concern(one)
        }
        if not kept:
            return
        # After a Create that never answered nobody would come for what is not found out now.
        try:
            ignored, stay = self._ignored(kept, context.stack.find_out_fate)
        except (AwsError, Failure) as error:
            if self._is_made_up():
                raise
            logger.warning("CloudFormation can't be asked for the stack's events: %s", error)
            ignored, stay = set(), set()
        self._kept = kept.keys() - ignored

        def not_kept(state: State) -> State:
            for physical_id, one in _unchanged(state, kept, ignored):
                state = state.declare(physical_id, replace(one, kept=False))
            for physical_id, one in _unchanged(state, kept, stay):
                # Once for all: a set that a later Create declares is no newer one of the same resource.
                state = state.declare(physical_id, replace(one, retained=True))
            return state

        if ignored:
            logger.warning("CloudFormation never took on what was answered as %s", ", ".join(sorted(ignored)))
        if ignored or stay:
            context.fence.write(not_kept)

    def _ignored(self, sets: Mapping[str, DeclaredSet], ask: Callable[..., Fate]) -> tuple[set[str], set[str]]:
        """Return, of live sets, those that CloudFormation does not have any more, and those that are to stay.

        A newer set that it has never taken on makes no older one a former one.

        Args:
            ask: `Stack.find_out_fate`, or `Stack.fate_of`.
        """
        now = self._context.clock.now()
        fates = {key: ask(key, one.declared_at, now) for key, one in sets.items() if not one.retained}
        ignored = {key for key, fate in fates.items() if fate is not Fate.TAKEN_ON}
        heard = [one for key, one in sets.items() if key not in ignored or fates[key] is Fate.DELETED]
        stay = {key for key in ignored if fates[key] is Fate.DELETED and is_to_stay(sets[key], heard)}
        return ignored - stay, stay

    def _is_made_up(self) -> bool:
        """Tell whether a Delete names an id that CloudFormation has made up, for a Create that never answered."""
        physical_id = self._request.physical_id
        is_of_ours = is_set_id(physical_id) or failed_request(physical_id) is not None
        return self._request.type == "Delete" and not is_of_ours

    def _is_concern(self, other: DeclaredSet) -> bool:
        """Tell whether a set is one of this resource, or declares VMs that this resource is to declare."""
        if other.logical_id == self._request.logical_id:
            return True
        if self._request.type == "Delete" or isinstance(self._given, Failure):
            return False
        return other.connector == self.connector and not other.vm_ids.isdisjoint(self.declared.vm_ids)

    def find_out_retained_elsewhere(self) -> None:
        """Take over from sets that CloudFormation does not follow any more: they were retained.

        Otherwise a set that was retained under one logical id, and is declared again under another, would keep its VMs
        for ever. Such sets are counted as kept here. VMs that this resource has declared since leave them. They leave
        retained sets of its own logical id, too: while another resource declared them as well, they could not. They
        stay in a set that was declared later than this resource's own: what that one says is the user's last word.
        """
        context, request = self._context, self._request
        if isinstance(self._given, Failure):
            return
        state = context.fence.state
        established, since = NO_VMS, context.fence.record.found or 0
        if request.type == "Update":
            # Only of the set that CloudFormation names: of another one it may never have heard.
            own = state.sets.get(request.physical_id)
            if own is not None and own.live and not own.kept and own.connector == self.connector:
                established, since = own.vm_ids, own.sequence
        elif request.type == "Delete" and context.fence.record.found is not None and not self._retains:
            established = self.declared.vm_ids
        mine = established if request.type == "Delete" else established | self.declared.vm_ids
        overlapping = {
            physical_id: other
            for physical_id, other in state.sets.items()
            if other.live
            and (other.kept or other.logical_id != request.logical_id)
            and physical_id != request.physical_id
            and other.connector == self.connector
            and (not other.kept or other.vm_ids & established)
            and other.vm_ids & mine
        }
        try:
            gone = {
                physical_id
                for physical_id, other in overlapping.items()
                if other.kept or not context.stack.has(other.logical_id)
            }
        except Failure as failure:
            logger.warning("%s", failure)
            return

        def taken_over(state: State) -> State:
            for physical_id, other in _unchanged(state, overlapping, gone):
                # A set that was taken up again, after the ledger was lost, has no place in the order.
                is_older = other.sequence < since or not other.declared_at
                left = established if is_older else NO_VMS
                rest = replace(other, kept=True, vm_ids=other.vm_ids - left)
                state = state.declare(physical_id, rest) if rest.vm_ids else state.drop([physical_id])
            return state

        self._kept |= gone
        if not gone:
            return
        if established and not self._has_completed():
            # What the resource's set has declared of it was never this resource's for good.
            established = NO_VMS
        logger.warning("the stack does not have the resource of %s any more", ", ".join(sorted(gone)))
        context.fence.write(taken_over)

    def _has_completed(self) -> bool:
        """Tell whether the operation that declared the set which CloudFormation names has come to a good end."""
        found_at = self._context.fence.record.found_at
        return not found_at or self._context.stack.completed_since(found_at, self._context.clock.now())


def _unchanged(
    state: State, judged: Mapping[str, DeclaredSet], physical_ids: set[str]
) -> list[tuple[str, DeclaredSet]]:
    """Return the sets that have not come back since CloudFormation was asked about them. VMs may have left them."""
    return [
        (one, state.sets[one]) for one in physical_ids & state.sets.keys() if _is_same(state.sets[one], judged[one])
    ]


def _is_same(one: DeclaredSet, judged: DeclaredSet) -> bool:
    is_of_then = (one.sequence, one.request_id, one.live) == (judged.sequence, judged.request_id, judged.live)
    return is_of_then and (one.kept or not judged.kept)


def is_to_stay(one: DeclaredSet, others: Iterable[DeclaredSet]) -> bool:
    """Tell whether a set is to be retained if the Delete of its resource has failed, again and again.

    It says RETAIN, and is no former set of its resource: those are removed all the same.
    """
    return one.retains and not any(
        other.logical_id == one.logical_id and other.sequence > one.sequence for other in others
    )
