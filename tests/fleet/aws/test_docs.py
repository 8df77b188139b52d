"""The pages on what talks to AWS say what is so: options, findings, commands, files and pictures in them exist."""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from evs_fleet.cli import COMMANDS
from evs_fleet.commands.check import ADVICE
from evs_fleet.commands.history import CSV_COLUMNS
from evs_health.assessment import Kind
from tests.fleet.aws.conftest import Run

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "command.md").read_text()
PAGES = [
    "command.md",
    "tasks/move-under-cdk.md",
    "tasks/take-a-vm-out.md",
    "tasks/retire-an-environment.md",
    "tasks/evidence-for-an-auditor.md",
]
MINE = ("environments", "list", "check", "import", "watch", "doctor", "history")
GLOBAL = {"--policy", "--inventory", "--lock", "--help"}


@pytest.mark.parametrize("page", PAGES)
def test_links_and_pictures_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)(?:#[^)]*)?\)", (DOCS / page).read_text())
    for link in links:
        assert ((DOCS / page).parent / link).exists(), link


@pytest.mark.parametrize("page", PAGES)
def test_every_command_on_a_page_exists(page: str) -> None:
    named = set(re.findall(r"`?evs-entitlements ([a-z]+)", (DOCS / page).read_text()))
    assert named <= set(COMMANDS)


@pytest.mark.parametrize("name", MINE)
def test_every_option_of_a_command_is_on_the_page(name: str, run: Run) -> None:
    options = set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", run(name, "--help").out, re.MULTILINE))
    assert len(options) > 6
    assert {option for option in options if option not in PAGE} <= GLOBAL


def test_every_finding_is_on_the_page_and_has_advice() -> None:
    section = PAGE.partition("## check")[2].partition("## import")[0]
    assert set(re.findall(r"^\| `([a-z_]+)` \|", section, re.MULTILINE)) == {kind.value for kind in Kind}
    assert set(ADVICE) == set(Kind)


def test_the_auditors_file_has_the_columns_that_the_page_shows() -> None:
    page = (DOCS / "tasks/evidence-for-an-auditor.md").read_text()
    assert ",".join(column.name for column in CSV_COLUMNS) in page


@pytest.mark.parametrize("name", ["environments", "list", "check", "doctor"])
def test_a_picture_loads_nothing_from_elsewhere(name: str) -> None:
    text = (DOCS / "pictures" / f"{name}.svg").read_text()
    ElementTree.fromstring(text)
    assert "url(http" not in text
    assert "<image" not in text
