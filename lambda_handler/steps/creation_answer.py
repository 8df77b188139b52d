"""Whose an entitlement is with which EVS answers a creation. Pure.

EVS may answer the creation of a VM that is entitled already with success, and with the row that there was. Owns how
such a row is told from what the call has made.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..evs.rows import Row, Rows
from ..ledger.records import Call
from ..ledger.state import State
from ..values import VmIds
from .unsettled import called_by_others, first_left_at


@dataclass(frozen=True)
class CreationAnswer:
    """The answer to a CreateEntitlement that EVS took.

    Attributes:
        call: as it was announced, under `call_id`.
        sent_at: when it left, in epoch seconds. It had no effect before that, which is later than its announcement.
        rows: what EVS answered.
        former: the rows that the VMs had before.
        known: VMs that were ours when the call was decided on.
    """

    call_id: str
    call: Call
    sent_at: float
    rows: Rows
    former: Rows
    known: VmIds

    def foreign(self, state: State) -> VmIds:
        """Return the VMs whose rows began before the call, and before any other call of ours for them.

        What has become ours since the call was decided on, another resource of this stack has made.

        Args:
            state: the ledger.
        """
        others, vm_ids = self._others(state), self.call.vm_ids
        called = first_left_at(others, self.call.connector)
        began = {vm_id: min(called.get(vm_id, self.sent_at), self.sent_at) for vm_id in vm_ids}
        holding = others.holding(self.call.connector)
        # Another resource has taken them over meanwhile: they are somebody's, and this call made nothing of them.
        adopted = vm_ids & (holding.adopted.keys() - self.known)
        return adopted | self._begun_before(began, vm_ids - (holding.owned - self.known))

    def unheard(self, state: State, invocation: str, recently: float) -> VmIds:
        """Return the VMs that this call has not made, and that only a call without an answer explains.

        Another invocation has made that one. It may be about to say that EVS has answered it with somebody else's
        entitlement, too.

        Args:
            state: the ledger.
            invocation: the one that asks.
            recently: calls that left before this moment (epoch seconds) count as they are.
        """
        called = called_by_others(self._others(state), self.call.connector, invocation, recently) & self.call.vm_ids
        if not called:
            return called
        return self._begun_before(dict.fromkeys(called, self.sent_at), called) - self.foreign(state)

    @property
    def made(self) -> VmIds:
        """The VMs of which the answer shows that the call has made their entitlement."""
        rows = ((vm_id, self.rows.get(vm_id)) for vm_id in self.call.vm_ids)
        return frozenset(vm_id for vm_id, row in rows if row and row.started and not row.began_before(self.sent_at))

    def _others(self, state: State) -> State:
        """Return the ledger without this call, and without those of other VMs: of thousands there are many."""
        vm_ids = self.call.vm_ids
        calls = {
            key: one for key, one in state.calls.items() if key != self.call_id and not vm_ids.isdisjoint(one.vm_ids)
        }
        return replace(state, calls=calls)

    def _begun_before(self, moments: Mapping[str, float], vm_ids: VmIds) -> VmIds:
        """Return those of some VMs whose rows began before a moment: VM -> epoch seconds."""
        return frozenset(
            vm_id
            for vm_id in vm_ids
            if (row := self.rows.get(vm_id)) is not None and _is_older(row, moments[vm_id], self.former.get(vm_id))
        )


def _is_older(row: Row, left_at: float, former: Row | None) -> bool:
    """Tell whether what a row shows began before a call, so that the call did not make it.

    EVS may go on with the row of an entitlement that had failed or ended; then its start says nothing.
    """
    if former is not None and not former.may_be_held and former.started == row.started:
        return False
    return row.is_somebodys and row.began_before(left_at)
