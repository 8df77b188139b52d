"""What a Create or Update has to do: declared set, ledger and rows of EVS in, a plan out.

Owns the decision, as a pure function; does no I/O. Create and Update only ever add, so a plan knows no removal.
"""

from dataclasses import dataclass

from .evs import REMOVED, Row, Rows
from .ledger import Holding, VmIds


@dataclass(frozen=True)
class Plan:
    """What becomes of each VM of a declared set.

    Attributes
    ----------
    conflicts
        Held, or removed by EVS, and not ours: VM id -> its row. With any of these nothing is done.
    adopt
        The same with AdoptExisting: becomes ours without a call.
    busy
        A DeleteEntitlement for it may still take effect: wait, look, and plan again. One that EVS has answered has
        taken effect once the row is gone.
    create
        New to us and not held.
    restore
        Ours since an earlier set, and failed, removed by EVS or gone: created again as well as it can be.
    required
        New to us, to be CREATED before the request succeeds. What EVS has removed and we adopt is not waited for.
    """

    conflicts: Rows
    adopt: VmIds
    busy: VmIds
    create: VmIds
    restore: VmIds
    required: VmIds


def plan(
    declared: VmIds, *, adopt_existing: bool, holding: Holding, established: VmIds, rows: Rows, now: float
) -> Plan:
    """Decide.

    Parameters
    ----------
    declared
        The set's VMs.
    adopt_existing
        AdoptExisting of the request.
    holding
        What the ledger says is ours at the set's connector.
    established
        Of those, the ones that a live set declares: theirs is a state that somebody relies on.
    rows
        What EVS lists, one row a VM.
    now
        When EVS was asked for the rows, in epoch seconds.
    """
    present = {vm_id: row for vm_id in declared if (row := rows.get(vm_id)) is not None and not row.gone}
    busy = declared & holding.in_removal(now, answered=False)
    busy |= holding.in_removal(now, answered=True) & present.keys()
    foreign = {
        vm_id: row
        for vm_id, row in present.items()
        if vm_id not in holding.owned and (row.held or row.status == REMOVED)
    }
    wanting = {vm_id for vm_id in declared - busy if not _held(present.get(vm_id)) and vm_id not in foreign}
    restore = frozenset(wanting & established)
    adopt = frozenset(foreign) if adopt_existing else frozenset[str]()
    unawaited = {vm_id for vm_id in adopt if not present[vm_id].held}
    return Plan(
        conflicts={} if adopt_existing else foreign,
        adopt=adopt,
        busy=busy,
        create=frozenset(wanting) - restore,
        restore=restore,
        required=declared - established - unawaited,
    )


def _held(row: Row | None) -> bool:
    return row is not None and row.held
