"""Where the inventory comes from: an export where one is given, else the vCenter.

Owns the choice, and the kind of an export by its first bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from evs_fleet.errors import InventoryError, UsageError
from evs_fleet.inventory.model import Inventory
from evs_fleet.output import progress, remark

if TYPE_CHECKING:
    from evs_fleet.context import Context
    from evs_fleet.policy import Vcenter

_ZIP, _OLD_EXCEL = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"


def read_inventory(context: Context, vcenter: Vcenter | None, *, tags: bool = False) -> Inventory:
    """Read the export that `--inventory` names, or else the vCenter.

    Args:
        context: the global options.
        vcenter: where the vCenter is; its `ca_file` is relative to the policy.
        tags: whether the caller can't do without tags.

    Raises:
        InventoryError: the export can't be read.
        VcenterError: the vCenter can't be read.
        UsageError: there is neither.
    """
    if context.inventory is not None:
        return read_export(context.inventory)
    if vcenter is None:
        raise UsageError(f"where are the VMs? Give --inventory, or a table [vcenter] in {context.policy_path}")
    from evs_fleet.inventory.connection import endpoint

    ca_file = context.policy_path.parent / vcenter.ca_file if vcenter.ca_file else None
    to = endpoint(vcenter.host, vcenter.port, ca_file)
    from evs_fleet.inventory.vcenter import read_vcenter

    with progress(f"Reading vCenter {to.label}") as read:
        inventory, problem = read_vcenter(to, read, tags=tags)
    if problem:
        remark(f"warning: {problem}")
    return inventory


def read_export(path: Path) -> Inventory:
    """Read a file that RVTools (xlsx or CSV) or govc (JSON) wrote.

    Raises:
        InventoryError: it is missing, can't be read, or is neither.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise InventoryError(f"{path}: no such file") from error
    except OSError as error:
        raise InventoryError(f"{path}: can't be read: {error.strerror}") from error
    if not content.strip():
        raise InventoryError(f"{path}: empty file")
    if content.startswith(_OLD_EXCEL):
        raise InventoryError(f"{path}: an old Excel file (xls); save it as xlsx or CSV")
    if content.startswith(_ZIP):
        from evs_fleet.inventory.rvtools import read_xlsx

        return read_xlsx(path)
    from evs_fleet.inventory.text_file import decode

    text = decode(path, content)
    if text.lstrip()[:1] in ("{", "["):
        from evs_fleet.inventory.govc import parse_govc

        return parse_govc(path, text)
    from evs_fleet.inventory.rvtools import parse_csv

    return parse_csv(path, text)
