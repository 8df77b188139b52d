"""Says what was measured: a table in the terminal, the same in docs/performance.md, and a plot beside it."""

from __future__ import annotations

import platform
import re
import statistics
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from pathlib import Path

import botocore
import matplotlib as mpl
from rich.console import Console
from rich.table import Table

from benchmarks import HERE, monitoring
from benchmarks.measure import STEPS, Results, Series, Synth, Wait

DOCUMENT = HERE.parent / "docs" / "performance.md"
PLOT = HERE.parent / "docs" / "performance.svg"
OURS, FLOOR, PLAIN, NODE = "this project", "floor", "plain crhelper", "AwsCustomResource"
#: Most bytes of an event that Lambda takes asynchronously, and of an answer that CloudFormation takes.
EVENT_BYTES, ANSWER_BYTES = 262_144, 4_096


@dataclass
class Figures:
    """All that was measured."""

    results: Results = field(default_factory=dict)
    waits: list[Wait] = field(default_factory=list)
    synths: dict[int, list[Synth]] = field(default_factory=dict)
    template_bytes: dict[int, int] = field(default_factory=dict)
    monitor: list[monitoring.Runs] = field(default_factory=list)
    resources: dict[str, Counter[str]] = field(default_factory=dict)
    assets: dict[str, int] = field(default_factory=dict)
    unzipped: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    reproducible: bool = False
    sleeping_delete: float | None = None
    seconds: float = 0.0

    def cpu(self, contender: str, step: str, vms: int) -> float | None:
        """Return the median of CPU seconds."""
        series = self.results.get((contender, step, vms))
        return statistics.median(one.cpu for one in series.measured) if series else None


@dataclass(frozen=True)
class Check:
    """A target, and what came of it."""

    target: str
    measured: str
    met: bool


# --- targets -------------------------------------------------------------------------------------------------


def checks(figures: Figures) -> list[Check]:
    """Return every target that the run has figures for."""
    return [*_cold(figures), *_calls(figures), *_waiting(figures), *_scale(figures)]


def _ratio(figures: Figures, step: str, base: str) -> float | None:
    ours, other = figures.cpu(OURS, step, 3), figures.cpu(base, step, 3)
    return ours / other if ours and other else None


def _cold(figures: Figures) -> list[Check]:
    found = []
    for step in ("Create", "Delete"):
        for base, most in ((FLOOR, 1.2), (PLAIN, 1.0)):
            ratio = _ratio(figures, step, base)
            if ratio is not None:
                found.append(
                    Check(f"CPU of a cold {step} of 3 VMs: at most {most} x {base}", f"{ratio:.2f} x", ratio <= most)
                )
    return found


def _calls(figures: Figures) -> list[Check]:
    found = []
    for (contender, step, vms), series in sorted(figures.results.items(), key=lambda item: item[0][2]):
        if contender != OURS:
            continue
        calls, batches = series.calls, ceil(vms / 100)
        # Once all pages, and one page a look while a row is CREATING: a second, here.
        lists = ceil((vms + 1) / 100) + 3
        limits = {
            "Create": {"CreateEntitlement": batches, "DeleteEntitlement": 0, "ListVmEntitlements": lists},
            "Update": {"CreateEntitlement": 1, "DeleteEntitlement": 0, "ListVmEntitlements": lists},
            # The environment has one row more than the set has VMs.
            "Clean-up": {"DeleteEntitlement": 1, "CreateEntitlement": 0, "ListVmEntitlements": ceil((vms + 1) / 100)},
            "Delete": {"DeleteEntitlement": batches, "CreateEntitlement": 0, "ListVmEntitlements": 2 * batches},
        }[step]
        # Whether the whole stack is going, or merely a former set: nothing else tells.
        limits["CloudFormation"] = 1 if step == "Clean-up" else 0
        changes = batches if step in ("Create", "Delete") else 1
        wording = ", ".join(
            f"{most or 'no'} {name}" for name, most in limits.items() if most or name == "CloudFormation"
        )
        ledger = calls["GetItem"] + calls["PutItem"] + calls["UpdateItem"]
        found.append(
            Check(
                f"{step} of {vms:,}: at most {wording}, {4 + changes} ledger",
                f"{', '.join(f'{calls[name]} {name}' for name in limits if limits[name])}, {ledger} ledger",
                all(calls[name] <= most for name, most in limits.items()) and ledger <= 4 + changes,
            )
        )
    return found


def _waiting(figures: Figures) -> list[Check]:
    found = []
    for wait in figures.waits:
        most = 2 if wait.seconds <= 60 else 15
        found.append(
            Check(
                f"{wait.vms:,} VMs CREATING for {wait.seconds:.0f} s: the answer at most {most} s after CREATED",
                f"{wait.delay:.1f} s",
                wait.delay <= most,
            )
        )
        if wait.vms > 100:
            found.append(
                Check(
                    f"... with fewer than 100 list calls a minute (a look at all takes {ceil(wait.vms / 100)})",
                    f"{wait.lists_a_minute:.0f} a minute, {wait.lists} in all",
                    wait.lists_a_minute < 100,
                )
            )
    return found


def _scale(figures: Figures) -> list[Check]:
    found = []
    for contender, step, vms in ((OURS, "Create", 10_000), (OURS, "Update", 10_000)):
        if series := figures.results.get((contender, step, vms)):
            found.append(
                Check(
                    f"{step} of {vms:,}: an event of at most {EVENT_BYTES:,} bytes, an answer of {ANSWER_BYTES:,}",
                    f"{series.event_bytes:,} and {series.answer_bytes:,}",
                    series.event_bytes <= EVENT_BYTES and series.answer_bytes <= ANSWER_BYTES,
                )
            )
    if figures.synths:
        one, many = (statistics.median(made.cpu for made in figures.synths[vms]) for vms in (1, 10_000))
        found.append(
            Check("synth of 10,000 VMs: less than 1.2 x that of one, in CPU", f"{many / one:.2f} x", many < one * 1.2)
        )
    size = figures.assets[OURS]
    found.append(Check("asset: less than 130,000 bytes zipped", f"{size:,} bytes", size < 130_000))
    found.append(
        Check("asset: the same bytes when staged again", "yes" if figures.reproducible else "no", figures.reproducible)
    )
    return found


# --- tables --------------------------------------------------------------------------------------------------


def _spread(values: list[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}}-{max(values):{form}})"


_HEADINGS = ("VMs", "request", "who", "CPU s", "x floor", "wall s", "peak MB", "EVS calls C/D/L", "ledger", "answer B")


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
    # A clean-up has no counterpart: the floor removes within its update.
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
        "-" if series.contender == NODE
        else f"{calls['CreateEntitlement']}/{calls['DeleteEntitlement']}/{calls['ListVmEntitlements']}",
        str(calls["GetItem"] + calls["PutItem"] + calls["UpdateItem"]) if series.contender == OURS else "-",
        f"{series.answer_bytes}",
    )  # fmt: skip


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
    ):  # fmt: skip
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
        "targets": _markdown(_TARGETS, [
            (one.target, one.measured, "yes" if one.met else "**no**") for one in checks(figures)
        ]),
        "requests": _markdown(_HEADINGS, rows(figures)) + "\n\n" + "\n\n".join(
            note.replace("*", "\\*") for note in _notes(figures)
        ),
        "monitor": _markdown(monitoring.HEADINGS, [one.row() for one in figures.monitor]),
        "deployed": _markdown(_THINGS, _things(figures)) + "\n\n" + _synth_line(figures),
        "machine": _machine(figures),
    }.items():  # fmt: skip
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


def plot(figures: Figures, target: Path) -> None:
    """Draw CPU and peak memory by size."""
    mpl.use("svg")
    # The same figures make the same file.
    mpl.rcParams.update({"svg.hashsalt": "benchmark", "font.size": 9})
    from matplotlib import pyplot

    sizes = sorted({key[2] for key in figures.results})
    canvas, axes = pyplot.subplots(2, 2, figsize=(9, 6), layout="constrained")
    colours = {OURS: "#1f6f8b", FLOOR: "#99a3a4", PLAIN: "#d68910", NODE: "#7d3c98"}
    for column, step in enumerate(("Create", "Delete")):
        for line, (what, of) in enumerate(
            (("CPU, s", lambda one: one.cpu), ("peak memory, MB", lambda one: one.peak_mb))
        ):
            _bars(axes[line][column], figures, step, sizes, of, colours)
            axes[line][column].set_title(f"{step}: {what}")
    axes[0][0].legend(fontsize=8)
    canvas.savefig(target, format="svg", metadata={"Date": None})
    pyplot.close(canvas)
    target.write_text("\n".join(line.rstrip() for line in target.read_text().splitlines()) + "\n")


def _bars(
    axes: object, figures: Figures, step: str, sizes: list[int], of: Callable[..., float], colours: dict[str, str]
) -> None:
    width = 0.2
    for place, (contender, colour) in enumerate(colours.items()):
        for index, vms in enumerate(sizes):
            series = figures.results.get((contender, step, vms))
            if series is None:
                continue
            values = [of(one) for one in series.measured]
            middle = statistics.median(values)
            axes.bar(  # type: ignore[attr-defined]
                index + (place - 1.5) * width, middle, width, color=colour,
                label=contender if index == 0 else None,
                yerr=[[middle - min(values)], [max(values) - middle]], error_kw={"linewidth": 0.7},
            )  # fmt: skip
    axes.set_xticks(range(len(sizes)), [f"{vms:,} VMs" for vms in sizes])  # type: ignore[attr-defined]
