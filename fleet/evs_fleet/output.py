"""Results on stdout, as table, JSON, CSV or ids; progress and remarks on stderr.

Owns what each form looks like. Colour and progress bars only on a terminal. rich is imported when a table is drawn.
What comes from a VM's name is never taken for markup, and its control characters are made visible.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from evs_fleet.context import Output

# Wider than any table: text that is not read on a terminal is not to be cut.
_UNLIMITED = 10_000
#: Colours of words that say how a thing is.
GOOD, BAD, WARN, DIM = "green", "red", "yellow", "dim"


@dataclass(frozen=True)
class Column:
    """One column: its name in JSON and CSV, its heading in a table.

    `styles` is value -> style of a table's cell, such as {"CREATED": GOOD}.
    """

    name: str
    heading: str
    numeric: bool = False
    styles: Mapping[str, str] | None = None


def write_rows(
    form: Output, columns: Sequence[Column], rows: Sequence[Mapping[str, Any]], *, ids: str, title: str | None = None
) -> None:
    """Write rows to stdout.

    Args:
        form: `table`, `json` (a list of objects), `csv` (with a heading), or `ids`.
        columns: what a table and a CSV file show, in this order; JSON has all that is in a row.
        rows: name -> value; a value is a string, number, bool, None, or a list of strings.
        ids: the name whose values `ids` prints, one a line, those that are None left out.
        title: a line above the table.
    """
    if form == "json":
        write_json(list(rows))
    elif form == "csv":
        write_csv(columns, rows)
    elif form == "ids":
        write_lines(str(row[ids]) for row in rows if row.get(ids) is not None)
    else:
        write_table(columns, rows, title=title)


def write_json(value: Any) -> None:
    """Write any JSON value to stdout, indented."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    # Line by line: Python takes one large write for done though whoever reads it has gone.
    sys.stdout.writelines(f"{line}\n" for line in text.split("\n"))


def write_csv(columns: Sequence[Column], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows to stdout as CSV with a heading and line feeds."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([column.name for column in columns])
    for row in rows:
        writer.writerow([_word(row.get(column.name)) for column in columns])


def write_lines(lines: Iterable[str]) -> None:
    """Write lines to stdout as they are."""
    for line in lines:
        sys.stdout.write(line + "\n")


def write_table(columns: Sequence[Column], rows: Iterable[Mapping[str, Any]], *, title: str | None = None) -> None:
    """Draw a table on stdout; on a terminal it is as wide as that."""
    from evs_fleet.tables import Cell, Heading, draw, plain

    if title:
        write_text(title)
    # An id that is broken over two lines can't be copied.
    headings = [Heading(column.heading, column.numeric, fixed=column.name.endswith("id")) for column in columns]
    cells = []
    for row in rows:
        words = [(column, _word(row.get(column.name))) for column in columns]
        cells.append([Cell(printable(word), (column.styles or {}).get(word, "")) for column, word in words])
    if sys.stdout.isatty():
        draw(console(), headings, cells)
    else:
        # Without rich, which takes a while to load.
        write_lines(plain(headings, cells))


def write_text(*parts: str | tuple[str, str]) -> None:
    """Write one line to stdout from words and (words, style); a line is not broken."""
    styled = [part if isinstance(part, tuple) else (part, "") for part in parts]
    if not sys.stdout.isatty():
        write_lines(["".join(printable(words) for words, _ in styled)])
        return
    from rich.text import Text

    console().print(Text.assemble(*(text(*part) for part in styled)), soft_wrap=True)


def remark(line: str) -> None:
    """Write one line to stderr for the user, whatever the form of output."""
    sys.stderr.write(printable(line) + "\n")


def console(*, stderr: bool = False) -> Console:
    """Return rich's console of stdout or stderr."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _UNLIMITED
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)


def text(words: str, style: str = "") -> Text:
    """Return words as rich's text, never taken for markup."""
    from rich.text import Text

    return Text(printable(words), style=style)


def printable(words: str) -> str:
    """Return words with control characters, such as a terminal's escape, written out."""
    if words.isprintable():
        return words
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in words)


def plural(count: int, word: str) -> str:
    """Return `1 VM`, `2 VMs`, `2,000 VMs`."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


class Progress(Protocol):
    """Takes how far a work is."""

    def __call__(self, done: int, total: int | None = None, /) -> None:
        """Say that `done` of `total` things are done; total None: not known."""


@contextmanager
def progress(label: str) -> Iterator[Progress]:
    """Show a bar on stderr while something is read; nothing where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield _no_progress
        return
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Bar(*columns, console=console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total=None: bar.update(task, completed=done, total=total)


def _no_progress(_done: int, _total: int | None = None) -> None:
    pass


def _word(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)
