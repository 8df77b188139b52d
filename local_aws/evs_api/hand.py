"""What happens to a world without its API: people use the console, VMs and connectors change, rows vanish.

Everything here is for tests, demonstrations and the command line. The API's own rules are elsewhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from local_aws.evs_api.rows import Row
from local_aws.evs_api.world import World
from local_aws.inventory import VirtualMachine


class Hand:
    """Changes a world by hand.

    Methods that take VM ids also take the environment and connector; without them they mean those that
    come first in the inventory when rows are added, and all of them otherwise.
    """

    def __init__(self, world: World) -> None:
        self._world = world

    def entitle(
        self,
        vm_ids: Iterable[str],
        *,
        environment_id: str | None = None,
        connector_id: str | None = None,
        status: str = "CREATED",
    ) -> None:
        """Give VMs a row of a status, as if somebody had used the console; no call is logged."""
        with self._world.locked() as world:
            place = self._place(environment_id, connector_id)
            for vm_id in vm_ids:
                vm = world.vms.get(vm_id)
                world.rows.add(place, vm_id, vm.name if vm else None, status, at=world.now(), cause="by hand")

    def remove(
        self, vm_ids: Iterable[str], *, environment_id: str | None = None, connector_id: str | None = None
    ) -> None:
        """End VMs' entitlements at once, as if somebody had used the console."""
        with self._world.locked() as world:
            for row in self._rows(vm_ids, environment_id, connector_id):
                world.rows.set_status(row, "DELETED", at=world.now(), cause="by hand")
                world.rows.drop(row, at=world.now(), cause="by hand")

    def vanish(
        self, vm_ids: Iterable[str], *, environment_id: str | None = None, connector_id: str | None = None
    ) -> None:
        """Take VMs' rows off the list without a trace."""
        with self._world.locked() as world:
            for row in self._rows(vm_ids, environment_id, connector_id):
                world.rows.drop(row, at=world.now(), cause="vanished")

    def set_status(
        self,
        vm_ids: Iterable[str],
        status: str,
        *,
        environment_id: str | None = None,
        connector_id: str | None = None,
        error_code: str | None = None,
        pinned: bool = True,
    ) -> None:
        """Give VMs' rows a status; while pinned, VM and connector no longer change it."""
        with self._world.locked() as world:
            for row in self._rows(vm_ids, environment_id, connector_id):
                row.pinned = pinned
                error = (error_code, f"{row.vm_id}: set by hand") if error_code else None
                world.rows.set_status(row, status, at=world.now(), cause="by hand", error=error)

    def set_vm(self, vm_id: str, **changes: Any) -> None:
        """Change a VM (``guest_os``, ``connection_state``, ``power_state``, ``name``) or add one."""
        with self._world.locked() as world:
            vm = world.vms.get(vm_id) or VirtualMachine(vm_id, vm_id)
            world.vms[vm_id] = dataclasses.replace(vm, **changes)
            self._reconsider()

    def remove_vm(self, vm_id: str) -> None:
        """Delete a VM from its vCenter Server."""
        with self._world.locked() as world:
            world.vms.pop(vm_id, None)
            self._reconsider()

    def set_connector(self, connector_id: str, **changes: Any) -> None:
        """Change a connector (``reachable``, ``state``, ``type``); raises KeyError if there is none."""
        with self._world.locked() as world:
            connector = dataclasses.replace(world.connectors[connector_id], **changes)
            world.connectors[connector_id] = connector
            now = world.now()
            if connector.reachable:
                world.unreachable.pop(connector_id, None)
                # Healed: EVS restores even what the end of the grace had removed.
            elif connector_id not in world.unreachable:
                world.unreachable[connector_id] = now
                world.rows.later(now + world.settings.at_risk_grace, lambda at: self._reconsider(at))
            self._reconsider()

    def remove_connector(self, connector_id: str) -> None:
        """Delete a connector, and with it its rows."""
        with self._world.locked() as world:
            world.connectors.pop(connector_id, None)
            self._drop([row for row in world.rows.all() if row.connector_id == connector_id])

    def remove_environment(self, environment_id: str) -> None:
        """Delete an environment with its connectors and rows."""
        with self._world.locked() as world:
            world.environments.pop(environment_id, None)
            for connector in [c for c in world.connectors.values() if c.environment_id == environment_id]:
                self.remove_connector(connector.id)

    def _place(self, environment_id: str | None, connector_id: str | None) -> tuple[str, str]:
        for connector in self._world.connectors.values():
            if environment_id in (None, connector.environment_id) and connector_id in (None, connector.id):
                return connector.environment_id, connector.id
        raise KeyError(f"no connector {connector_id or ''} in environment {environment_id or ''}")

    def _rows(self, vm_ids: Iterable[str], environment_id: str | None, connector_id: str | None) -> list[Row]:
        wanted = set(vm_ids)
        return [
            row
            for row in self._world.rows.all()
            if row.vm_id in wanted
            and environment_id in (None, row.environment_id)
            and connector_id in (None, row.connector_id)
        ]

    def _drop(self, rows: list[Row]) -> None:
        for row in rows:
            self._world.rows.drop(row, at=self._world.now(), cause="connector deleted")

    def _reconsider(self, at: float | None = None) -> None:
        for row in self._world.rows.all():
            self._world.reconsider(row, self._world.now() if at is None else at)
