"""The state behind the local EVS API: environments, connectors, VMs and the entitlements that they hold.

A world knows no HTTP, no permissions and no faults, so tests can use it as it is, with a clock of their own.
It is safe to use from several threads: every public method takes the lock and first lets what is due happen.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Concatenate, ParamSpec, TypeVar

from local_aws.evs_api.errors import not_found
from local_aws.evs_api.rows import HELD, LICENSED, Change, Row, RowStore
from local_aws.evs_api.settings import Latency, Settings, bounds
from local_aws.inventory import Environment, Inventory, VirtualMachine

P = ParamSpec("P")
T = TypeVar("T")


def _settled(method: Callable[Concatenate[World, P], T]) -> Callable[Concatenate[World, P], T]:
    def wrapper(self: World, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with self._lock:
            self.settle()
            return method(self, *args, **kwargs)

    return functools.update_wrapper(wrapper, method)


class World:
    """One account's EVS in one region.

    Parameters
    ----------
    inventory
        What exists at first; the shipped one if None.
    settings
        How it behaves.
    clock
        Returns the time in seconds since 1970.
    seed
        For everything that is drawn by lot.
    region, account
        Whose ARNs the environments have.
    """

    def __init__(
        self,
        inventory: Inventory | None = None,
        settings: Settings | None = None,
        *,
        clock: Callable[[], float] = time.time,
        seed: int = 0,
        region: str = "us-east-1",
        account: str = "000000000000",
    ) -> None:
        self._lock = threading.RLock()
        self._first_inventory = inventory or Inventory.load()
        self._first_settings = settings or Settings()
        self.now = clock
        self.region, self.account = region, account
        self._seed = seed
        self.reset()

    def reset(self) -> None:
        """Return to the beginning: the first inventory and settings, no entitlements, no history."""
        with self._lock:
            self.random = random.Random(self._seed)  # noqa: S311  latencies, the same again by the seed
            self.settings = dataclasses.replace(self._first_settings)
            self.environments = dict(self._first_inventory.environments)
            self.connectors = dict(self._first_inventory.connectors)
            self.vms = dict(self._first_inventory.vms)
            self.rows = RowStore(self.random)
            self.token_key = secrets.token_bytes(16)
            self.frozen: dict[str | None, list[dict[str, Any]]] = {}
            self.began = self.now()
            self.unreachable = {item.id: self.began for item in self.connectors.values() if not item.reachable}

    @contextlib.contextmanager
    def locked(self) -> Iterator[World]:
        """Hold the world still, with all settled that is due."""
        with self._lock:
            self.settle()
            yield self

    def settle(self) -> None:
        """Let everything happen that is due by now."""
        with self._lock:
            self.rows.settle(self.now())

    # What the operations use.

    def environment(self, environment_id: str) -> Environment:
        """Return an environment, or raise ResourceNotFoundException."""
        if environment_id not in self.environments:
            raise not_found("Environment", environment_id)
        return self.environments[environment_id]

    def environment_arn(self, environment_id: str) -> str:
        """Return the ARN that IAM knows an environment by."""
        return f"arn:aws:evs:{self.region}:{self.account}:environment/{environment_id}"

    def unreachable_since(self, connector_id: str) -> float | None:
        """Return since when a connector cannot reach its vCenter Server, or None."""
        return self.unreachable.get(connector_id)

    def begin(self, place: tuple[str, str], vm_id: str, *, cause: str) -> Row:
        """Begin an entitlement: CREATING until its latency is over."""
        now = self.now()
        for former in self.rows.of_vm(place, vm_id):
            self._retire(former, now, f"replaced by {cause}", replaced=True)
        row = self.rows.add(place, vm_id, self._vm_name(place, vm_id), "CREATING", at=now, cause=cause)
        wait = self._latency(vm_id, self.settings.create_latency, self.settings.create_latency_by_vm)
        self.rows.later(now + wait, functools.partial(self._ready, row))
        return row

    def end(self, row: Row, *, cause: str) -> None:
        """End an entitlement when its latency is over."""
        if row.deleting:
            return
        row.deleting = True
        wait = self._latency(row.vm_id, self.settings.delete_latency, self.settings.delete_latency_by_vm)
        self.rows.later(self.now() + wait, lambda at: self._retire(row, at, cause))

    def _latency(self, vm_id: str, latency: Latency, by_vm: dict[str, float]) -> float:
        return by_vm[vm_id] if vm_id in by_vm else self.random.uniform(*bounds(latency))

    def _vm(self, place: tuple[str, str], vm_id: str) -> VirtualMachine | None:
        return Inventory({}, {}, self.vms).find_vm(vm_id, place[0])

    def _vm_name(self, place: tuple[str, str], vm_id: str) -> str | None:
        vm = self._vm(place, vm_id)
        return vm.name if vm else None

    def _obstacle(self, row: Row) -> tuple[str, str] | None:
        vm = self._vm((row.environment_id, row.connector_id), row.vm_id)
        if vm is None:
            return "VM_NOT_FOUND", f"Virtual machine {row.vm_id} was not found in vCenter."
        return vm.obstacle()

    def _retire(self, row: Row, at: float, cause: str, *, replaced: bool = False) -> None:
        if row.status != "DELETED" and self.rows.has(row):
            if not (replaced and row.status == "CREATE_FAILED"):
                self.rows.set_status(row, "DELETED", at=at, cause=cause)
            if not self.settings.keep_former_rows:
                self.rows.drop(row, at=at, cause=cause)

    def _ready(self, row: Row, at: float) -> None:
        if row.status != "CREATING" or not self.rows.has(row):
            return
        error = self._obstacle(row)
        if code := self.settings.fail_create.get(row.vm_id):
            error = (code, f"The entitlement of virtual machine {row.vm_id} could not be created.")
        if error:
            self.rows.set_status(row, "CREATE_FAILED", at=at, cause="validation", error=error)
        else:
            self.rows.set_status(row, "CREATED", at=at, cause="validation")
            self.reconsider(row, at)

    def reconsider(self, row: Row, at: float) -> None:
        """Give a row the status that its VM's and its connector's condition call for."""
        if row.pinned or row.status not in {"CREATED", "AT_RISK", "ENTITLEMENT_REMOVED"}:
            return
        error, status, since = self._obstacle(row), "CREATED", self.unreachable.get(row.connector_id)
        if error:
            status = "ENTITLEMENT_REMOVED"
        elif since is not None:
            over = at - since >= self.settings.at_risk_grace or row.status == "ENTITLEMENT_REMOVED"
            status = "ENTITLEMENT_REMOVED" if over else "AT_RISK"
            error = ("CONNECTOR_UNREACHABLE", f"Connector {row.connector_id} cannot reach vCenter Server.")
        if status != row.status:
            self.rows.set_status(row, status, at=at, cause="synchronization", error=error)

    # What tests and people look at.

    @_settled
    def all_rows(self) -> list[Row]:
        """Return every row, oldest first, as copies."""
        return [dataclasses.replace(row) for row in self.rows.all()]

    @_settled
    def held(self) -> list[str]:
        """Return the ids of all VMs that hold an entitlement, by number."""
        found = {row.vm_id for row in self.rows.all() if row.status in HELD}
        return sorted(found, key=lambda vm_id: int(vm_id.removeprefix("vm-")))

    @_settled
    def intervals(self, vm_id: str, statuses: Iterable[str] = LICENSED) -> list[tuple[float, float | None]]:
        """Return when a VM was in one of these statuses (licensed, if not said): since, and until or None."""
        return self.rows.intervals(vm_id, frozenset(statuses))

    @_settled
    def inventory(self) -> Inventory:
        """Return the environments, connectors and VMs as they are now."""
        return Inventory(dict(self.environments), dict(self.connectors), dict(self.vms))

    @_settled
    def changes(self) -> list[Change]:
        """Return every change of every row, in order."""
        return list(self.rows.changes)

    @_settled
    def change_settings(self, /, **changes: Any) -> Settings:
        """Change settings for what happens from now on; raises ValueError."""
        self.settings = self.settings.changed(changes)
        return self.settings
