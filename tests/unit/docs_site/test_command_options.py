"""The options in docs/command.md are those that the command has."""

import pytest

from evs_fleet.cli import COMMANDS
from tools.docs_site import command_options


def test_the_page_is_up_to_date() -> None:
    page = command_options.PAGE.read_text()
    assert command_options.updated(page) == page, "run: python -m tools.docs_site --write-options"


def test_an_option_that_is_gone_or_new_is_noticed() -> None:
    page = command_options.PAGE.read_text()
    old = page.replace("| `--other-vcenter` |", "| `--former` |")
    assert old != page
    assert command_options.updated(old) == page


def test_a_command_without_its_marks_is_noticed() -> None:
    with pytest.raises(ValueError, match="options of"):
        command_options.updated(command_options.PAGE.read_text().replace("<!-- options: check -->", ""))


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_says_how_it_is_called(name: str) -> None:
    assert f"evs-entitlements {name}" in command_options.options(name)


def test_a_choice_stays_within_its_cell() -> None:
    line = next(line for line in command_options.options("all").splitlines() if "--output" in line)
    assert line.replace("\\|", "").count("|") == 3
