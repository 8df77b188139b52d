"""The options of `evs-entitlements` in docs/command.md, made from the command itself.

Owns the tables between the marks `<!-- options: NAME -->` and `<!-- end -->`; NAME is a subcommand, or `all` for the
options that every one takes. Never changes what is outside of the marks.
"""

import re
from pathlib import Path

import click

from evs_fleet.cli import COMMANDS, PROGRAM, group
from evs_fleet.options import global_options

PAGE = Path(__file__).resolve().parents[2] / "docs" / "command.md"
ALL = "all"
_MARKED = re.compile(r"(<!-- options: ([a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def write() -> None:
    """Bring the page up to date."""
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def updated(page: str) -> str:
    """Return the page with the options as the command has them now.

    Raises:
        ValueError: a subcommand is not on the page, or one that does not exist is.
    """
    marked = {name for _, name, _ in _MARKED.findall(page)}
    if marked != {*COMMANDS, ALL}:
        raise ValueError(f"docs/command.md: options of {sorted(marked)}, expected {sorted([*COMMANDS, ALL])}")
    return _MARKED.sub(lambda found: f"{found[1]}{options(found[2])}\n{found[3]}", page)


def options(name: str) -> str:
    """Return how a subcommand is called, and a table of its own options."""
    everywhere: set[str | None] = {each.name for each in global_options()}
    if name == ALL:
        return _table([*global_options(), *_own(group, everywhere)], f"{PROGRAM} [OPTIONS] COMMAND [OPTIONS]")
    with click.Context(group, info_name=PROGRAM) as above:
        command = group.get_command(above, name)
        if command is None:
            raise ValueError(f"{name} is no subcommand")
        own = _own(command, everywhere)
        return _table(own, f"{PROGRAM} {name}" + (" [OPTIONS]" if own else ""))


def _own(command: click.Command, everywhere: set[str | None]) -> list[click.Parameter]:
    return [each for each in command.params if each.name not in everywhere]


def _table(options: list[click.Parameter], usage: str) -> str:
    with click.Context(click.Command("x")) as context:
        records = [each.get_help_record(context) for each in options]
    rows = [_escaped(f"| `{names}` | {help_text} |") for names, help_text in filter(None, records)]
    table = ["", "| option | meaning |", "|---|---|", *rows] if rows else []
    return "\n".join([f"```\n{usage}\n```", *table])


def _escaped(row: str) -> str:
    """Return a row whose code has no bare `|`: a table would take it for the end of a cell."""
    return re.sub(r"`[^`]*`", lambda code: code[0].replace("|", "\\|"), row)
