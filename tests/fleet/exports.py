"""Builders of what RVTools and govc write, for VMs in plain words."""

import csv
import io
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import openpyxl

#: Columns of RVTools' sheet vInfo, in its order, as far as they matter; and the same in its other form.
PLAIN = {
    "VM": "name",
    "Powerstate": "power",
    "Template": "template",
    "SRM Placeholder": "",
    "DNS Name": "",
    "Connection state": "connection",
    "CPUs": "vcpus",
    "Memory": "memory",
    "Folder": "folder",
    "Datacenter": "",
    "Cluster": "cluster",
    "Host": "host",
    "OS according to the configuration file": "guest",
    "OS according to the VMware Tools": "tools",
    "VM ID": "id",
    "VM UUID": "uuid",
    "VI SDK Server": "server",
    "VI SDK UUID": "server_uuid",
    "Owner": "owner",
}
PREFIXED = {
    "vInfoVMName": "name",
    "vInfoPowerstate": "power",
    "vInfoTemplate": "template",
    "vInfoConnectionState": "connection",
    "vInfoCPUs": "vcpus",
    "vInfoFolder": "folder",
    "vInfoCluster": "cluster",
    "vInfoHost": "host",
    "vInfoOS": "guest",
    "vInfoOSTools": "tools",
    "vInfoVMID": "id",
    "vInfoUUID": "uuid",
    "vInfoVISDKServer": "server",
    "vInfoVISDKUUID": "server_uuid",
}


@dataclass(frozen=True)
class Machine:
    """A VM of an export."""

    id: str = "vm-57"
    name: str = "sql01"
    folder: str = "Windows"
    guest: str = "Microsoft Windows Server 2019 (64-bit)"
    guest_id: str = "windows2019srv_64Guest"
    vcpus: Any = 4
    power: str = "poweredOn"
    connection: str = "connected"
    template: Any = False
    cluster: str = "C0"
    uuid: str = "5012aaaa-0000-0000-0000-000000000057"
    server: str = "vc01.corp.example.com"
    server_uuid: str = "dbed6e0c-bd88-4ef6-b594-21283e1c677f"
    owner: str = "x-team"
    host: str = "esx01"
    tools: str = "Microsoft Windows Server 2012 (64-bit)"
    memory: int = 8192

    def with_(self, **values: Any) -> "Machine":
        """Return it with other values."""
        return replace(self, **values)


def machines() -> list[Machine]:
    """Two that EVS entitles, a Linux, a template and one that is disconnected."""
    first = Machine()
    linux = {"guest": "Red Hat Enterprise Linux 8 (64-bit)", "guest_id": "rhel8_64Guest"}
    return [
        first,
        first.with_(id="vm-58", name="ad01", uuid="5012aaaa-0000-0000-0000-000000000058", vcpus=2, owner="y-team"),
        first.with_(id="vm-59", name="web01", uuid="5012aaaa-0000-0000-0000-000000000059", **linux),
        first.with_(id="vm-60", name="gold", uuid="5012aaaa-0000-0000-0000-000000000060", template=True),
        first.with_(id="vm-61", name="sql09", uuid="5012aaaa-0000-0000-0000-000000000061", connection="disconnected"),
    ]


def table(vms: list[Machine], columns: dict[str, str] = PLAIN) -> list[list[Any]]:
    """Return headings and rows."""
    return [list(columns), *([getattr(vm, field) if field else None for field in columns.values()] for vm in vms)]


def csv_text(rows: list[list[Any]], delimiter: str = ",") -> str:
    """Return rows as CSV with the line ends that Windows has."""
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    return out.getvalue()


def write_xlsx(path: Path, rows: list[list[Any]], sheet: str = "vInfo", others: tuple[str, ...] = ("vCPU",)) -> Path:
    """Write an Excel file with a sheet of these rows, and others that have but a heading."""
    book = openpyxl.Workbook()
    first = book.active
    assert first is not None
    first.title = sheet
    for row in rows:
        first.append(row)
    for other in others:
        book.create_sheet(other).append(["VM"])
    book.save(path)
    return path


def govc(vms: list[Machine], *, capital: bool = False, listed: bool = False) -> str:
    """Return what `govc vm.info -json` prints, or `govc ls -json`; of old versions with capital letters."""
    found: list[Any] = [_object(vm) for vm in vms]
    if listed:
        document: Any = {
            "elements": [
                {"object": vm, "path": f"/DC0/vm/{of.folder}/{of.name}"} for vm, of in zip(found, vms, strict=True)
            ]
        }
    else:
        document = {"virtualMachines": found}
    return json.dumps(_capital(document) if capital else document)


def _object(vm: Machine) -> dict[str, Any]:
    return {
        "self": {"type": "VirtualMachine", "value": vm.id},
        "name": vm.name,
        "availableField": [{"key": 7, "name": "Owner", "type": "string"}],
        "customValue": [{"key": 7, "value": vm.owner}],
        "config": {
            "name": vm.name,
            "guestId": vm.guest_id,
            "guestFullName": vm.guest,
            "instanceUuid": vm.uuid,
            "template": vm.template,
            "hardware": {"numCPU": vm.vcpus, "memoryMB": vm.memory},
        },
        "runtime": {"powerState": vm.power, "connectionState": vm.connection},
        "summary": {"config": {"name": vm.name}},
    }


def _capital(value: Any) -> Any:
    if isinstance(value, dict):
        return {key[:1].upper() + key[1:]: _capital(inner) for key, inner in value.items()}
    return [_capital(inner) for inner in value] if isinstance(value, list) else value
