"""What a wrong VM id looks like, and what to write instead.

Owns the words for it; knows nothing of the CDK, so that whoever reads VM ids from a file or a command line can use it.
"""

import re

#: Managed object id of a VM in vCenter, an element of `vmIds` of CreateEntitlement.
VM_ID = re.compile(r"vm-[0-9]+")
#: Longest VM id, in characters, that the EVS API takes.
VM_ID_MAX_LENGTH = 1024
#: What other tools put before the id: PowerCLI's `VirtualMachine-vm-101`, govc's `VirtualMachine:vm-101`, pyVmomi's
#: `vim.VirtualMachine:vm-101`.
_PREFIX = re.compile(r"(?:vim\.)?VirtualMachine[-:]", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
#: Where ids may be apart from each other, or wrapped.
_BETWEEN = re.compile(r"[\s,;|\[\]()\"']+")
_SHOWN = 5


def is_vm_id(value: object) -> bool:
    """Tell whether a value is a VM id as EVS takes it."""
    return isinstance(value, str) and len(value) <= VM_ID_MAX_LENGTH and VM_ID.fullmatch(value) is not None


def hint(value: object) -> str:
    """Return what a wrong VM id looks like and what to write, as `looks like ...: write ...`."""
    if isinstance(value, int):
        return f"is a number: write 'vm-{value}'"
    if not isinstance(value, str):
        return f"is no text ({type(value).__name__}): write VM ids only"
    parts = [part for part in _BETWEEN.split(value) if part]
    if not parts:
        return "is an empty place: take it out"
    ids = [_PREFIX.sub("", part).lower() for part in parts]
    if all(is_vm_id(each) for each in ids):
        return _rewrite(value, parts, ids)
    if _UUID.fullmatch(value.strip()):
        return "looks like a UUID: write the managed object id that vCenter has for the VM, such as 'vm-101'"
    if value.strip().isdecimal() and value.strip().isascii():
        return f"is a number: write 'vm-{value.strip()}'"
    if any(is_vm_id(each) for each in ids):
        return "looks like a line of a table: keep the column of the VM ids only"
    return (
        "looks like the name of a VM: write its managed object id, such as 'vm-101', which the vSphere client "
        "shows in the address bar"
    )


def _rewrite(value: str, parts: list[str], ids: list[str]) -> str:
    write = ", ".join(repr(each) for each in ids[:_SHOWN]) + (", ..." if len(ids) > _SHOWN else "")
    if len(ids) > 1:
        return f"looks like {len(ids)} VM ids in one text: write {write}, each by itself"
    if _PREFIX.match(parts[0]):
        return f"looks like a VM's Id of PowerCLI or another tool: write {write}"
    if value.strip() != value or parts != [value]:
        return f"has blanks or other characters around the VM id: write {write}"
    return f"has capital letters: write {write}"
