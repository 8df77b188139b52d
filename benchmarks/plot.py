"""Draws what was measured: CPU and peak memory by size."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl

from benchmarks.figures import FLOOR, NODE, OURS, PLAIN, Figures


def plot(figures: Figures, target: Path) -> None:
    """Draw CPU and peak memory by size."""
    mpl.use("svg")
    # The same figures make the same file.
    mpl.rcParams.update({"svg.hashsalt": "benchmark", "font.size": 9})
    from matplotlib import pyplot

    sizes = sorted({key[2] for key in figures.results})
    canvas, axes = pyplot.subplots(2, 2, figsize=(9, 6), layout="constrained")
    colours = {OURS: "#1f6f8b", FLOOR: "#99a3a4", PLAIN: "#d68910", NODE: "#7d3c98"}
    for column, (step, done) in enumerate((("Create", "entitled"), ("Delete", "given up"))):
        for line, (what, unit, of) in enumerate(
            (
                ("computing time", "seconds of one processor", lambda one: one.cpu),
                ("memory", "megabytes at most", lambda one: one.peak_mb),
            )
        ):
            _bars(axes[line][column], figures, step, sizes, of, colours)
            axes[line][column].set_title(f"VMs are {done}: {what}, less is better")
            axes[line][column].set_ylabel(unit)
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
                index + (place - 1.5) * width,
                middle,
                width,
                color=colour,
                label=contender if index == 0 else None,
                yerr=[[middle - min(values)], [max(values) - middle]],
                error_kw={"linewidth": 0.7},
            )
    axes.set_xticks(range(len(sizes)), [f"{vms:,} VMs" for vms in sizes])  # type: ignore[attr-defined]
