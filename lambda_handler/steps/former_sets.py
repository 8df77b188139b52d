"""Sets that no request names any more: retained, replaced, or of an answer that nobody heard.

Owns what becomes of them in the ledger; never calls EVS. CloudFormation is asked only for sets that no request may ever
name again. Where it can't say, a set stays: an entitlement too many is found on the bill, one too few by an auditor.
"""

from dataclasses import replace

from ..cloudformation.physical_id import failed_request, is_set_id
from ..errors import Failure
from ..ledger.records import DeclaredSet
from ..ledger.state import State
from ..log import logger
from ..values import NO_VMS
from .declared_sets import DeclaredSets


class FormerSets(DeclaredSets):
    """The sets of a request's logical id, with those that no request names."""

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
        ignored = {
            physical_id
            for physical_id, one in kept.items()
            if not one.retained and context.stack.has_ignored(physical_id, one.declared_at, context.clock.now())
        }
        self._kept = kept.keys() - ignored

        def not_kept(state: State) -> State:
            for physical_id in ignored & state.sets.keys():
                state = state.declare(physical_id, replace(state.sets[physical_id], kept=False))
            return state

        if ignored:
            logger.warning("CloudFormation never took on what was answered as %s", ", ".join(sorted(ignored)))
            context.fence.write(not_kept)

    def _is_concern(self, other: DeclaredSet) -> bool:
        """Tell whether a set is one of this resource, or declares VMs that this resource is to declare."""
        if other.logical_id == self._request.logical_id:
            return True
        if self._request.type == "Delete" or isinstance(self._given, Failure):
            return False
        return other.connector == self.connector and not other.vm_ids.isdisjoint(self.declared.vm_ids)

    def find_out_retained_elsewhere(self) -> None:
        """Take over from sets of other logical ids that CloudFormation does not follow any more: they were retained.

        Otherwise a set that was retained under one logical id, and is declared again under another, would keep its VMs
        for ever. Such sets are counted as kept here. VMs that this resource already declares leave them.
        """
        context, request = self._context, self._request
        if isinstance(self._given, Failure):
            return
        state = context.fence.state
        established = NO_VMS
        if request.type == "Update":
            # Only of the set that CloudFormation names: of another one it may never have heard.
            own = state.sets.get(request.physical_id)
            if own is not None and own.live and not own.kept and own.connector == self.connector:
                established = own.vm_ids
        elif request.type == "Delete" and context.fence.record.found is not None and not self._retains:
            established = self.declared.vm_ids
        mine = established if request.type == "Delete" else established | self.declared.vm_ids
        overlapping = {
            physical_id: other
            for physical_id, other in state.sets.items()
            if other.live and other.logical_id != request.logical_id
            and other.connector == self.connector
            and (not other.kept or other.vm_ids & established)
            and other.vm_ids & mine
        }  # fmt: skip
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
            for physical_id in gone & state.sets.keys():
                other = state.sets[physical_id]
                rest = replace(other, kept=True, vm_ids=other.vm_ids - established)
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

    def drop_obsolete(self) -> None:
        """Drop sets that an Update shows to be history: their Delete never came, or nobody heard their answer."""
        context, request = self._context, self._request
        if request.type != "Update":
            return
        current = {request.physical_id, self.set_id}
        live = context.fence.state.sets_of(request.logical_id, live=True)
        others = {key for key, declared in live.items() if key not in current and not declared.kept}
        if not others:
            return
        try:
            others.discard(context.stack.physical_id_of(request.logical_id) or "")
        except Failure as failure:
            logger.warning("%s", failure)
            return
        obsolete = {key for key in others if self._is_history(live[key], live.get(request.physical_id))}
        if others - obsolete:
            logger.info("kept, since the stack may yet return to it: %s", ", ".join(sorted(others - obsolete)))
        if obsolete:
            context.fence.write(lambda state: state.drop(obsolete))

    def _is_history(self, other: DeclaredSet, current: DeclaredSet | None) -> bool:
        """Tell whether CloudFormation can never return to a set that is not the one it has now.

        CloudFormation never goes forward to a newer set. It may go back to an older one: where an update failed with
        rollback off, the stack can still be rolled back to the set before, until an operation has ended well.
        """
        context = self._context
        found = context.fence.record.found
        if found is not None and other.sequence > found:
            return True
        moments = [other.declared_at, current.declared_at if current else other.declared_at]
        return context.stack.settled_since(max(moments), context.clock.now())

    # --- Delete ----------------------------------------------------------------------------------------------------

    def drop_abandoned(self) -> None:
        """Drop live sets that no Delete will ever name.

        A Delete of an id that no set has comes after a Create that failed, or that CloudFormation gave up waiting for:
        such a Create's answer may never have been heard. And where the whole stack goes, a set that CloudFormation does
        not name will not get a Delete of its own any more.
        """
        context, request = self._context, self._request
        live = context.fence.state.sets_of(request.logical_id, live=True)
        live = {key: value for key, value in live.items() if not value.kept}
        if not live:
            return
        failed = failed_request(request.physical_id)
        if context.fence.record.found is not None:
            abandoned = self._abandoned_with(live, self._named())
        elif is_set_id(request.physical_id):
            # An earlier Delete has dropped it. That one may have failed before it came to the others.
            named = self._named()
            abandoned = self._abandoned_with(live, named) if named == request.physical_id else set()
        else:
            abandoned = set(live)
            if failed is not None:
                sequence, request_id = failed
                abandoned = {
                    key for key, value in live.items() if value.sequence < sequence or value.request_id == request_id
                }
            if abandoned:
                abandoned.discard(context.stack.physical_id_of(request.logical_id) or "")
            if failed is None:
                # The Create may never have begun, so that nothing tells yet that a set from before it was retained.
                now = context.clock.now()
                abandoned = {
                    key for key in abandoned if context.stack.find_out_ignored(key, live[key].declared_at, now)
                }
        if abandoned:
            context.fence.write(lambda state: state.drop(abandoned))

    def drop_skipped(self) -> None:
        """Drop live sets of resources that the stack has no more, whose clean-up CloudFormation has given up.

        It tries a clean-up three times. What the ledger never heard of, as while it was out of reach, would stay for
        ever. So these sets go with the whole stack: no request will come for them.
        """
        context, request = self._context, self._request
        others = {
            key: one
            for key, one in context.fence.state.sets.items()
            if one.live and not one.kept and not one.retains and one.logical_id != request.logical_id
        }
        stack, now = context.stack, context.clock.now()
        if not others or not stack.is_being_deleted():
            return
        try:
            skipped = {
                key
                for key, one in others.items()
                if not stack.has(one.logical_id) and stack.has_ignored(key, one.declared_at, now)
            }
        except Failure as failure:
            logger.warning("%s", failure)
            return
        if skipped:
            logger.warning("the stack goes, and its clean-up has left %s", ", ".join(sorted(skipped)))
            context.fence.write(lambda state: state.drop(skipped))

    def _named(self) -> str | None:
        """Return the id that CloudFormation names for the resource; None where it can't be asked, too."""
        try:
            return self._context.stack.physical_id_of(self._request.logical_id)
        except Failure as failure:
            logger.warning("%s", failure)
            return None

    def _abandoned_with(self, live: dict[str, DeclaredSet], named: str | None) -> set[str]:
        """Return the other live sets that go with the one that is deleted, since their resource goes.

        In the clean-up after an Update CloudFormation names the new set: then the resource stays. Where it names the
        one that is deleted, or the whole stack goes, no request will come for the others. A newer one is dropped only
        where CloudFormation has certainly never taken it on.
        """
        context, request = self._context, self._request
        stack, now = context.stack, context.clock.now()
        if named in live:
            return set()
        if stack.is_being_deleted():
            # A set that says RETAIN gets no Delete: CloudFormation skips it. Unless it has never taken the set on.
            may_stay = set() if stack.is_rolling_back() else {key for key, value in live.items() if value.retains}
            return set(live) - {key for key in may_stay if not stack.has_ignored(key, live[key].declared_at, now)}
        if named != request.physical_id:
            return set()
        found = context.fence.record.found or 0
        older = {key for key, value in live.items() if value.sequence < found}
        ignored = {key for key in live.keys() - older if stack.has_ignored(key, live[key].declared_at, now)}
        return ignored if stack.is_rolling_back() else ignored | older
