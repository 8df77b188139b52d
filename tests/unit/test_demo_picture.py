"""The demo's table marks what has changed; its picture shows each step; pictures of terminals can be read."""

import io
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from demo.picture import STILL, animated, cut
from local_aws.table import entitlement_table
from testing.picture import GROUND, terminal

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
PICTURE = PICTURES / "demo.svg"


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


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as WCAG 2 has it: https://www.w3.org/TR/WCAG21/#dfn-contrast-ratio."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, bright = sorted((luminance(one), luminance(other)))
    return (bright + 0.05) / (dark + 0.05)


def faint(svg: str) -> set[str]:
    """Return the colours of texts that are too faint on the ground of a terminal's picture."""
    return {colour for colour in re.findall(r"-r\d+ \{ fill: (#[0-9a-f]{6})", svg) if contrast(colour, GROUND) < 4.5}


def test_no_text_of_a_terminals_picture_is_too_faint() -> None:
    pictures = [path for path in PICTURES.glob("*.svg") if f'fill="{GROUND}"' in path.read_text()]
    assert len(pictures) > 7
    assert {path.name: colours for path in pictures if (colours := faint(path.read_text()))} == {}


def test_what_is_printed_in_any_colour_can_be_read() -> None:
    console = Console(record=True, width=60, file=io.StringIO(), color_system="truecolor")
    console.print("[red]removed[/] [dim]excluded[/] [green]new[/] [yellow]waits[/] [cyan]$ cdk[/] plain")
    assert faint(console.export_svg(title="x", clear=False)) != set(), "the measure would notice"
    assert faint(terminal(console, "x")) == set()
