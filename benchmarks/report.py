"""Says what was measured: a table in the terminal, the same in docs/performance.md, and a plot beside it."""

from __future__ import annotations

import platform
import re
import statistics
from collections import Counter
from functools import partial

import botocore
from rich.console import Console
from rich.table import Table

from benchmarks import HERE, monitoring
from benchmarks.figures import FLOOR, NODE, OURS, PLAIN, Figures
from benchmarks.measure import STEPS, Series
from benchmarks.plot import plot
from benchmarks.targets import Check, checks

DOCUMENT = HERE.parent / "docs" / "performance.md"
PLOT = HERE.parent / "docs" / "performance.svg"


# --- tables --------------------------------------------------------------------------------------------------


def _spread(values: list[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


_HEADINGS = (
    "VMs",
    "request",
    "who",
    "CPU s",
    "x smallest",
    "wall s",
    "peak MB",
    "EVS calls C/D/L",
    "ledger",
    "answer B",
)


def rows(figures: Figures) -> list[tuple[str, ...]]:
    """Return the main table."""
    found: list[tuple[str, ...]] = []
    for vms in sorted({key[2] for key in figures.results}):
        for step in STEPS:
            for contender in (OURS, FLOOR, PLAIN, NODE):
                series = figures.results.get((contender, step, vms))
                if series:
                    found.append(_row(figures, series))
                elif contender == PLAIN and vms > 100 and step != "Clean-up":
                    found.append((f"{vms:,}", step, contender, "can't: one call takes 100 VMs", *[""] * 6))
    return found


def _row(figures: Figures, series: Series) -> tuple[str, ...]:
    measured, calls = series.measured, series.calls
    cpu = statistics.median(one.cpu for one in measured)
    # A clean-up has no counterpart: the smallest handler removes within its update.
    floor = figures.cpu(FLOOR, series.step, series.vms)
    note = {NODE: "*", PLAIN: "**"}.get(series.contender, "")
    return (
        f"{series.vms:,}",
        series.step,
        series.contender + note,
        _spread([one.cpu for one in measured], ".3f"),
        f"{cpu / floor:.2f}" if floor else "-",
        _spread([one.wall for one in measured], ".2f"),
        f"{max(one.peak_mb for one in measured):.0f}",
        "-"
        if series.contender == NODE
        else f"{calls['CreateEntitlement']}/{calls['DeleteEntitlement']}/{calls['ListVmEntitlements']}",
        str(calls["GetItem"] + calls["PutItem"] + calls["UpdateItem"]) if series.contender == OURS else "-",
        f"{series.answer_bytes}",
    )


def _notes(figures: Figures) -> list[str]:
    sleeping = ""
    if figures.sleeping_delete:
        sleeping = f"; with its default of 120 s one Delete took {figures.sleeping_delete:.1f} s"
    found = [
        """CPU and wall: median (lowest-highest) of whole processes, from start to end, interpreter included.
        EVS calls: CreateEntitlement/DeleteEntitlement/ListVmEntitlements.""",
        """* One GetItem of DynamoDB instead of an EVS call: there is no package of its SDK for EVS. It answers on port
        443 only, sends one call an event, at most 100 VMs in it, and does not wait.""",
        f"""** One call an event, at most 100 VMs in it, and no waiting: that needs EventBridge, which is not here.
        sleep_on_delete is 0 in this table, since sleeping takes no CPU{sleeping}.""",
    ]
    found = [" ".join(note.split()) for note in found]
    found += [f"{name}: {why}" for name, why in figures.left_out.items()]
    return found


def _things(figures: Figures) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name in (OURS, PLAIN, NODE, "Provider framework"):
        types = figures.resources.get(name, Counter())
        found.append(
            (
                name,
                f"{figures.assets[name]:,}" if name in figures.assets else "-",
                f"{figures.unzipped[name]:,}" if name in figures.unzipped else "-",
                str(sum(types.values())) if types else "-",
                str(types["AWS::Lambda::Function"]) if types else "-",
            )
        )
    return found


_TARGETS = ("target", "measured", "met")
_THINGS = ("who", "asset, zipped bytes", "unzipped", "resources in the stack", "of them functions")


def show(console: Console, figures: Figures) -> list[Check]:
    """Print everything; return the targets that are missed."""
    for title, headings, lines in (
        ("Requests, each in a fresh process", _HEADINGS, rows(figures)),
        ("Runs of the monitor", monitoring.HEADINGS, [one.row() for one in figures.monitor]),
        ("What is deployed", _THINGS, _things(figures)),
        ("Targets", _TARGETS, [(one.target, one.measured, "yes" if one.met else "NO") for one in checks(figures)]),
    ):
        table = Table(title=title, title_justify="left")
        for heading in headings:
            table.add_column(heading)
        for line in lines:
            table.add_row(*line)
        console.print(table)
    for note in (*_notes(figures), _synth_line(figures), _machine(figures)):
        if note:
            console.print(note, highlight=False)
    return [one for one in checks(figures) if not one.met]


def _synth_line(figures: Figures) -> str:
    if not figures.synths:
        return ""
    parts = [
        f"{vms:,} VMs: CPU {_spread([one.cpu for one in made], '.2f')} s, "
        f"template {figures.template_bytes[vms]:,} bytes"
        for vms, made in sorted(figures.synths.items())
    ]
    return f"Synth, Node's part included. {'; '.join(parts)}."


def _machine(figures: Figures) -> str:
    return (
        f"Python {platform.python_version()}, botocore {botocore.__version__}, "
        f"{platform.system()} {platform.machine()}, the whole run {figures.seconds:.0f} s."
    )


# --- the document --------------------------------------------------------------------------------------------


def write(figures: Figures) -> None:
    """Put the tables between the marks of docs/performance.md, and the plot beside it."""
    text = DOCUMENT.read_text(encoding="utf-8")
    for mark, content in {
        "targets": _markdown(
            _TARGETS, [(one.target, one.measured, "yes" if one.met else "**no**") for one in checks(figures)]
        ),
        "requests": _markdown(_HEADINGS, rows(figures))
        + "\n\n"
        + "\n\n".join(note.replace("*", "\\*") for note in _notes(figures)),
        "monitor": _markdown(monitoring.HEADINGS, [one.row() for one in figures.monitor]),
        "deployed": _markdown(_THINGS, _things(figures)) + "\n\n" + _synth_line(figures),
        "machine": _machine(figures),
    }.items():
        pattern = rf"(<!-- {mark} -->\n).*?(<!-- end -->)"
        text = re.sub(pattern, partial(_between, content), text, flags=re.DOTALL)
    DOCUMENT.write_text(text, encoding="utf-8")
    plot(figures, PLOT)


def _between(content: str, match: re.Match[str]) -> str:
    return f"{match[1]}{content}\n{match[2]}"


def _markdown(headings: tuple[str, ...], lines: list[tuple[str, ...]]) -> str:
    escaped = [
        tuple(cell.replace("*", "\\*") if not cell.startswith("**") else cell for cell in line) for line in lines
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in (headings, tuple("---" for _ in headings), *escaped))
