"""How long a VM has to be missing from EVS's list until it counts as gone.

Owns the count of the looks that have missed it, in all invocations of a request. Calls nothing.
"""

from ..values import Connector, VmIds
from .context import Context


def may_be_missed(context: Context, connector: Connector, absent: VmIds, claims: int = 0) -> VmIds:
    """Count one more look, and return the VMs that may be listed although no look has found them.

    Rows go while a long list is read, and others move up. A list may also lag. So one look does not show that a VM
    holds nothing. Several looks in a row, over some seconds, do.

    Args:
        absent: what the look has not found.
        claims: how many creations the ledger has counted; 0 where there is no ledger.
    """
    pace, now, carried = context.pace, context.clock.now(), context.carried
    if claims != carried.missed_claims:
        # Somebody has called for VMs since: what was missed before may have been created again.
        carried.missed.clear()
        carried.missed_claims = claims
    before = carried.missed.get(connector, {})
    again = {vm_id: before.get(vm_id, (now, 0)) for vm_id in absent}
    missed = carried.missed[connector] = {vm_id: (since, looks + 1) for vm_id, (since, looks) in again.items()}
    return frozenset(
        vm_id for vm_id, (since, looks) in missed.items() if looks < pace.absent_looks or now - since < pace.absent_for
    )
