"""What a Create or Update has to do: declared set, ledger and rows of EVS in, a plan out.

Owns the decision, as a pure function; does no I/O. Create and Update only ever add, so a plan knows no removal.
"""

from dataclasses import dataclass

from ..cloudformation.properties import Properties
from ..evs.listing import Look
from ..evs.rows import Rows, Status
from ..ledger.records import Call
from ..ledger.state import State
from ..values import NO_VMS, VmIds
from .unsettled import Ours, awaited_until, called_by_others


@dataclass(frozen=True)
class Plan:
    """What becomes of each VM of a declared set.

    Attributes:
        conflicts: somebody's, and not ours: VM id -> its row. With any of these nothing is done.
        adopt: the same with AdoptExisting: becomes ours without a call.
        busy: wait, look, and plan again. A DeleteEntitlement of ours may still take effect; one that EVS has answered
            has taken effect once the row is gone. Or only the call of another invocation explains who holds the VM, and
            that one may be about to say that EVS has refused it.
        awaited: called for already, by another invocation or request of this stack, and not listed yet: VM id -> until
            when it is awaited before it is called for again, in epoch seconds.
        create: new to us and not held.
        restore: ours since an earlier set, and failed, removed by EVS or gone: created again as well as it can be.
        required: new to us, to be CREATED before the request succeeds. What EVS has removed and we adopt is not waited
            for.
        added: new to us.
    """

    conflicts: Rows
    adopt: VmIds
    busy: VmIds
    awaited: dict[str, float]
    create: VmIds
    restore: VmIds
    required: VmIds
    added: VmIds


def plan(declared: Properties, state: State, look: Look, others_for: float, invocation: str = "") -> Plan:
    """Decide.

    Args:
        declared: what the request declares.
        state: the ledger.
        look: what EVS lists.
        others_for: for how long the call of another invocation is awaited, in seconds.
        invocation: the invocation that plans.
    """
    connector, now = declared.connector, look.began
    established = state.owned(connector) & state.declared(connector, live=True)
    present = {vm_id: row for vm_id in declared.vm_ids if (row := look.rows.get(vm_id)) is not None and not row.is_gone}
    busy = _busy(state, declared, present, now)
    foreign = {vm_id: present[vm_id] for vm_id in Ours(state, connector).others_in(present.values()) - busy}
    unheard = called_by_others(state, connector, invocation, now - others_for) - foreign.keys() - busy
    busy |= {vm_id for vm_id in unheard & present.keys() if present[vm_id].is_somebodys}
    wanting = {
        vm_id
        for vm_id in declared.vm_ids - busy
        if vm_id not in foreign and ((row := present.get(vm_id)) is None or not row.may_be_held)
    }
    # What was ours and entitled, and is not, is called for in any case.
    awaited = _awaited(state, declared, present, wanting - established, now, others_for)
    wanting -= awaited.keys()
    restore = frozenset(wanting & established)
    adopt = frozenset(foreign) if declared.adopt_existing else NO_VMS
    unawaited = {vm_id for vm_id in adopt if present[vm_id].status is Status.ENTITLEMENT_REMOVED}
    added = declared.vm_ids - established
    return Plan(
        conflicts={} if declared.adopt_existing else foreign,
        adopt=adopt,
        busy=busy,
        awaited=awaited,
        create=frozenset(wanting) - restore,
        restore=restore,
        required=added - unawaited,
        added=added,
    )


def _busy(state: State, declared: Properties, present: Rows, now: float) -> VmIds:
    busy: set[str] = set()
    for call in state.calls_at(declared.connector, "DeleteEntitlement"):
        may_hit = (call.until if call.taken else call.lands_by) > now
        concerned = call.vm_ids & declared.vm_ids if may_hit else NO_VMS
        # What EVS took has taken effect once the row is gone, or is another one.
        done = {vm_id for vm_id in concerned if vm_id not in present or present[vm_id].began_after(call.left_at)}
        busy |= concerned - done if call.taken else concerned
    return frozenset(busy)


def _awaited(
    state: State, declared: Properties, present: Rows, wanting: set[str], now: float, others_for: float
) -> dict[str, float]:
    calls: dict[str, list[Call]] = {}
    for call in state.calls_at(declared.connector, "CreateEntitlement"):
        for vm_id in call.vm_ids & wanting:
            # A row that the VM had before the call may still be listed; any other says what became of the call.
            if vm_id not in present or vm_id in call.renewed:
                calls.setdefault(vm_id, []).append(call)
    until = {vm_id: awaited_until(of_vm, others_for) for vm_id, of_vm in calls.items()}
    return {vm_id: moment for vm_id, moment in until.items() if moment > now}
