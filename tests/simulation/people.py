"""What others do while stack operations run: people entitle and remove by hand, EVS changes statuses, services fail.

Owns these steps of a history, and which of them are passed over, since nobody could tell whose an entitlement is.
"""

from typing import Any

from .declared import Declared
from .history import Step
from .rows import BY_HAND
from .world import HERE, World

KINDS = ("by_hand", "removed_by_hand", "status", "connector", "outage", "stuck")


class People:
    """Everybody but CloudFormation."""

    def __init__(self, world: World) -> None:
        self._world = world

    def does(self, step: Step) -> bool:
        """Plan what a step says; False where it is no step of this kind."""
        if step.kind in KINDS:
            getattr(self, step.kind)(step)
        return step.kind in KINDS

    def by_hand(self, step: Step) -> None:
        given = step.given
        self._world.after(given["after"], self._entitle, given["vm"], given["status"])

    def _entitle(self, vm_id: str, status: str) -> None:
        if vm_id not in self._removed and not self._may_be_announced(vm_id):
            self._world.evs.entitle_by_hand(HERE, vm_id, status)

    def _may_be_announced(self, vm_id: str) -> bool:
        """Tell whether the ledger may hold a call for a VM that never left, and nobody lives who knows that."""
        world, weather, now = self._world, self._world.weather, self._world.clock.now
        if not (weather.killed or weather.frozen or weather.ledger_lost or world.trouble.outages):
            return False
        return any(
            vm_id in Declared.by(request.properties).vm_ids
            for request in world.requests.values()
            if now < (request.answered_at or request.deadline) + 130.0
        )

    @property
    def _removed(self) -> set[str]:
        """VMs that somebody else has removed from a stack: the ledger takes a new entitlement of them for its own."""
        rows = self._world.evs.history
        return {row.vm_id for row in rows if row.ended_by == BY_HAND and row.maker != BY_HAND}

    def removed_by_hand(self, step: Step) -> None:
        self._world.after(step.given["after"], self._world.evs.remove_by_hand, HERE, step.given["vm"])

    def status(self, step: Step) -> None:
        self._world.after(step.given["after"], self._change, step.given)

    def _change(self, given: dict[str, Any]) -> None:
        world, vm_id = self._world, given["vm"]
        world.note_trouble(given["seconds"] + 130)
        world.evs.set_status(HERE, vm_id, given["status"])
        world.after(given["seconds"], self._heal, vm_id, given["status"])

    def _heal(self, vm_id: str, status: str) -> None:
        row = self._world.evs.held(HERE, vm_id)
        # What EVS has removed, and will not have deleted, is over: nobody looks after it any more.
        is_over = row is not None and status == "ENTITLEMENT_REMOVED" and row.is_deletion_refused
        if row is not None and row.status == status and not is_over:
            self._world.evs.set_status(HERE, vm_id, "CREATED")

    def connector(self, step: Step) -> None:
        self._world.after(step.given["after"], self._lose_connector, step.given["seconds"])

    def _lose_connector(self, seconds: float) -> None:
        if seconds > 8 * 3600:
            self._world.note_trouble(seconds + 130)
        self._world.evs.lose_connector(seconds)

    def outage(self, step: Step) -> None:
        self._world.after(step.given["after"], self._world.outage, step.given["service"], step.given["seconds"])

    def stuck(self, step: Step) -> None:
        self._world.after(step.given["after"], self._stick, step.given["vm"], step.given["seconds"])

    def _stick(self, vm_id: str, seconds: float) -> None:
        world = self._world
        world.note_trouble(seconds)
        world.story("EVS:", f"the deletion of {vm_id} is refused for {seconds:.0f} s")
        world.evs.stuck.add(vm_id)
        world.after(seconds, world.evs.stuck.discard, vm_id)
