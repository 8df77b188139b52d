"""What the list of entitlements does not say yet: calls that may still have an effect, rows that lag or were missed.

Owns the rules by which a VM is taken for ours, or believed to hold nothing now and later. Pure.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from ..evs.rows import Row, Rows
from ..ledger.records import Call, Operation
from ..ledger.state import State
from ..values import NO_VMS, Connector, VmIds


class Ours:
    """The entitlements of this stack at one connector, as far as the ledger knows.

    What the ledger owns is ours. So is what a call of ours explains: EVS took one for the VM, or nobody knows what
    became of one, and the entitlement did not begin before the first of them.
    """

    def __init__(self, state: State, connector: Connector) -> None:
        self._owned = state.holding(connector).owned
        self._first = first_left_at(state, connector)
        self._renewed = NO_VMS.union(*(call.renewed for call in state.calls_at(connector, "CreateEntitlement")))

    def has(self, row: Row) -> bool:
        """Tell whether the entitlement that a row shows is ours."""
        vm_id = row.vm_id
        if vm_id in self._owned:
            return True
        if vm_id not in self._first:
            return False
        return vm_id in self._renewed or not row.began_before(self._first[vm_id])

    def shown(self, rows: Rows, vm_ids: Iterable[str]) -> dict[str, float]:
        """Return the VMs for which a row shows what a call of ours made: VM -> when it began at the latest."""
        if not self._first:
            return {}
        concerned = (rows[vm_id] for vm_id in vm_ids if vm_id in self._first and vm_id in rows)
        return {row.vm_id: row.started_by for row in concerned if self._shows(row)}

    def _shows(self, row: Row) -> bool:
        if row.is_somebodys:
            return self.has(row) and (row.may_be_held or self._is_new(row))
        return self._is_new(row)

    def _is_new(self, row: Row) -> bool:
        """Tell whether a row of an entitlement that failed or ended is not merely the one from before the call."""
        if not row.is_gone and row.vm_id not in self._renewed:
            return True
        if row.is_gone:
            # Its end may be that of what there was before the call.
            return row.started_by >= self._first[row.vm_id]
        return max(row.started_by, row.newest) >= self._first[row.vm_id]

    def others_in(self, rows: Iterable[Row]) -> VmIds:
        """Return the VMs whose rows show what is somebody else's."""
        return frozenset(row.vm_id for row in rows if row.is_somebodys and not self.has(row))


def first_left_at(state: State, connector: Connector) -> dict[str, float]:
    """Return the VMs that CreateEntitlement calls of ours concern, and when the first left, in epoch seconds."""
    first: dict[str, float] = {}
    for call in state.calls_at(connector, "CreateEntitlement"):
        for vm_id in call.vm_ids:
            first[vm_id] = min(call.left_at, first.get(vm_id, call.left_at))
    return first


def may_be_created(state: State, connector: Connector, now: float) -> VmIds:
    """Return the VMs for which a CreateEntitlement of ours may still take effect, or show."""
    calls = state.calls_at(connector, "CreateEntitlement")
    return NO_VMS.union(*(call.vm_ids for call in calls if call.until > now))


def may_land(state: State, connector: Connector, now: float) -> VmIds:
    """Return the VMs for which a CreateEntitlement of ours without an answer may still take effect."""
    calls = state.calls_at(connector, "CreateEntitlement")
    return NO_VMS.union(*(call.vm_ids for call in calls if not call.taken and call.lands_by > now))


def called_since(state: State, connector: Connector, moment: float) -> VmIds:
    """Return the VMs for which a CreateEntitlement of ours left after a moment (epoch seconds)."""
    calls = state.calls_at(connector, "CreateEntitlement")
    return NO_VMS.union(*(call.vm_ids for call in calls if call.left_at > moment))


def called_by_others(state: State, connector: Connector, invocation: str, moment: float) -> VmIds:
    """Return the VMs of CreateEntitlement calls without an answer that another invocation made after a moment.

    It may be alive, and is about to say that EVS has refused the VM. What is ours anyway is left out.
    """
    return unheard_of_others(state, connector, "CreateEntitlement", invocation, moment) - state.owned(connector)


def unheard_of_others(
    state: State, connector: Connector, operation: Operation, invocation: str, moment: float
) -> VmIds:
    """Return the VMs of calls without an answer that another invocation made after a moment (epoch seconds)."""
    calls = state.calls_at(connector, operation)
    called = (one.vm_ids for one in calls if not one.taken and one.invocation != invocation and one.left_at > moment)
    return NO_VMS.union(*called)


def awaited_until(calls: Iterable[Call], others_for: float) -> float:
    """Return until when a VM that calls of ours concern is awaited before it is called for again, in epoch seconds.

    What EVS took shows within the lag of the list. A call without an outcome is another invocation's. An invocation
    that is alive soon tells the ledger of the outcome.
    """
    return max((call.until if call.taken else call.left_at + others_for for call in calls), default=0.0)


def may_be_deleted(state: State, connector: Connector, now: float) -> VmIds:
    """Return the VMs for which a DeleteEntitlement without an answer may still take effect.

    Such a deletion would hit whoever entitles the VM next. Where EVS has taken no deletion of a VM, the only deletion
    without an answer explains that the VM has gone.
    """
    calls = state.calls_at(connector, "DeleteEntitlement")
    asked = NO_VMS.union(*(call.vm_ids for call in calls if call.taken))
    unanswered = Counter(vm_id for call in calls if not call.taken and call.lands_by > now for vm_id in call.vm_ids)
    return frozenset(vm_id for vm_id, number in unanswered.items() if number > (vm_id not in asked))


def asked_at(state: State, connector: Connector) -> dict[str, float]:
    """Return the VMs whose deletion EVS has taken, and when the newest such call left, in epoch seconds."""
    asked: dict[str, float] = {}
    for call in state.calls_at(connector, "DeleteEntitlement"):
        if call.taken:
            for vm_id in call.vm_ids:
                asked[vm_id] = max(asked.get(vm_id, 0.0), call.left_at)
    return asked


def last_asked_at(state: State, connector: Connector, now: float) -> dict[str, float]:
    """Return the VMs whose deletion EVS has taken, or may have, and when the newest such call left, in epoch seconds.

    A deletion without an answer counts once it can land no more.
    """
    asked = asked_at(state, connector)
    for call in state.calls_at(connector, "DeleteEntitlement"):
        if not call.taken and call.lands_by <= now:
            for vm_id in call.vm_ids:
                asked[vm_id] = max(asked.get(vm_id, 0.0), call.left_at)
    return asked


def created_again(state: State, connector: Connector, asked: Mapping[str, float], rows: Rows) -> VmIds:
    """Return the VMs whose row is explained by a CreateEntitlement of ours that left after EVS took their deletion.

    Args:
        asked: as `asked_at` returns it.
        rows: one of each VM.
    """
    return frozenset(
        vm_id
        for call in state.calls_at(connector, "CreateEntitlement")
        for vm_id in call.vm_ids & rows.keys()
        if call.left_at > asked.get(vm_id, 0.0) and not rows[vm_id].began_before(call.left_at)
    )
