"""What nobody could decide, of whose an entitlement is and what becomes of it: the cases of docs/limits.md.

Owns these excuses of the judge, each as narrow as the page has it. They go by the truth that the models keep.
"""

from typing import TYPE_CHECKING

from .declared import Declared
from .evs import UNDECIDABLE
from .rows import BY_HAND, Row, Where
from .stacks import Stack

if TYPE_CHECKING:
    from .world import World


class Doubts:
    """The doubts of one history."""

    def __init__(self, world: "World") -> None:
        self._world = world

    def is_undecidable(self, row: Row, by: str) -> bool:
        """Tell whether somebody else entitled a VM in the seconds in which a call of this one for it was lost.

        The row keeps that: whoever comes to own what followed is in the same doubt.
        """
        row.is_undecidable = row.is_undecidable or self._is_in_doubt(row, by)
        return row.is_undecidable

    def _is_in_doubt(self, row: Row, by: str) -> bool:
        """Tell whether one stack's call for a VM was lost in the seconds in which somebody else entitled it.

        A call whose refusal could not be written down is lost in its own seconds: the ledger was out of reach, or the
        invocation was killed. So is one in the second in which EVS says, in whole seconds, that the other one began.
        """
        evs = self._world.evs
        is_untold = "dynamodb" in self._world.trouble.outages
        within = 2.0 if is_untold or row.began.is_integer() else 0.0
        return self._is_unsettled(row, by) or any(
            stack == by and row.vm_id in vm_ids and abs(at - row.began) <= within
            for calls, within in ((evs.lost, UNDECIDABLE), (self._killed, UNDECIDABLE), (evs.called, within))
            for stack, vm_ids, at in calls
        )

    def _is_unsettled(self, row: Row, by: str) -> bool:
        """Tell whether an entitlement began while a call for the VM that a killed invocation had announced was open.

        Nobody has asked since what came of it: no other request of the resource has ended.
        """
        for one in self._world.invocations:
            request = one.request
            if request.stack.name != by or not 0 < one.killed_at <= row.began or request.type == "Delete":
                continue
            if row.vm_id not in Declared.by(request.properties).vm_ids:
                continue
            ended = [other.answered_at for other in request.stack.requests if other.logical_id == request.logical_id]
            if not any(one.killed_at < at <= row.began for at in ended):
                return True
        return False

    def was_ended_in_doubt(self, row: Row, by: str) -> bool:
        """Tell whether somebody had ended a stack's own entitlement of the VM, by hand or in doubt.

        The ledger still has the VM, and whoever has entitled it since: see docs/limits.md. So has a ledger that was
        restored to before the stack itself has ended it.
        """
        own = [one for one in self.rows_of(row.where, row.vm_id) if by in {one.maker, *one.adopters}]
        is_restored = self._world.stacks[by].has_lost_ledger
        return any(one.is_undecidable or one.ended_by == BY_HAND or (is_restored and one.is_over) for one in own)

    def counts_anothers(self, row: Row, by: str) -> bool:
        """Tell whether a stack counts the VM since another stack's earlier entitlement of it: see docs/limits.md.

        Its own call for the VM was lost in the same seconds. Nobody tells it that the other stack has ended that one.
        Once it has had the VM deleted itself, it counts it no more.
        """
        earlier = [one for one in self.rows_of(row.where, row.vm_id) if one.number < row.number]
        last = max((number for number, one in enumerate(earlier) if one.ended_by == by), default=-1)
        return any(one.maker not in (by, BY_HAND) and self._is_in_doubt(one, by) for one in earlier[last + 1 :])

    @property
    def _killed(self) -> list[tuple[str, frozenset[str], float]]:
        """Calls that killed invocations had announced, and of which they told nobody what came of them: at the most."""
        return [
            (one.request.stack.name, Declared.by(one.request.properties).vm_ids, one.killed_at)
            for one in self._world.invocations
            if one.killed_at
        ]

    def rows_of(self, where: Where, vm_id: str) -> list[Row]:
        """Return every entitlement that a VM has had, the newest last."""
        return [row for row in self._world.evs.history if row.where == where and row.vm_id == vm_id]

    def is_another_stacks(self, where: Where, vm_id: str, stack: str) -> bool:
        """Tell whether another stack has entitled a VM, and a call of this one was lost in the same seconds.

        This one may count the VM as its own then, whatever became of that entitlement since.
        """
        others = [row for row in self.rows_of(where, vm_id) if row.maker not in (stack, BY_HAND)]
        return any(self.is_undecidable(row, stack) for row in others)

    def is_ended_in_doubt(self, where: Where, vm_id: str) -> bool:
        """Tell whether a VM's last entitlement was ended by a stack whose own call was lost in the same seconds."""
        rows = self.rows_of(where, vm_id)
        return bool(rows) and rows[-1].is_over and rows[-1].is_undecidable

    def is_forgotten(self, row: Row, stack: Stack) -> bool:
        """Tell whether only sets declare a VM that a lost ledger does not know: see docs/limits.md, "A lost ledger".

        No request has named them since, and another resource has entitled the VM: that one knows its own set alone.
        What was entitled before the loss is none of that.
        """
        declaring = [key for key, one in stack.believed.items() if one.where == row.where and row.vm_id in one.vm_ids]
        names = {logical_id for logical_id, _ in declaring}
        others = [
            one
            for one in stack.requests
            if one.logical_id not in names and one.type != "Delete" and stack.lost_at <= one.issued_at <= row.began
        ]
        return set(declaring) <= stack.forgotten and any(
            (declared := Declared.by(one.properties)).where == row.where and row.vm_id in declared.vm_ids
            for one in others
        )

    def is_left_to_nobody(self, stack: Stack, row: Row) -> bool:
        """Tell whether no request has come since EVS was out of reach, and the stack went: see docs/limits.md.

        A Delete would have failed.
        """
        last = stack.requests[-1]
        return (
            stack.is_gone
            and last.type != "Delete"
            and any(
                service == "evs" and max(began, row.began) <= last.answered_at <= ended
                for service, began, ended in self._world.outages
            )
        )
