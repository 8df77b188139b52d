"""VMs from RVTools: sheet vInfo of its Excel file, or its CSV file of that name.

Owns the columns' names in both forms of the export. Case, blanks and the prefix `vInfo` never count. RVTools
gives each custom attribute a column, so that every column can be asked for as an attribute.
https://www.dell.com/en-us/shop/vmware/sl/rvtools (sheet vInfo)
"""

from __future__ import annotations

import csv
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evs_fleet.errors import InventoryError
from evs_fleet.guests import id_of_name
from evs_fleet.inventory.model import Inventory, Vm

SHEET = "vInfo"
_NAME, _ID, _GUEST = "VM", "VM ID", "OS according to the configuration file"
#: What no file can do without.
REQUIRED = (_NAME, _ID, _GUEST)
#: Key of a column -> its keys in other forms of the export, the best first.
_ALIASES = {
    "vm": ("vmname",),
    "vmid": ("vmobjectid", "objectid"),
    "osaccordingtotheconfigurationfile": ("osaccordingtotheconfigfile", "osconfig", "os"),
    "vmuuid": ("uuid", "instanceuuid"),
}
_POWER = {"poweredon": "on", "poweredoff": "off", "suspended": "suspended"}
_YES, _NO = {"true", "yes", "1", "wahr", "vrai", "verdadero"}, {"false", "no", "0", "falsch", "faux", "falso", ""}
_LONGEST_HEADING = 200


def read_xlsx(path: Path) -> Inventory:
    """Read sheet vInfo of an Excel file, or its only sheet.

    Raises:
        InventoryError: it is no Excel file, has no such sheet, or columns are missing.
    """
    import openpyxl
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise InventoryError(f"{path}: can't be read as an Excel file: {error}") from error
    try:
        sheets = {name.lower(): name for name in book.sheetnames}
        if SHEET.lower() not in sheets and len(sheets) > 1:
            raise InventoryError(f"{path}: no sheet {SHEET}; it has {', '.join(book.sheetnames)}")
        sheet: Any = book[sheets.get(SHEET.lower(), book.sheetnames[0])]
        # Some writers leave a wrong size of the sheet in the file, which would cut it.
        sheet.reset_dimensions()
        return _inventory(path, ([_text(cell) for cell in row] for row in sheet.iter_rows(values_only=True)))
    finally:
        book.close()


def parse_csv(path: Path, text: str) -> Inventory:
    """Read a CSV file with commas, semicolons or tabs.

    Raises:
        InventoryError: it is no CSV file, or columns are missing.
    """
    heading = text.lstrip("\r\n").partition("\n")[0]
    if heading.lower().startswith("sep="):
        # A line that Excel writes and reads.
        text = text.lstrip("\r\n").partition("\n")[2]
        heading = text.partition("\n")[0]
    delimiter = max(",;\t", key=heading.count)
    try:
        rows = list(csv.reader(text.splitlines(keepends=True), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise InventoryError(f"{path}: not CSV: {error}") from error
    return _inventory(path, rows)


def _inventory(path: Path, rows: Iterable[Sequence[str]]) -> Inventory:
    numbered = ((number, row) for number, row in enumerate(rows, start=1) if any(cell.strip() for cell in row))
    _, headings = next(numbered, (0, []))
    columns = _columns(path, headings)
    own = [(at, heading.strip()) for at, heading in enumerate(headings) if heading.strip()]
    vms: list[Vm] = []
    servers: Counter[tuple[str, str]] = Counter()
    for number, row in numbered:
        cell = _Row(path, number, row, columns)
        servers[cell["VI SDK Server"].strip(), cell["VI SDK UUID"].strip()] += 1
        vms.append(_vm(cell, {name: row[at] for at, name in own if at < len(row) and row[at]}))
    if not vms:
        raise InventoryError(f"{path}: no VMs in it, only headings")
    host, instance_uuid = _server(path, servers)
    _check_unique(path, vms)
    lacks = {"tag"} | {
        key for key, column in (("folder", "Folder"), ("cluster", "Cluster")) if _key(column) not in columns
    }
    vms.sort(key=lambda vm: (vm.name.casefold(), vm.id))
    return Inventory(str(path), tuple(vms), host or None, instance_uuid or None, frozenset(lacks))


class _Row(Mapping[str, str]):
    """One row by the names of its columns; a column that is not there is empty."""

    def __init__(self, path: Path, number: int, cells: Sequence[str], columns: Mapping[str, int]) -> None:
        self.place = f"{path}: row {number}"
        self._cells, self._columns = cells, columns

    def __getitem__(self, name: str) -> str:
        at = self._columns.get(_key(name))
        return self._cells[at].strip() if at is not None and at < len(self._cells) else ""

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


def _vm(row: _Row, attributes: Mapping[str, str]) -> Vm:
    if not row[_ID].startswith("vm-"):
        raise InventoryError(f"{row.place} ({row[_NAME]}): {_ID}: got {row[_ID]!r}, expected an id such as vm-57")
    guest = row[_GUEST]
    return Vm(
        id=row[_ID],
        name=row[_NAME] or row[_ID],
        folder=row["Folder"] or None,
        instance_uuid=row["VM UUID"] or None,
        guest_id=id_of_name(guest),
        guest_name=guest or None,
        vcpus=_number(row, "CPUs"),
        power=_POWER.get(row["Powerstate"].lower()),
        connection=row["Connection state"].lower() or None,
        template=_flag(row, "Template"),
        cluster=row["Cluster"] or None,
        host=row["Host"] or None,
        attributes=attributes,
    )


def _number(row: _Row, name: str) -> int | None:
    text = row[name]
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1
    if value < 1 or value != int(value):
        raise InventoryError(f"{row.place} ({row[_NAME]}): {name}: got {text!r}, expected a whole number")
    return int(value)


def _flag(row: _Row, name: str) -> bool:
    text = row[name].lower()
    if text not in _YES | _NO:
        raise InventoryError(f"{row.place} ({row[_NAME]}): {name}: got {row[name]!r}, expected True or False")
    return text in _YES


def _columns(path: Path, headings: Sequence[str]) -> dict[str, int]:
    """Return key of a column -> its place."""
    columns: dict[str, int] = {}
    for at, heading in enumerate(headings):
        columns.setdefault(_key(heading[:_LONGEST_HEADING]), at)
    for key, others in _ALIASES.items():
        if key not in columns and (found := [other for other in others if other in columns]):
            columns[key] = columns[found[0]]
    if missing := [name for name in REQUIRED if _key(name) not in columns]:
        raise InventoryError(
            f"{path}: not sheet {SHEET} of RVTools: no column {', '.join(repr(name) for name in missing)}"
        )
    return columns


def _key(heading: str) -> str:
    letters = "".join(c for c in heading.lower() if c.isalnum())
    return letters.removeprefix(SHEET.lower()) or letters


def _server(path: Path, servers: Counter[tuple[str, str]]) -> tuple[str, str]:
    if len({uuid for _, uuid in servers}) > 1:
        names = ", ".join(sorted(f"{host or '?'} ({uuid})" for host, uuid in servers))
        raise InventoryError(f"{path}: VMs of several vCenters ({names}); a lock is for one: export them one by one")
    return servers.most_common(1)[0][0]


def _check_unique(path: Path, vms: Sequence[Vm]) -> None:
    seen: dict[str, Vm] = {}
    for vm in vms:
        if seen.setdefault(vm.id, vm) is not vm:
            raise InventoryError(f"{path}: {vm.id} is there twice, as {seen[vm.id].name!r} and as {vm.name!r}")


def _text(value: Any) -> str:
    return "" if value is None else str(value)
