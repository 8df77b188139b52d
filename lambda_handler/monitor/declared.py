"""What the ledger says is declared, place by place. Pure.

Owns that an operation which is under way is nobody's alarm: what it is about to entitle is not missing yet, and what it
is about to remove is nobody's surprise. Never writes the ledger.
"""

from dataclasses import dataclass

from ..ledger.state import State
from ..values import NO_VMS, Connector, VmIds


@dataclass(frozen=True)
class Expected:
    """What is expected at one environment and connector.

    Attributes:
        declared: VMs of sets that CloudFormation was told SUCCESS for: each is to be licensed.
        moving: VMs that an operation under way entitles or removes: nothing is said of them.
    """

    declared: VmIds = NO_VMS
    moving: VmIds = NO_VMS


def expected(state: State, connector: Connector) -> Expected:
    """Return what the ledger expects at a connector."""
    declared = state.declared(connector, live=True)
    calls = (call.vm_ids for call in state.calls.values() if call.connector == connector)
    return Expected(declared, state.declared(connector).union(*calls) - declared)


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
