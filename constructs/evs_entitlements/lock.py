"""The lock: a file that says which VMs are to be entitled, and what each was when it was chosen.

Owns the form of `entitlements.lock.json`, its checks and its bytes; docs/schemas/entitlements.lock.schema.json has the
same rules for other tools. `evs-entitlements resolve` writes it, a CDK app reads it:

    lock = EntitlementLock.load("entitlements.lock.json")
    WindowsServerEntitlements(self, "Windows", environment_id=lock.environment_id, connector_id=lock.connector_id,
        vm_ids=lock.vm_ids)

Imports the standard library alone, so that reading a lock never waits for the CDK.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

#: The version of the form that this module writes and reads.
VERSION = 1
# The patterns of the EVS API: https://docs.aws.amazon.com/evs/latest/APIReference/API_CreateEntitlement.html
_PATTERNS = {
    "environment_id": re.compile(r"env-[a-zA-Z0-9]{10}"),
    "connector_id": re.compile(r"cnctr-[a-zA-Z0-9]{10}"),
    "id": re.compile(r"vm-[0-9]+"),
}
_KEYS = ("version", "environment_id", "connector_id", "vcenter", "vms")
_SHOWN_CHARACTERS = 80


@dataclass(frozen=True)
class LockedVcenter:
    """The vCenter that the VMs were chosen from; what is not known is None.

    Attributes:
        host: name or address, as the policy has it.
        instance_uuid: what vCenter calls its own instance UUID.
    """

    host: str | None = None
    instance_uuid: str | None = None


@dataclass(frozen=True)
class LockedVm:
    """A VM that is to be entitled, as it was when it was chosen; what is not known is None.

    Attributes:
        id: its managed object id, which EVS and the construct take.
        name: its name in vCenter.
        instance_uuid: what stays when the VM is registered anew and gets another id.
        guest_id: the guest that is configured, such as windows2019srv_64Guest.
        vcpus: number of virtual CPUs.
        folder: inventory path of the folder that it is in.
    """

    id: str
    name: str
    instance_uuid: str | None = None
    guest_id: str | None = None
    vcpus: int | None = None
    folder: str | None = None


@dataclass(frozen=True)
class EntitlementLock:
    """One environment, one connector, and the VMs to be entitled there, sorted by the number in their ids."""

    environment_id: str
    connector_id: str
    vms: tuple[LockedVm, ...]
    vcenter: LockedVcenter | None = None

    @property
    def vm_ids(self) -> list[str]:
        """The ids, as the construct takes them."""
        return [vm.id for vm in self.vms]

    @classmethod
    def make(
        cls, environment_id: str, connector_id: str, vms: Iterable[LockedVm], vcenter: LockedVcenter | None = None
    ) -> "EntitlementLock":
        """Return a lock of these VMs, in whatever order they come.

        Raises:
            ValueError: no VMs, a VM twice, or an id that EVS does not take.
        """
        lock = cls(environment_id, connector_id, tuple(sorted(vms, key=_number)), vcenter)
        return cls.parse(lock.to_text(), "the lock to be written")

    @classmethod
    def load(cls, path: str | Path) -> "EntitlementLock":
        """Read a lock from a file.

        Raises:
            ValueError: the file can't be read, is no lock of this version, or names a VM that the construct can't
                take; the text names the file, and the VM by its name.
        """
        try:
            text = Path(path).read_text(encoding="utf-8-sig")
        except FileNotFoundError as error:
            raise ValueError(f"{path}: no such file; `evs-entitlements resolve` writes it") from error
        except OSError as error:
            raise ValueError(f"{path}: can't be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: not UTF-8 text") from error
        return cls.parse(text, str(path))

    @classmethod
    def parse(cls, text: str, source: str) -> "EntitlementLock":
        """Return the lock that is in a text.

        Args:
            text: the JSON text.
            source: name of the file, for errors.

        Raises:
            ValueError: as `load`.
        """
        try:
            document = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{source}: not JSON: {error}") from error
        if not isinstance(document, dict):
            raise ValueError(f"{source}: got {_shown(document)}, expected a JSON object")
        # The version first: another one may have other keys.
        if document.get("version") is True or document.get("version") != VERSION:
            raise ValueError(f"{source}: version: got {_shown(document.get('version'))}, expected {VERSION}")
        _check_keys(source, document, _KEYS, required=("environment_id", "connector_id", "vms"))
        return cls(
            environment_id=_id(f"{source}: ", "environment_id", document["environment_id"]),
            connector_id=_id(f"{source}: ", "connector_id", document["connector_id"]),
            vms=_vms(source, document["vms"]),
            vcenter=_vcenter(source, document.get("vcenter")),
        )

    def to_text(self) -> str:
        """Return the file's text: sorted, one VM a line, the same bytes for the same lock."""
        head = {
            "version": VERSION,
            "environment_id": self.environment_id,
            "connector_id": self.connector_id,
            "vcenter": asdict(self.vcenter) if self.vcenter else None,
        }
        vms = ",\n".join("  " + _json(asdict(vm)) for vm in sorted(self.vms, key=_number))
        return f'{_json(head)[:-1]},\n "vms": [\n{vms}\n ]}}\n'


def _vcenter(source: str, value: object) -> LockedVcenter | None:
    if value is None:
        return None
    where = f"{source}: vcenter"
    if not isinstance(value, dict):
        raise ValueError(f"{where}: got {_shown(value)}, expected an object")
    _check_keys(where, value, ("host", "instance_uuid"))
    return LockedVcenter(*(_optional_string(where, value, key) for key in ("host", "instance_uuid")))


def _vms(source: str, value: object) -> tuple[LockedVm, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{source}: vms: got {_shown(value)}, expected a list of VMs")
    if not value:
        raise ValueError(f"{source}: vms: no VMs; the construct needs one or more")
    vms = [_vm(source, index, element) for index, element in enumerate(value)]
    seen: dict[str, LockedVm] = {}
    for vm in vms:
        other = seen.setdefault(vm.id, vm)
        if other is not vm:
            raise ValueError(f"{source}: {vm.id} is there twice, as {_shown(other.name)} and as {_shown(vm.name)}")
    return tuple(sorted(vms, key=_number))


def _vm(source: str, index: int, value: object) -> LockedVm:
    if not isinstance(value, dict):
        raise ValueError(f"{source}: vms[{index}]: got {_shown(value)}, expected an object with id and name")
    # A person looks for the name; where there is none, the place must do.
    name = value.get("name")
    where = f"{source}: VM {_shown(name)}" if name and isinstance(name, str) else f"{source}: vms[{index}]"
    _check_keys(where, value, [field.name for field in fields(LockedVm)], required=("id", "name"))
    if not isinstance(name, str):
        raise ValueError(f"{where}: name: got {_shown(name)}, expected a string")
    vcpus = value.get("vcpus")
    if vcpus is not None and (isinstance(vcpus, bool) or not isinstance(vcpus, int) or vcpus < 1):
        raise ValueError(f"{where}: vcpus: got {_shown(vcpus)}, expected a whole number from 1, or null")
    return LockedVm(
        id=_id(f"{where}: ", "id", value["id"]),
        name=name,
        instance_uuid=_optional_string(where, value, "instance_uuid"),
        guest_id=_optional_string(where, value, "guest_id"),
        vcpus=vcpus,
        folder=_optional_string(where, value, "folder"),
    )


def _check_keys(where: str, value: Mapping[str, object], known: Iterable[str], required: Iterable[str] = ()) -> None:
    known = list(known)
    if unknown := sorted(set(value) - set(known)):
        raise ValueError(f"{where}: unknown key {_shown(unknown[0])}, expected {', '.join(known)}")
    if missing := [key for key in required if key not in value]:
        raise ValueError(f"{where}: {missing[0]} is missing")


def _id(where: str, key: str, value: object) -> str:
    pattern = _PATTERNS[key]
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise ValueError(f"{where}{key}: got {_shown(value)}, expected a string that matches {pattern.pattern}")
    return value


def _optional_string(where: str, value: Mapping[str, object], key: str) -> str | None:
    got = value.get(key)
    if got is not None and not isinstance(got, str):
        raise ValueError(f"{where}: {key}: got {_shown(got)}, expected a string or null")
    return got


def _number(vm: LockedVm) -> tuple[int, str]:
    # As a person would sort them. An id of another form is refused later, by name.
    digits = vm.id.removeprefix("vm-")
    return (int(digits) if digits.isascii() and digits.isdigit() and len(digits) < _SHOWN_CHARACTERS else -1, vm.id)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _shown(value: object) -> str:
    # A wrong value may be a whole file: an error shows its beginning.
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    text = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
    return repr(text) if isinstance(value, str) else text
