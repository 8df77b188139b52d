"""The lock on disk: read for the command, and written so that no reader ever sees half of it.

Owns nothing of its form, which is `evs_entitlements.lock`'s.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from evs_entitlements.lock import EntitlementLock, LockedVcenter, LockedVm
from evs_fleet.errors import LockError

if TYPE_CHECKING:
    from evs_fleet.inventory.model import Inventory, Vm
    from evs_fleet.policy import Policy


def load(path: Path) -> EntitlementLock:
    """Read a lock.

    Raises:
        LockError: it is missing, can't be read, or is wrong.
    """
    try:
        return EntitlementLock.load(path)
    except ValueError as error:
        raise LockError(str(error)) from error


def load_if_there(path: Path) -> EntitlementLock | None:
    """Read a lock, or return None where there is none yet; raises LockError as `load`."""
    return load(path) if os.path.lexists(path) else None


def locked_vm(vm: Vm) -> LockedVm:
    """Return what a lock says of a VM."""
    return LockedVm(vm.id, vm.name, vm.instance_uuid, vm.guest_id, vm.vcpus, vm.folder)


def locked_vcenter(inventory: Inventory, policy: Policy, before: EntitlementLock | None) -> LockedVcenter | None:
    """Return what a lock says of the vCenter; what an export does not say is as it was in the lock before."""
    was = (before.vcenter if before else None) or LockedVcenter()
    host = (policy.vcenter.host if policy.vcenter else None) or inventory.host or was.host
    instance_uuid = inventory.instance_uuid or was.instance_uuid
    return LockedVcenter(host, instance_uuid) if host or instance_uuid else None


def save(lock: EntitlementLock, path: Path) -> bool:
    """Write a lock, and return whether its bytes have changed.

    Raises:
        LockError: the file can't be written; what was there is as it was.
    """
    text = lock.to_text()
    # A link stays a link.
    target = path.resolve()
    try:
        if target.exists() and target.read_bytes() == text.encode():
            return False
        _replace(target, text)
    except OSError as error:
        raise LockError(f"{path}: can't be written: {error.strerror}") from error
    return True


def _replace(target: Path, text: str) -> None:
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        Path(name).chmod(mode)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
