"""VMs from govc: `govc vm.info -json`, or `govc ls -json`, which has folders too.

Owns the form of both; keys begin with a capital up to govc 0.29 and with a small letter since.
https://github.com/vmware/govmomi/tree/main/govc
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evs_fleet.errors import InventoryError
from evs_fleet.inventory.model import Inventory, Vm

_EXPECTED = "expected what `govc vm.info -json` or `govc ls -json` prints"
_POWER = {"poweredon": "on", "poweredoff": "off", "suspended": "suspended"}


def parse_govc(path: Path, text: str) -> Inventory:
    """Read what govc printed.

    Raises:
        InventoryError: it is not JSON, or not of these two commands.
    """
    try:
        document = _small(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise InventoryError(f"{path}: not JSON: {error}") from error
    found = _machines(path, document)
    if not found:
        raise InventoryError(f"{path}: no VMs in it; {_EXPECTED}")
    vms = [_vm(path, index, machine, place) for index, (machine, place) in enumerate(found)]
    seen: dict[str, Vm] = {}
    for vm in vms:
        if seen.setdefault(vm.id, vm) is not vm:
            raise InventoryError(f"{path}: {vm.id} is there twice, as {seen[vm.id].name!r} and as {vm.name!r}")
    vms.sort(key=lambda vm: (vm.name.casefold(), vm.id))
    lacks = {"tag", "cluster"} | (set() if any(vm.folder for vm in vms) else {"folder"})
    return Inventory(str(path), tuple(vms), lacks=frozenset(lacks))


def _machines(path: Path, document: Any) -> list[tuple[Any, str | None]]:
    if isinstance(document, dict) and isinstance(document.get("elements"), list):
        elements = [element for element in document["elements"] if isinstance(element, dict)]
        pairs = [(element.get("object"), element.get("path")) for element in elements]
        return [(machine, place) for machine, place in pairs if _reference(machine)[0] == "VirtualMachine"]
    if isinstance(document, dict) and isinstance(document.get("virtualMachines"), list):
        return [(machine, None) for machine in document["virtualMachines"]]
    if isinstance(document, dict) and "virtualMachines" in document:
        # What govc prints where no VM was found.
        return []
    raise InventoryError(f"{path}: not of govc; {_EXPECTED}")


def _vm(path: Path, index: int, machine: Any, place: str | None) -> Vm:
    kind, key = _reference(machine)
    if kind != "VirtualMachine" or not key.startswith("vm-"):
        raise InventoryError(f"{path}: VM {index + 1}: no id such as vm-57 in its `self`; {_EXPECTED}")
    config, summary = _part(machine, "config"), _part(machine, "summary", "config")
    runtime = _part(machine, "runtime")
    name = machine.get("name") or config.get("name") or summary.get("name") or key
    cpus = _part(config, "hardware").get("numCPU") or summary.get("numCpu")
    return Vm(
        id=key,
        name=str(name),
        folder=place.rpartition("/")[0] or "/" if place else None,
        instance_uuid=config.get("instanceUuid") or summary.get("instanceUuid") or None,
        guest_id=config.get("guestId") or summary.get("guestId") or None,
        guest_name=config.get("guestFullName") or summary.get("guestFullName") or None,
        vcpus=cpus if isinstance(cpus, int) else None,
        power=_POWER.get(str(runtime.get("powerState")).lower()),
        connection=runtime.get("connectionState") or None,
        template=bool(config.get("template") or summary.get("template")),
        attributes=_attributes(machine),
    )


def _attributes(machine: Mapping[str, Any]) -> dict[str, str]:
    names = {field.get("key"): field.get("name") for field in machine.get("availableField") or []}
    values = machine.get("customValue") or []
    return {names[one["key"]]: str(one.get("value")) for one in values if names.get(one.get("key"))}


def _reference(machine: Any) -> tuple[str, str]:
    reference = _part(machine, "self")
    return str(reference.get("type")), str(reference.get("value"))


def _part(value: Any, *keys: str) -> Mapping[str, Any]:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _small(value: Any) -> Any:
    """Return a value whose keys begin with a small letter."""
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: _small(inner) for key, inner in value.items()}
    return [_small(inner) for inner in value] if isinstance(value, list) else value
