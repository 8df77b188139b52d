"""Which guest operating systems EVS entitles, and why it would refuse a VM.

Owns EVS's rules as far as an inventory shows them: a guest of Windows Server 2016 or later, and a VM that is connected.
https://docs.aws.amazon.com/evs/latest/userguide/ (Windows Server licensing). EVS goes by the guest that is configured
in vCenter, not by what VMware Tools report.
"""

import re
from typing import Literal, Protocol

#: Guest id of vSphere -> its name, as vSphere and RVTools spell it.
WINDOWS_SERVER = {
    "windows9Server64Guest": "Microsoft Windows Server 2016 or later (64-bit)",
    "windows2019srv_64Guest": "Microsoft Windows Server 2019 (64-bit)",
    "windows2019srvNext_64Guest": "Microsoft Windows Server 2022 (64-bit)",
    "windows2022srvNext_64Guest": "Microsoft Windows Server 2025 (64-bit)",
}
#: First year whose Windows Server EVS entitles.
FIRST_YEAR = 2016
# A guest id of a Windows Server that is yet to come has this form.
_LATER_ID = re.compile(r"windows(\d{4})srv(Next)?_64Guest", re.IGNORECASE)
_NAME = re.compile(r"Windows Server (\d{4})\b", re.IGNORECASE)
_BY_ID = {guest.lower() for guest in WINDOWS_SERVER}
# The year alone decides: older vSphere says "2016 (64-bit)", newer "2016 or later (64-bit)".
_BY_YEAR = {_NAME.search(name).group(1): guest for guest, name in WINDOWS_SERVER.items()}  # type: ignore[union-attr]


class _Machine(Protocol):
    @property
    def guest_id(self) -> str | None: ...
    @property
    def guest_name(self) -> str | None: ...
    @property
    def connection(self) -> str | None: ...
    @property
    def template(self) -> bool: ...


def refusal(vm: _Machine) -> str | None:
    """Return why EVS would refuse a VM, in words, or None where nothing speaks against it.

    A connection state that the inventory does not give is taken for connected.
    """
    cause = refusal_cause(vm)
    if cause == "template":
        return "is a template"
    if cause == "guest":
        guest = vm.guest_id or vm.guest_name
        return f"guest {guest} is not Windows Server {FIRST_YEAR} or later" if guest else "its guest is not known"
    return f"its connection state is {vm.connection}" if cause else None


def refusal_cause(vm: _Machine) -> Literal["template", "guest", "connection"] | None:
    """Return what about a VM EVS would refuse, in a word."""
    if vm.template:
        return "template"
    if not is_windows_server(vm.guest_id, vm.guest_name):
        return "guest"
    return None if vm.connection in (None, "connected") else "connection"


def is_windows_server(guest_id: str | None, guest_name: str | None = None) -> bool:
    """Tell whether a guest is Windows Server 2016 or later, by its id or, where there is none, by its name."""
    if guest_id:
        later = _LATER_ID.fullmatch(guest_id)
        return guest_id.lower() in _BY_ID or (later is not None and int(later.group(1)) >= FIRST_YEAR)
    named = _NAME.search(guest_name or "")
    return named is not None and int(named.group(1)) >= FIRST_YEAR


def id_of_name(name: str) -> str | None:
    """Return the guest id for a guest's name, such as RVTools gives; None for all but Windows Server 2016 and later."""
    named = _NAME.search(name)
    return _BY_YEAR.get(named.group(1)) if named else None
