"""The demo's table marks what has changed; its picture shows each step and loads nothing from elsewhere."""

import io
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from demo.picture import STILL, animated, cut
from local_aws.table import entitlement_table

PICTURE = Path(__file__).parents[2] / "docs" / "pictures" / "demo.svg"


def row(vm_id: str, status: str = "CREATED") -> dict[str, Any]:
    return {"vmId": vm_id, "environmentId": "env-1", "connectorId": "cnctr-1", "status": status}


def text(*arguments: Any) -> list[str]:
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(entitlement_table(*arguments))
    return console.export_text().splitlines()


def line(lines: list[str], vm_id: str) -> str:
    return next(each for each in lines if f" {vm_id} " in each)


def test_a_table_marks_what_is_new_gone_and_changed() -> None:
    before = [row("vm-1"), row("vm-2"), row("vm-3")]
    lines = text([row("vm-1"), row("vm-3", "AT_RISK"), row("vm-4")], "", before)
    assert "+ new" in line(lines, "vm-4")
    assert "- removed" in line(lines, "vm-2")
    assert "CREATED" not in line(lines, "vm-2")
    assert "was CREATED" in line(lines, "vm-3")
    assert all(word not in line(lines, "vm-1") for word in ("new", "removed", "was"))


def test_a_table_without_an_earlier_time_shows_every_row_and_no_marks() -> None:
    lines = text([row("vm-2"), row("vm-1", "CREATE_FAILED"), row("vm-1")])
    assert sum(" vm-1 " in each for each in lines) == 2
    assert all("Change" not in each for each in lines)


def test_the_picture_of_a_run_has_each_step_in_turn() -> None:
    run = f"Starting\n\x1b[1m1\x1b[0m. First ──\nfine\n2. Then {STILL} ──\nfailed\n"
    steps = cut(run)
    assert [step.splitlines()[-1] for step in steps] == ["fine", "failed"]
    root = ElementTree.fromstring(animated(steps))
    shown = [each.get("class") for each in root if each.tag.endswith("}g")]
    assert shown == ["step step-0", "step step-1"]
    assert ".step-1 { opacity: 1; }" in animated(steps)


def test_a_run_without_steps_makes_no_picture() -> None:
    with pytest.raises(ValueError, match="no step"):
        cut("Not as it should be\n")


def test_the_picture_in_the_pages_loads_nothing_from_elsewhere() -> None:
    picture = PICTURE.read_text()
    ElementTree.fromstring(picture)
    assert "url(http" not in picture
    assert "@font-face" not in picture
    assert picture.count('class="step step-') == 8
