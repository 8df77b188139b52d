"""Tables in text: columns as wide as they need, and folded by rich only where a terminal is too narrow for that.

Owns the layout. rich's own table measures and wraps each cell, which takes seconds for thousands of rows; most tables
need neither.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.console import Console

_GAP, _EDGES, _RULE = "   ", "  ", "─"
_HEAD_STYLE = "bold"


@dataclass(frozen=True)
class Cell:
    """Printable words and the style that a terminal shows them in."""

    words: str
    style: str = ""


@dataclass(frozen=True)
class Heading:
    """The top of a column; `fixed`: its words are never broken over lines."""

    words: str
    numeric: bool = False
    fixed: bool = False


def draw(console: Console, headings: Sequence[Heading], rows: Sequence[Sequence[Cell]]) -> None:
    """Draw a table on a terminal, with an empty line after it."""
    widths = _widths(headings, rows)
    if _total(widths) > console.width:
        _fold(console, headings, rows)
    else:
        _print_in_colour(console, headings, widths, _lines(headings, widths, rows))


def plain(headings: Sequence[Heading], rows: Sequence[Sequence[Cell]]) -> Iterator[str]:
    """Yield the lines of a table that no terminal limits, and an empty one after it."""
    widths = _widths(headings, rows)
    columns = _columns(headings, widths)
    for line in _lines(headings, widths, rows):
        words = (_padded(cell.words, *column) for cell, column in zip(line, columns, strict=False))
        yield f" {_GAP.join(words)}".rstrip()
    yield ""


def _lines(headings: Sequence[Heading], widths: Sequence[int], rows: Sequence[Sequence[Cell]]) -> list[Sequence[Cell]]:
    rule = Cell(_RULE * (_total(widths) - len(_EDGES)))
    return [[Cell(heading.words, _HEAD_STYLE) for heading in headings], [rule], *rows]


def _widths(headings: Sequence[Heading], rows: Sequence[Sequence[Cell]]) -> list[int]:
    return [max(map(_width, [heading.words, *(row[at].words for row in rows)])) for at, heading in enumerate(headings)]


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1) + len(_EDGES)


def _print_in_colour(
    console: Console, headings: Sequence[Heading], widths: Sequence[int], lines: Sequence[Sequence[Cell]]
) -> None:
    from rich.text import Text

    columns = _columns(headings, widths)
    for line in lines:
        text = Text(" ")
        for cell, column in zip(line, columns, strict=False):
            if len(text) > 1:
                text.append(_GAP)
            text.append(_padded(cell.words, *column), cell.style)
        text.rstrip()
        console.print(text, soft_wrap=True)
    console.print()


def _columns(headings: Sequence[Heading], widths: Sequence[int]) -> list[tuple[int, bool]]:
    return [(width, heading.numeric) for width, heading in zip(widths, headings, strict=True)]


def _padded(words: str, width: int, numeric: bool) -> str:
    space = " " * (width - _width(words))
    return space + words if numeric else words + space


def _width(words: str) -> int:
    if words.isascii() or words == _RULE * len(words):
        return len(words)
    # Some characters take two places, some none.
    from rich.cells import cell_len

    return cell_len(words)


def _fold(console: Console, headings: Sequence[Heading], rows: Sequence[Sequence[Cell]]) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        justify: Literal["left", "right"] = "right" if heading.numeric else "left"
        table.add_column(heading.words, justify=justify, overflow="fold", no_wrap=heading.fixed)
    for row in rows:
        table.add_row(*(Text(cell.words, style=cell.style) for cell in row))
    console.print(table)
