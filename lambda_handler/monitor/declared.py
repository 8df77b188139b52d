"""What the ledger says is declared, place by place. Pure.

Owns that an operation under way raises no alarm: a VM that it is about to entitle is not missing yet, and one that it
is about to remove is not undeclared yet. Never writes the ledger.
"""

from dataclasses import dataclass

from ..ledger.state import State
from ..values import NO_VMS, Connector, VmIds


@dataclass(frozen=True)
class Expected:
    """What is expected at one environment and connector.

    Attributes:
        declared: VMs of sets that CloudFormation was told SUCCESS for and still follows: each is to be licensed.
        moving: VMs that an operation under way entitles or removes, or of which the list may not show yet what one has
            done: nothing is said of them.
    """

    declared: VmIds = NO_VMS
    moving: VmIds = NO_VMS


def expected(state: State, connector: Connector, now: float) -> Expected:
    """Return what the ledger expects at a connector.

    What was retained is declared no more: nobody but its owner sees to it.

    Args:
        now: in epoch seconds. A call stays in the ledger until a request comes by that drops it, but says nothing of
            EVS any more once the list has to show what it did.
    """
    sets = [one for one in state.sets.values() if one.connector == connector]
    declared = state.followed(connector)
    pending = NO_VMS.union(*(one.vm_ids for one in sets if not one.live))
    calls = [call for call in state.calls.values() if call.connector == connector and call.until > now]
    # Of what is created anew, or was answered at once, the list may lag behind the answer to CloudFormation.
    unlisted = NO_VMS.union(*(call.vm_ids for call in calls if call.operation == "CreateEntitlement"))
    moving = pending.union(*(call.vm_ids for call in calls))
    return Expected(declared - unlisted, (moving - declared) | unlisted)


def both(before: Expected, after: Expected) -> Expected:
    """Return what was expected before EVS was asked and still is: all else is moving."""
    declared = before.declared & after.declared
    known = before.declared | before.moving | after.declared | after.moving
    return Expected(declared, known - declared)


def places(state: State, configured: frozenset[Connector]) -> list[Connector]:
    """Return where to look: what the template names, and wherever the ledger still has anything."""
    named = {declared.connector for declared in state.sets.values()}
    owned = {connector for connector, holding in state.holdings.items() if holding.owned}
    return sorted(configured | named | owned)
