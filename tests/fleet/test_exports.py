"""Exports of RVTools and govc: the same VMs whatever the form, and clear words where one can't be read."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fleet.exports import PLAIN, PREFIXED, Machine, csv_text, govc, machines, table, write_xlsx
from tests.fleet.run import Done, evs_entitlements, refused


def vms(path: Path, *arguments: str) -> Done:
    return evs_entitlements("--inventory", path.name, "--output", "json", "vms", *arguments, cwd=path.parent)


def rows(done: Done) -> dict[str, dict[str, Any]]:
    assert done.status == 0, done.err
    return {row["name"]: row for row in json.loads(done.out)}


def written(directory: Path, name: str, content: str | bytes) -> Path:
    path = directory / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


FORMS: dict[str, Callable[[Path], Path]] = {
    "xlsx": lambda to: write_xlsx(to / "vms.xlsx", table(machines())),
    "xlsx prefixed": lambda to: write_xlsx(to / "vms.xlsx", table(machines(), PREFIXED)),
    "xlsx of one sheet": lambda to: write_xlsx(to / "vms.xlsx", table(machines()), sheet="Tabelle1", others=()),
    "csv": lambda to: written(to, "vms.csv", csv_text(table(machines()))),
    "csv prefixed": lambda to: written(to, "vms.csv", csv_text(table(machines(), PREFIXED))),
    "csv with semicolons": lambda to: written(to, "vms.csv", csv_text(table(machines()), ";")),
    "csv with tabs": lambda to: written(to, "vms.csv", csv_text(table(machines()), "\t")),
    "csv with a mark": lambda to: written(to, "vms.csv", csv_text(table(machines()), ";").encode("utf-8-sig")),
    "csv in UTF-16": lambda to: written(to, "vms.csv", csv_text(table(machines()), "\t").encode("utf-16")),
    "csv in UTF-16 without a mark": lambda to: written(to, "vms.csv", csv_text(table(machines())).encode("utf-16-le")),
    "csv in UTF-16, big end first": lambda to: written(to, "vms.csv", csv_text(table(machines())).encode("utf-16-be")),
    "csv with sep=": lambda to: written(to, "vms.csv", "sep=;\r\n" + csv_text(table(machines()), ";")),
    "govc": lambda to: written(to, "vms.json", govc(machines())),
    "govc with capitals": lambda to: written(to, "vms.json", govc(machines(), capital=True)),
    "govc ls": lambda to: written(to, "vms.json", govc(machines(), listed=True)),
    "govc ls with capitals": lambda to: written(to, "vms.json", govc(machines(), listed=True, capital=True)),
    "govc with a mark": lambda to: written(to, "vms.json", govc(machines()).encode("utf-8-sig")),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_the_same_vms(tmp_path: Path, form: str) -> None:
    found = rows(vms(FORMS[form](tmp_path)))
    assert sorted(found) == ["ad01", "gold", "sql01", "sql09", "web01"]
    sql01 = found["sql01"]
    assert (sql01["id"], sql01["vcpus"], sql01["power"], sql01["connection"]) == ("vm-57", 4, "on", "connected")
    assert sql01["guest"] == "windows2019srv_64Guest"
    assert sql01["instance_uuid"] == "5012aaaa-0000-0000-0000-000000000057"
    assert {name for name, row in found.items() if row["eligible"]} == {"ad01", "sql01"}
    assert found["gold"]["why"] == "is a template"
    assert found["sql09"]["why"] == "its connection state is disconnected"
    assert "is not Windows Server 2016 or later" in found["web01"]["why"]


def test_folders_and_attributes_are_filters(tmp_path: Path) -> None:
    rvtools = write_xlsx(tmp_path / "vms.xlsx", table([*machines(), Machine(id="vm-70", name="x", folder="Other")]))
    assert set(rows(vms(rvtools, "--folder", "windows", "--attribute", "owner=X*"))) == {
        "sql01",
        "web01",
        "gold",
        "sql09",
    }
    listed = written(tmp_path, "vms.json", govc(machines(), listed=True))
    assert set(rows(vms(listed, "--folder", "/DC0/**", "--attribute", "Owner=y*"))) == {"ad01"}


@pytest.mark.parametrize(
    ("guest", "guest_id"),
    [
        ("Microsoft Windows Server 2016 (64-bit)", "windows9Server64Guest"),
        ("Microsoft Windows Server 2016 or later (64-bit)", "windows9Server64Guest"),
        ("Microsoft Windows Server 2022 (64-bit)", "windows2019srvNext_64Guest"),
        ("Microsoft Windows Server 2025 (64-bit)", "windows2022srvNext_64Guest"),
    ],
)
def test_a_guest_in_words_is_that_guest(tmp_path: Path, guest: str, guest_id: str) -> None:
    path = write_xlsx(tmp_path / "vms.xlsx", table([Machine(guest=guest)]))
    assert rows(vms(path))["sql01"]["guest"] == guest_id


@pytest.mark.parametrize(
    "guest", ["Microsoft Windows Server 2012 (64-bit)", "Microsoft Windows 10 (64-bit)", "Other", ""]
)
def test_another_guest_is_refused_whatever_the_tools_report(tmp_path: Path, guest: str) -> None:
    path = write_xlsx(tmp_path / "vms.xlsx", table([Machine(guest=guest, tools="Microsoft Windows Server 2022")]))
    assert not rows(vms(path))["sql01"]["eligible"]


def test_names_come_back_as_they_are(tmp_path: Path) -> None:
    name = 'Büro, "süd"; [red]x[/red] 東京'
    path = written(tmp_path, "vms.csv", csv_text(table([Machine(name=name)]), ";").encode("utf-16"))
    assert list(rows(vms(path))) == [name]
    done = evs_entitlements("--inventory", path.name, "--output", "csv", "vms", cwd=tmp_path)
    assert next(iter(csv.DictReader(io.StringIO(done.out))))["name"] == name
    assert name in evs_entitlements("--inventory", path.name, "vms", cwd=tmp_path).out


def test_a_terminal_never_gets_the_control_characters_of_a_name(tmp_path: Path) -> None:
    path = written(tmp_path, "vms.json", govc([Machine(name="a\x1b[31mb")]))
    done = evs_entitlements("--inventory", path.name, "vms", cwd=tmp_path)
    assert "\x1b" not in done.out
    assert "a\\x1b[31mb" in done.out


def test_ids_is_one_a_line(tmp_path: Path) -> None:
    path = written(tmp_path, "vms.json", govc(machines()))
    done = evs_entitlements("--inventory", path.name, "vms", "--eligible", "--output", "ids", cwd=tmp_path)
    assert done.out == "vm-58\nvm-57\n"


def without(*columns: str) -> list[list[Any]]:
    return table(machines(), {heading: field for heading, field in PLAIN.items() if heading not in columns})


WRONG: dict[str, tuple[str, str | bytes, list[str]]] = {
    "no VM ID": ("a.csv", csv_text(without("VM ID")), ["a.csv", "'VM ID'"]),
    "several columns": ("a.csv", csv_text(without("VM", "VM ID")), ["'VM', 'VM ID'"]),
    "no configured guest": (
        "a.csv",
        csv_text(without("OS according to the configuration file")),
        ["configuration file"],
    ),
    "another table": ("a.csv", "a,b\n1,2\n", ["a.csv", "vInfo", "'VM ID'"]),
    "only headings": ("a.csv", csv_text(table([])), ["a.csv", "no VMs"]),
    "empty": ("a.csv", "", ["a.csv", "empty"]),
    "blank": ("a.csv", " \r\n\r\n", ["a.csv", "empty"]),
    "an id that is none": ("a.csv", csv_text(table([Machine(id="57")])), ["row 2", "sql01", "'57'", "vm-57"]),
    "one id twice": ("a.csv", csv_text(table([Machine(), Machine(name="b")])), ["vm-57", "twice", "'sql01'", "'b'"]),
    "CPUs that are none": ("a.csv", csv_text(table([Machine(vcpus="four")])), ["sql01", "CPUs", "'four'"]),
    "half a CPU": ("a.csv", csv_text(table([Machine(vcpus="1.5")])), ["sql01", "CPUs", "'1.5'"]),
    "a template that is none": ("a.csv", csv_text(table([Machine(template="maybe")])), ["Template", "'maybe'"]),
    "two vCenters": (
        "a.csv",
        csv_text(table([Machine(), Machine(id="vm-9", server="vc02", server_uuid="other")])),
        ["several vCenters", "vc02", "other", "vc01"],
    ),
    "an unclosed quote": ("a.csv", csv_text(table([Machine()])) + '"abc', ["a.csv", "not CSV"]),
    "another code page": ("a.csv", csv_text(table([Machine(name="Büro")])).encode("cp1252"), ["a.csv", "UTF-8"]),
    "bytes": ("a.csv", bytes(range(1, 256)) * 4, ["a.csv"]),
    "an old Excel file": ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), ["a.xls", "xlsx"]),
    "a broken zip": ("a.xlsx", b"PK\x03\x04 and no more", ["a.xlsx", "Excel"]),
    "broken JSON": ("a.json", '{"virtualMachines": [', ["a.json", "not JSON"]),
    "other JSON": ("a.json", '{"things": []}', ["a.json", "govc"]),
    "a JSON list": ("a.json", "[1, 2]", ["a.json", "govc"]),
    "govc that found none": ("a.json", '{"virtualMachines": null}', ["a.json", "no VMs"]),
    "govc with a VM that is none": ("a.json", '{"virtualMachines": [{"name": "x"}]}', ["a.json", "VM 1", "vm-57"]),
    "deep JSON": ("a.json", "[" * 100_000, ["a.json", "not JSON"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_read_is_one_clear_line(tmp_path: Path, case: str) -> None:
    name, content, words = WRONG[case]
    refused(vms(written(tmp_path, name, content)), *words)


def test_an_excel_file_without_the_sheet(tmp_path: Path) -> None:
    path = write_xlsx(tmp_path / "vms.xlsx", table(machines()), sheet="vHost")
    refused(vms(path), "vms.xlsx", "vInfo", "vHost, vCPU")


def test_a_file_that_is_not_there_and_a_directory(tmp_path: Path) -> None:
    refused(vms(tmp_path / "none.xlsx"), "none.xlsx", "no such file")
    (tmp_path / "folder").mkdir()
    refused(vms(tmp_path / "folder"), "folder", "directory")


def test_a_filter_that_an_export_cannot_answer(tmp_path: Path) -> None:
    path = written(tmp_path, "vms.json", govc(machines()))
    refused(vms(path, "--tag", "a:b"), "--tag", "vms.json")
    refused(vms(path, "--folder", "/x/**"), "--folder", "vms.json")
    refused(vms(path, "--attribute", "Owner"), "--attribute", "NAME=GLOB")


@pytest.mark.parametrize("rows", [1000, pytest.param(10_000, marks=pytest.mark.long)])
def test_many_rows_of_excel(tmp_path: Path, rows: int) -> None:
    many = [Machine(id=f"vm-{n}", name=f"vm{n}", uuid=str(n)) for n in range(rows)]
    path = write_xlsx(tmp_path / "vms.xlsx", table(many))
    done = evs_entitlements("--inventory", path.name, "vms", "--output", "ids", cwd=tmp_path)
    assert len(done.out.split()) == rows
