"""The pages say what is so: policies and locks in them are read, options and files in them exist."""

import json
import re
from pathlib import Path

import pytest

from evs_entitlements import EntitlementLock
from evs_fleet.cli import COMMANDS
from evs_fleet.policy import load
from tests.fleet.run import evs_entitlements

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [
    "command.md",
    "tasks/entitle-by-folder-and-tag.md",
    "tasks/keep-a-lock-in-ci.md",
    "tasks/after-a-fail-over.md",
    "tasks/byol-exclusions.md",
]
MINE = ("init", "vms", "resolve")


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text()
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```", text, flags=re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]


@pytest.mark.parametrize("page", PAGES)
def test_policies_are_valid(page: str, tmp_path: Path) -> None:
    for number, block in enumerate(blocks(page, "toml")):
        path = tmp_path / f"{number}.toml"
        path.write_text(block if "environment =" in block else 'environment = "env-abcde12345"\n' + block)
        assert load(path).include


def test_there_are_policies_and_locks_to_read(tmp_path: Path) -> None:
    assert len(blocks("command.md", "toml")) == 1
    (lock,) = blocks("command.md", "json")
    # As the command itself would write it.
    assert EntitlementLock.parse(lock, "x").to_text() == lock
    json.loads((DOCS / "schemas/entitlements.lock.schema.json").read_text())


@pytest.mark.parametrize("page", PAGES)
def test_links_and_pictures_lead_somewhere(page: str) -> None:
    text = (DOCS / page).read_text()
    links = re.findall(r"\]\((?!http)([^)#]+)(?:#[^)]*)?\)", text)
    assert links
    for link in links:
        assert ((DOCS / page).parent / link).exists(), link


@pytest.mark.parametrize("name", MINE)
def test_every_option_of_a_command_is_on_its_page(name: str, tmp_path: Path) -> None:
    page = (DOCS / "command.md").read_text()
    options = set(
        re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", evs_entitlements(name, "--help", cwd=tmp_path).out, re.MULTILINE)
    )
    assert len(options) > 8
    assert {option for option in options if option not in page} <= {"--help"}


@pytest.mark.parametrize("page", PAGES)
def test_every_command_on_a_page_exists(page: str) -> None:
    for name in re.findall(r"^\s*(?:\$ )?evs-entitlements ([a-z]+)", (DOCS / page).read_text(), re.MULTILINE):
        assert name in COMMANDS
