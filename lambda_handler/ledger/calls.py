"""Calls in the ledger: announced, taken, lost, void, confirmed by the list, forgotten. Pure transitions of `State`.

Owns what the outcome of a call, and a look at EVS, mean for what is ours. Every transition does nothing where it is
already done: a write whose answer was lost is repeated.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..values import NO_VMS, Connector, VmIds
from .records import Adoption, Call
from .state import State, is_at


def announce(state: State, calls: Mapping[str, Call]) -> State:
    """Note calls that are about to be made."""
    creates = any(call.operation == "CreateEntitlement" for call in calls.values())
    return replace(state, calls={**state.calls, **calls}, claims=state.claims + creates)


def take(state: State, call_id: str, vm_ids: VmIds, until: float, sent_at: float = 0.0, made: VmIds = NO_VMS) -> State:
    """Note that EVS took a call for these of its VMs. A deletion that EVS took earlier has had its effect by then.

    Args:
        until: until when the list may not show it, in epoch seconds.
        sent_at: when the call left, in epoch seconds: it had no effect between its announcement and then.
        made: VMs of which EVS's answer shows that the call has made their entitlement. Of others EVS may have taken the
            call though they are held. Then what was adopted is what there is.
    """
    call = state.calls.get(call_id)
    if call is None or call.taken:
        return state
    left_at = max(call.left_at, sent_at)
    now_taken = replace(call, vm_ids=vm_ids, left_at=left_at, lands_by=left_at, until=until, taken=True)
    taken = replace(state, calls={**state.calls, call_id: now_taken})
    if call.operation == "CreateEntitlement":
        holding = taken.holding(call.connector)
        before = {vm_id for vm_id, adoption in holding.adopted.items() if adoption.at < left_at}
        created = holding.unmark(made & before - call.renewed)
        taken = taken.hold(call.connector, created) if created is not holding else taken
        return _without_deletions(taken, call.connector, dict.fromkeys(vm_ids, left_at))
    return _without_creations(taken, now_taken)


def _without_creations(state: State, deletion: Call) -> State:
    """Forget creations without an answer that can't take effect any more, where EVS took a deletion since.

    Whatever they made before, the deletion has ended.
    """

    def rest(_: str, call: Call) -> Call:
        is_over = not call.taken and call.lands_by <= deletion.left_at
        if is_over and is_at(call, deletion.connector, "CreateEntitlement"):
            return call.without(deletion.vm_ids & state.holding(deletion.connector).owned)
        return call

    return state.map_calls(rest)


def _without_deletions(state: State, connector: Connector, created: Mapping[str, float]) -> State:
    """Forget deletions that EVS took, or that could land, before a creation: VM -> when that left, in epoch seconds."""

    def rest(_: str, call: Call) -> Call:
        if not is_at(call, connector, "DeleteEntitlement"):
            return call
        over = call.left_at if call.taken else call.lands_by
        return call.without(frozenset(vm_id for vm_id in call.vm_ids if created.get(vm_id, 0.0) >= over))

    return state.map_calls(rest)


def lose(state: State, call_id: str, lands_by: float, until: float, sent_at: float = 0.0) -> State:
    """Note that a call got no answer, until when it may take effect, and until when the list may not show it."""
    call = state.calls.get(call_id)
    if call is None or call.taken:
        return state
    lost = replace(call, left_at=max(call.left_at, sent_at), lands_by=lands_by, until=until)
    return state if lost == call else replace(state, calls={**state.calls, call_id: lost})


def void(state: State, call_id: str) -> State:
    """Note that a call had, and will have, no effect: it never left, or was refused."""
    return replace(state, calls={key: call for key, call in state.calls.items() if key != call_id})


def confirm(state: State, connector: Connector, started: Mapping[str, float], judged: State) -> State:
    """Note entitlements of ours that the list shows: VM -> when it began at the latest, 0 where EVS does not say.

    It says nothing of a call that left after the row began, where the ledger as it was then, `judged`, does not have
    the call: the VM may have been deleted, and called for again, since.

    A row explains one call for its VM, of those that left before the row began. Where there are several of them, which
    one is not known: EVS may have taken the one whose invocation has not said so yet. So none of them is forgotten. The
    row also explains every call that EVS took. A call without an answer that it does not explain may still take effect.
    """
    calls: dict[str, Call] = {}
    shown = frozenset(started)
    for call_id, call in state.calls.items():
        if is_at(call, connector, "CreateEntitlement"):
            vm_ids = call.vm_ids & shown
            if call_id not in judged.calls:
                vm_ids = frozenset(vm_id for vm_id in vm_ids if call.left_at <= started[vm_id])
            calls[call_id] = replace(call, vm_ids=vm_ids)
    seen = NO_VMS.union(*(call.vm_ids for call in calls.values()))
    if not seen:
        return state
    # The row of a VM that is ours already is explained; it says nothing of a call that is left.
    unclear = seen & NO_VMS.union(*(call.vm_ids for call in calls.values() if not call.taken))
    unclear -= state.holding(connector).owned
    explained: dict[str, set[str]] = {}
    for vm_id in unclear:
        of_vm = {call_id: call for call_id, call in calls.items() if vm_id in call.vm_ids and not call.taken}
        others = [call for call in calls.values() if call.taken and vm_id in call.vm_ids]
        if (its_call := _explaining(of_vm, others, started[vm_id])) is not None:
            explained.setdefault(its_call, set()).add(vm_id)
    state = state.map_calls(
        lambda call_id, call: (
            call
            if call_id not in calls
            else call.without(calls[call_id].vm_ids if call.taken else frozenset(explained.get(call_id, ())))
        )
    )
    created: dict[str, float] = {}
    for call in calls.values():
        created |= {vm_id: max(call.left_at, created.get(vm_id, 0.0)) for vm_id in call.vm_ids}
    state = _without_deletions(state, connector, created)
    return state.hold(connector, state.holding(connector).own(seen))


def forget(state: State, connector: Connector, vm_ids: VmIds, looked_at: float, claims: int) -> State:
    """Note that VMs hold nothing, as a look showed that began at `looked_at` when the ledger had counted `claims`.

    A look proves nothing where it began before a call for the VM could show its effect, or where others have announced
    calls since it began. A VM that a set declares is not forgotten: whoever declares the VM has taken it over. A
    deletion that EVS took is remembered: the list may show for a while what is gone.
    """
    pending = NO_VMS.union(
        *(call.vm_ids for call in state.calls_at(connector, "CreateEntitlement") if call.until > looked_at)
    )
    gone = vm_ids - pending - state.declared(connector)
    if claims != state.claims or not gone:
        return state
    return state.disown(connector, gone)


def adopt(state: State, connector: Connector, vm_ids: VmIds, adoption: Adoption, now: float) -> State:
    """Note that VMs are taken over. A deletion that could land only before says nothing of them any more."""
    state = state.hold(connector, state.holding(connector).adopt(vm_ids - state.owned(connector), adoption))
    return _without_deletions(state, connector, dict.fromkeys(vm_ids, now))


def disown(state: State, connector: Connector, vm_ids: VmIds, judged: State) -> State:
    """Note that VMs hold nothing of ours, as an earlier state of the ledger shows them.

    It says nothing of a VM that another request has declared, called for or come to own since.
    """
    new = [call for call_id, call in state.calls.items() if call_id not in judged.calls]
    called = NO_VMS.union(*(call.vm_ids for call in new if is_at(call, connector, "CreateEntitlement")))
    owned = state.holding(connector).owned - judged.holding(connector).owned
    declared = state.declared(connector) - judged.declared(connector)
    return state.disown(connector, vm_ids - called - owned - declared)


def pruned(state: State, now: float) -> State:
    """Drop calls that nobody has to know of any more.

    A deletion goes once it can take no effect any more. One of an unknown outcome stays while its VM counts as ours: an
    entitlement that began since then is somebody else's. A creation whose outcome is not known is kept until a look has
    shown the outcome, however long that takes. Only VMs that are ours anyway leave it.
    """
    deleted: dict[Connector, VmIds] = {}
    for one in state.calls.values():
        if one.operation == "DeleteEntitlement":
            deleted[one.connector] = deleted.get(one.connector, NO_VMS) | one.vm_ids

    def rest(_: str, call: Call) -> Call:
        if call.until > now:
            return call
        owned = state.holding(call.connector).owned
        if call.operation == "DeleteEntitlement":
            return replace(call, vm_ids=NO_VMS) if call.taken else call.without(call.vm_ids - owned)
        # A creation after a deletion shows that what there is now is ours.
        return call.without(owned - deleted.get(call.connector, NO_VMS))

    return state.map_calls(rest)


def _explaining(unanswered: Mapping[str, Call], taken: Iterable[Call], started: float) -> str | None:
    """Return the unanswered call that a row explains; None where that is another one, or may be any of several."""
    first_taken = min((call.left_at for call in taken), default=None)
    candidates = {
        call_id: call.left_at for call_id, call in unanswered.items() if not started or call.left_at <= started
    } or {call_id: call.left_at for call_id, call in unanswered.items()}
    if first_taken is not None:
        if not started or started >= first_taken:
            return None
        candidates = {call_id: left_at for call_id, left_at in candidates.items() if left_at < first_taken}
    return next(iter(candidates)) if len(candidates) == 1 else None
