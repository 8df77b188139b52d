"""The environments, connectors and virtual machines that the local EVS API knows, read from a JSON file.

What a vCenter knows of its VMs lives here, and the rule that says which of them can hold an entitlement. No
entitlements, no time.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: The inventory that comes with the project.
SHIPPED = Path(__file__).with_name("inventory.json")


@dataclass(frozen=True)
class Environment:
    """An EVS environment; ``id`` is of the form env-abcde12345."""

    id: str
    name: str
    vcf_version: str = "VCF-5.2.2"


@dataclass(frozen=True)
class Connector:
    """A connector between an environment and its vCenter Server.

    ``reachable`` is whether its last reachability check passed. ``state`` is the model's ConnectorState.
    """

    id: str
    environment_id: str
    type: str = "VCENTER"
    state: str = "ACTIVE"
    reachable: bool = True
    fqdn: str = "vcenter.example.internal"


@dataclass(frozen=True)
class VirtualMachine:
    """A VM as its vCenter Server describes it; guest OS is VMware's full name or identifier.

    ``environment_id`` is the environment whose vCenter Server has the VM. Left out of a file, it is the file's first
    environment; None here stands for any, which is only for a VM that is in no inventory.
    """

    id: str
    name: str
    guest_os: str = "Microsoft Windows Server 2022 (64-bit)"
    connection_state: str = "connected"
    power_state: str = "poweredOn"
    environment_id: str | None = None

    def obstacle(self) -> tuple[str, str] | None:
        """Return why this VM can hold no entitlement, as error code and message, or None."""
        if self.connection_state != "connected":
            code = f"VM_{self.connection_state.upper()}"
            return code, f"Virtual machine {self.id} ({self.name}) is {self.connection_state} in vCenter."
        if not is_supported_guest(self.guest_os):
            return "UNSUPPORTED_GUEST_OS", (
                f"The guest operating system of virtual machine {self.id} ({self.name}), {self.guest_os}, "
                "is not Windows Server 2016 or later."
            )
        return None


def is_supported_guest(guest_os: str) -> bool:
    """Return whether a guest OS, VMware's full name or identifier, is Windows Server 2016 or later."""
    if match := re.search(r"Windows Server (\d{4})", guest_os):
        return int(match[1]) >= 2016
    # VMware's identifier of Server 2016 is "windows9Server64Guest"; those of later ones carry a year, and
    # those of earlier ones a smaller digit.
    return re.match(r"windows(9Server|\d{4}srv)", guest_os) is not None


@dataclass(frozen=True)
class Inventory:
    """All that exists before anything is entitled, by id."""

    environments: dict[str, Environment] = field(default_factory=dict)
    connectors: dict[str, Connector] = field(default_factory=dict)
    vms: dict[str, VirtualMachine] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path | str = SHIPPED) -> Inventory:
        """Return the inventory in a JSON file.

        Raises
        ------
        ValueError
            The file is no inventory; the message names the file and what is wrong.
        OSError
            The file cannot be read.
        """
        try:
            return cls.from_json(json.loads(Path(path).read_text(encoding="utf-8")))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"{path} is no inventory: {error!r}")

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Inventory:
        """Return the inventory in a JSON value: lists of ``environments``, ``connectors`` and ``vms``."""
        result = cls(
            _by_id(Environment, data["environments"]),
            _by_id(Connector, data["connectors"]),
            _by_id(VirtualMachine, data["vms"]),
        )
        for connector in result.connectors.values():
            if connector.environment_id not in result.environments:
                raise ValueError(f"connector {connector.id}: no environment {connector.environment_id}")
        for vm in result.vms.values():
            if vm.environment_id is None:
                # A VM is in one vCenter: in every one, it could be entitled at another environment's connector.
                result.vms[vm.id] = dataclasses.replace(vm, environment_id=result.first_environment())
            elif vm.environment_id not in result.environments:
                raise ValueError(f"VM {vm.id}: no environment {vm.environment_id}")
        return result

    def first_environment(self) -> str | None:
        """Return the id of the environment that VMs belong to where nothing else is said; None without environments."""
        return next(iter(self.environments), None)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON value that `from_json` reads."""
        groups: dict[str, dict[str, Any]] = {
            "environments": self.environments,
            "connectors": self.connectors,
            "vms": self.vms,
        }
        return {name: [_as_json(item) for item in group.values()] for name, group in groups.items()}

    def find_vm(self, vm_id: str, environment_id: str) -> VirtualMachine | None:
        """Return a VM if that environment's vCenter Server has it."""
        vm = self.vms.get(vm_id)
        return vm if vm and vm.environment_id in (None, environment_id) else None


def healthy_inventory(count: int, *, first: int = 1001, base: Inventory | None = None) -> Inventory:
    """Return an inventory with that many VMs more, all of them able to hold an entitlement.

    Parameters
    ----------
    count
        How many VMs, named vm-<first>, vm-<first + 1> and so on.
    first
        The first VM's number.
    base
        What they are added to; the shipped inventory if None.
    """
    base = base or Inventory.load()
    home = base.first_environment()
    numbers = range(first, first + count)
    more = (VirtualMachine(f"vm-{number}", f"win-app-{number}", environment_id=home) for number in numbers)
    return dataclasses.replace(base, vms={**base.vms, **{vm.id: vm for vm in more}})


def _by_id(kind: Any, items: Iterable[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in items:
        made = kind(**{_snake(name): value for name, value in item.items()})
        if made.id in found:
            raise ValueError(f"{made.id} is there twice")
        found[made.id] = made
    return found


def _as_json(item: Any) -> dict[str, Any]:
    return {_camel(name): value for name, value in dataclasses.asdict(item).items() if value is not None}


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)
