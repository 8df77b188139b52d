"""What the list of entitlements does not say yet: calls in the air, rows that lag or were passed over.

Owns the rules by which removal believes that a VM holds nothing, nor ever will by a call that is under way.
"""

from collections import Counter

from .evs import Rows
from .ledger import NONE, Flight, VmIds
from .properties import Connector
from .turn import Turn


class Landing:
    """What may still take effect at one connector, and what was seen of it.

    Attributes
    ----------
    flights
        DeleteEntitlement calls of this invocation that were not answered, or whose effect is awaited.
    asked
        VMs for which EVS has taken a DeleteEntitlement of this invocation.
    """

    def __init__(self, turn: Turn, connector: Connector) -> None:
        self._turn = turn
        self._connector = connector
        self.flights: list[Flight] = []
        self.asked: set[str] = set()
        self._listed: set[str] = set()
        self._held: set[str] = set()
        self._missed: VmIds = NONE

    def look(self, targets: VmIds, until: float) -> tuple[Rows, VmIds]:
        """Look at EVS, with patience until a time in epoch seconds.

        Returns
        -------
        tuple[Rows, VmIds]
            Rows of the targets that are there, and those that hold nothing for certain.

        Raises
        ------
        AwsError, Failure
        """
        # Before the look: what lands during it may be missed by it.
        pending = self.pending()
        listed = self._turn.look(self._connector, until)
        present = {vm_id: row for vm_id in targets if (row := listed.get(vm_id)) is not None and not row.gone}
        absent = targets - present.keys() - self._passed_over(targets - listed.keys())
        self._listed |= present.keys()
        self._held |= {vm_id for vm_id, row in present.items() if row.held}
        # Failed, or removed by EVS, and EVS has taken the call to delete it: there is nothing left to pay for.
        ended = {vm_id for vm_id, row in present.items() if vm_id in self.asked and not row.held}
        return present, frozenset((absent | ended) - pending)

    def pending(self) -> VmIds:
        """Return the VMs for which a call may still take effect, or show."""
        return self.creating() | self.removing()

    def creating(self) -> VmIds:
        """Return the VMs for which a CreateEntitlement may still take effect, or show.

        One that was never answered may, unless it is the only one and an entitlement was seen for it; one that was
        answered may not be listed yet.
        """
        now, holding = self._turn.clock.now(), self._turn.state.holding(self._connector)
        unanswered = holding.landings(now, answered=False)
        answered = holding.landings(now, answered=True)
        return frozenset(
            {vm_id for vm_id, calls in unanswered.items() if calls + answered[vm_id] > (vm_id in self._held)}
            | (answered.keys() - self._listed)
        )

    def removing(self) -> VmIds:
        """Return the VMs for which a DeleteEntitlement that was never answered may still take effect.

        It would hit whoever entitles the VM after this request has succeeded. Where EVS has taken no call of ours, the
        only one explains that the VM has gone.
        """
        now, by = self._turn.clock.now(), self._turn.by
        of_others = (one for one in self._turn.state.holding(self._connector).removing if one.by != by)
        calls = Counter(
            vm_id
            for flight in (*self.flights, *of_others)
            if flight.until > now and not flight.answered
            for vm_id in flight.vm_ids
        )
        return frozenset(vm_id for vm_id, count in calls.items() if count > (vm_id not in self.asked))

    def _passed_over(self, absent: VmIds) -> VmIds:
        """Return the VMs that may be listed although this look has not found them.

        Rows go while a long list is read, and others move up; a list may lag. So of a VM for which EVS has taken no
        deletion, only two looks in a row show that it is not there.
        """
        before, self._missed = self._missed, absent
        return absent - before - self.asked
