"""Sets that no request names any more: replaced, skipped, or of an answer that nobody heard.

Owns what becomes of them in the ledger; never calls EVS. CloudFormation is asked only for sets that no request may ever
name again. Where it can't say, a set stays: an entitlement too many is found on the bill, one too few by an auditor.
"""

from collections.abc import Callable, Mapping

from ..aws.calls import AwsError
from ..cloudformation.answer import Answer
from ..cloudformation.events import Fate, newest_id
from ..cloudformation.physical_id import failed_id, failed_request, is_set_id
from ..errors import Failure
from ..ledger.records import DeclaredSet
from ..ledger.state import State, key_of
from ..log import logger
from ..text import some
from ..values import Connector, VmIds
from .retained_sets import RetainedSets


class FormerSets(RetainedSets):
    """The sets of a request's logical id, with those that no request names."""

    def drop_obsolete(self) -> None:
        """Drop sets that an Update shows to be history: their Delete never came, or nobody heard their answer.

        Where it is not certain that it is the newest Update, they stay for the next one.
        """
        context, request = self._context, self._request
        if request.type != "Update" or context.fence.record.is_tied:
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
            abandoned = self._abandoned_with(live, context.named())
        elif is_set_id(request.physical_id):
            # An earlier Delete has dropped it. That one may have failed before it came to the others.
            named = context.named()
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
            if failed is None and abandoned:
                # The Create may never have begun, so that nothing tells yet that a set from before it was retained.
                abandoned &= self._ignored(live, context.stack.find_out_fate)[0]
        if abandoned:
            never = self._never_taken_on({key: live[key] for key in abandoned}, context.stack.fate_of)
            # Its own Delete may have kept one since.
            context.fence.write(
                lambda state: _dropped(state, {key for key in abandoned if not _is_retained(state, key)}, never)
            )

    def drop_skipped(self) -> None:
        """Drop sets of resources that the stack has no more, whose clean-up CloudFormation has given up.

        It tries a clean-up three times. What the ledger never heard of, as while it was out of reach, would stay for
        ever. So these sets go with the whole stack: no request will come for them. So do sets that count as kept, and
        that CloudFormation has never taken on: while it could not be asked, nobody knew. So do sets of a Create that
        never answered, whose Delete never came to anything: an invocation that still carries it out is stopped.
        """
        context, request = self._context, self._request
        state, stack, now = context.fence.state, context.stack, context.clock.now()
        others = {
            key: one for key, one in state.sets.items() if one.logical_id != request.logical_id and not one.retained
        }
        if not others or not stack.is_being_deleted():
            return
        try:
            gone = {key: one for key, one in others.items() if not stack.has(one.logical_id)}
            names = {one.logical_id for one in gone.values()}
            live = {key: one for key, one in state.sets.items() if one.live and one.logical_id in names}
            skipped = gone.keys() & self._ignored(live, stack.fate_of)[0] | {
                key for key in gone.keys() - live.keys() if stack.has_ignored(key, gone[key].declared_at, now)
            }
            skipped = {key for key in skipped if self._knows_newest(state, gone[key].logical_id)}
            never = self._never_taken_on({key: gone[key] for key in skipped}, stack.find_out_fate)
        except (AwsError, Failure) as failure:
            logger.warning("%s", failure)
            return
        if skipped:
            logger.warning("the stack goes, and its clean-up has left %s", ", ".join(sorted(skipped)))
            context.fence.write(lambda state: _dropped(_stopped(state, skipped), skipped, never))

    def _knows_newest(self, state: State, logical_id: str) -> bool:
        """Tell whether the ledger knows the last set of a resource: the VMs of one that it has lost may be retained."""
        newest = newest_id(self._context.stack.own_events(), logical_id)
        return newest in state.sets or newest in state.dropped or not is_set_id(newest)

    def _never_taken_on(self, sets: Mapping[str, DeclaredSet], ask: Callable[..., Fate]) -> set[str]:
        """Return, of sets that adopt, those that CloudFormation has certainly never had for good.

        An operation that has completed since then says nothing of what they have adopted.

        Args:
            ask: `Stack.find_out_fate`, or `Stack.fate_of`.
        """
        state, now = self._context.fence.state, self._context.clock.now()
        adopting = {key: one for key, one in sets.items() if _adopted_by(state, one)}
        fates = {key: ask(key, one.declared_at, now) for key, one in adopting.items()}
        return {key for key, fate in fates.items() if fate in (Fate.UNNAMED, Fate.ROLLED_BACK)}

    def has_request_to_come(self, connector: Connector) -> bool:
        """Tell whether CloudFormation will yet send a request for a set at a connector.

        It sends none for what was retained, nor, while the stack is being deleted, for a set that says RETAIN.
        """
        followed = [
            one for one in self._context.fence.state.sets.values() if one.connector == connector and not one.kept
        ]
        if all(one.retains for one in followed):
            return bool(followed) and not self._context.stack.is_being_deleted()
        return True

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


def _is_retained(state: State, physical_id: str) -> bool:
    return physical_id in state.sets and state.sets[physical_id].retained


def _adopted_by(state: State, declared: DeclaredSet) -> VmIds:
    """Return the VMs that the request of a set has adopted."""
    adopted = state.holding(declared.connector).adopted
    return frozenset(
        vm_id for vm_id in declared.vm_ids & adopted.keys() if adopted[vm_id].request_id == declared.request_id
    )


def _dropped(state: State, physical_ids: set[str], never: set[str]) -> State:
    """Drop sets, and give back what those of `never` have adopted, unless another set declares it."""
    sets = [state.sets[key] for key in physical_ids & never & state.sets.keys()]
    given = [(one.connector, _adopted_by(state, one)) for one in sets]
    state = state.drop(physical_ids)
    for connector, vm_ids in given:
        if back := vm_ids - state.declared(connector):
            logger.warning("given back, left entitled: %s at %s", some(back, 100), connector)
            state = state.disown(connector, back)
    return state


def _stopped(state: State, physical_ids: set[str]) -> State:
    """Answer the requests that have declared pending sets: an invocation that carries one out says that, and ends."""
    for physical_id in physical_ids & state.sets.keys():
        pending = state.sets[physical_id]
        # An Update has the same key.
        key = key_of("Create", pending.logical_id, "")
        record = state.requests.get(key)
        if not pending.live and record is not None and record.request_id == pending.request_id and not record.answer:
            its_id = failed_id(record.sequence, record.request_id) if record.type == "Create" else record.physical_id
            state = state.record(key, answer=Answer("FAILED", its_id, "the stack is being deleted").stored())
    return state
