"""Runs the benchmark: ``python -m benchmarks``; ``--help`` says how to run less of it."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import crhelper
from rich.console import Console

from benchmarks import HERE, monitoring
from benchmarks.arena import Arena
from benchmarks.figures import FLOOR, Figures
from benchmarks.measure import (
    Life,
    OneCall,
    Results,
    Wait,
    assets,
    in_background,
    resources,
    sleeping_delete,
    synth,
    unzipped,
    wait,
    zipped,
)
from benchmarks.processes import Contender, node_contender, python_contender
from benchmarks.report import show, write
from evs_entitlements.lambda_code import stage_code

#: How often each size is run, unless the command line says otherwise.
RUNS = {3: 9, 250: 3, 5_000: 2, 10_000: 2}
#: What else is deployed for comparison, by kind of synth.
OTHERS = {"plain": "plain crhelper", "aws-custom-resource": "AwsCustomResource", "provider": "Provider framework"}
#: Waits that are looked at: VMs, and for how many seconds they are CREATING.
WAITS = ((3, 20.0), (3, 70.0), (5_000, 60.0))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(RUNS), help="how many VMs (3 250 5000 10000)")
    parser.add_argument("--runs", type=int, help="how often each size is run (9, 3, 2, 2)")
    parser.add_argument("--no-waits", action="store_true", help="leave out what takes minutes of waiting")
    parser.add_argument("--no-synth", action="store_true", help="leave out the synths")
    parser.add_argument("--write", action="store_true", help="put table and plot into docs/")
    return parser.parse_args()


def main() -> int:
    """Measure and report; return the exit code: 1 where a target is missed."""
    arguments = _arguments()
    console = Console()
    began = time.time()
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        directory = Path(name)
        stage_code(directory / "asset")
        ours = python_contender("this project", directory / "asset", "lambda_handler.main.handler", bundle=False)
        floor = python_contender(FLOOR, HERE / "handlers" / "floor", "index.handler")
        plain = python_contender("plain crhelper", HERE / "handlers" / "plain", "index.handler", most=100)
        _assets(figures, directory, ours, plain)
        with Arena(directory, max(*arguments.sizes, *monitoring.SIZES) + 1) as arena:
            _lives(console, figures.results, arena, (ours, floor, plain), arguments)
            with console.status("monitor"):
                figures.monitor = monitoring.runs(arena, directory / "asset")
            _node(console, figures, arena, directory, arguments.runs or RUNS[3])
            synths = None
            if not arguments.no_synth:
                # Beside the waits, in which nobody computes much.
                synths = in_background(lambda: _synths(figures, directory))
            if not arguments.no_waits:
                _waits(console, figures, arena, directory, ours, plain)
            if synths is not None:
                synths()
    figures.seconds = time.time() - began
    missed = show(console, figures)
    if arguments.write:
        write(figures)
    return 1 if missed else 0


def _assets(figures: Figures, directory: Path, ours: Contender, plain: Contender) -> None:
    again = directory / "again"
    stage_code(again / "asset")
    figures.reproducible = all(
        path.read_bytes() == (again / "asset" / path.relative_to(ours.asset)).read_bytes()
        for path in ours.asset.rglob("*")
        if path.is_file()
    )
    _weigh(figures, "this project", ours.asset)
    _weigh(figures, "plain crhelper", plain.asset, Path(crhelper.__file__).parent)


def _weigh(figures: Figures, name: str, *folders: Path) -> None:
    figures.assets[name], figures.unzipped[name] = zipped(*folders), unzipped(*folders)


def _lives(
    console: Console, results: Results, arena: Arena, contenders: tuple[Contender, ...], arguments: argparse.Namespace
) -> None:
    life = Life(arena, results)
    for size in arguments.sizes:
        with console.status(f"{size:,} VMs"):
            # One that isn't counted, so that nobody pays for reading files from the disk.
            rounds = (arguments.runs or RUNS.get(size, 2)) + (size == min(arguments.sizes))
            for number in range(rounds):
                for contender in contenders:
                    if size <= contender.most:
                        life.run(contender, size, replaces=contender is contenders[0])
                if number == 0 and size == min(arguments.sizes):
                    results.clear()


def _node(console: Console, figures: Figures, arena: Arena, directory: Path, runs: int) -> None:
    name = "AwsCustomResource"
    synth("aws-custom-resource", 3, directory / name)
    (asset,) = assets(directory / name)
    _weigh(figures, name, asset)
    try:
        contender = node_contender(name, asset)
        bucket = arena.bucket_443()
    except (OSError, subprocess.CalledProcessError) as error:
        figures.left_out[name] = f"not timed: {error}"
        return
    try:
        with console.status(name):
            once = OneCall(arena, bucket, figures.results)
            for number in range(runs + 1):
                once.run(contender)
                if number == 0:
                    for step in ("Create", "Delete"):
                        figures.results.pop((name, step, 3))
    finally:
        bucket.close()


def _waits(
    console: Console, figures: Figures, arena: Arena, directory: Path, ours: Contender, plain: Contender
) -> None:
    def second() -> list[Wait]:
        folder = directory / "second"
        folder.mkdir()
        with Arena(folder, 5_001) as other:
            return [wait(other, ours, vms, seconds) for vms, seconds in WAITS if vms > 100]

    with console.status("waiting, about two minutes, and synths"):
        # Wall time is what counts here, and nobody computes much: side by side.
        large = in_background(second)
        sleeping = in_background(lambda: sleeping_delete(arena, plain))
        figures.waits = [wait(arena, ours, vms, seconds) for vms, seconds in WAITS if vms <= 100]
        figures.waits += large()
        figures.sleeping_delete = sleeping().wall


def _synths(figures: Figures, directory: Path) -> None:
    for number in range(3):
        for vms in (1, 10_000):
            made = synth("ours", vms, directory / f"synth-{vms}-{number}")
            figures.synths.setdefault(vms, []).append(made)
            figures.template_bytes[vms] = made.template.stat().st_size
    figures.resources["this project"] = resources(made.template)
    for kind, name in OTHERS.items():
        figures.resources[name] = resources(synth(kind, 3, directory / kind).template)
    framework = [folder for folder in assets(directory / "provider") if (folder / "framework.js").exists()]
    _weigh(figures, "Provider framework", *framework)


if __name__ == "__main__":
    sys.exit(main())
