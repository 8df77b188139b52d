"""Plays random histories of the simulation on every core, for as long as asked, and tells each violation as a story.

python -m tests.soak --histories 10000
python -m tests.soak --seconds 3600 --seed 7000

The seed of a history is its number: a run from the same seed plays the same histories. The last line says how many,
how long, and how many violations; the exit status is 1 if there are any.
"""

import gc
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple

import click

from tests.simulation.history import History, draw
from tests.simulation.play import play
from tests.simulation.shrink import shrunk

#: Histories that a worker plays before it reports.
CHUNK = 20
#: So many violations are shrunk and told whole; of the others only the seed and the first words are shown.
TOLD = 3


class Failed(NamedTuple):
    """A history that was violated, or could not be played."""

    seed: int
    violations: list[str]


def played(seeds: range) -> list[Failed]:
    """Play histories; return those that failed."""
    failed = []
    for seed in seeds:
        violations = play(draw(seed)).violations
        if violations:
            failed.append(Failed(seed, violations))
    gc.collect()
    return failed


def story_of(history: History) -> str:
    """Shrink a failing history, and tell it."""
    smaller = shrunk(history, play(history).violations)
    outcome = play(smaller, told=True)
    return "\n".join([str(smaller), outcome.story, *(f"  -> {violation}" for violation in outcome.violations)])


def chunks(first: int, histories: int | None, until: float | None) -> Iterator[range]:
    """Yield the seeds of each chunk, while there are histories to play and time is left."""
    number, last = first, None if histories is None else first + histories
    while (last is None or number < last) and (until is None or time.monotonic() < until):
        end = number + CHUNK if last is None else min(number + CHUNK, last)
        yield range(number, end)
        number = end


@click.command()
@click.option("--histories", type=click.IntRange(min=1), help="Stop after so many; 10,000 if nothing is said.")
@click.option("--seconds", type=click.IntRange(min=1), help="Begin no further histories after so many seconds.")
@click.option("--seed", type=click.IntRange(min=0), help="Of the first history; by lot if not given.")
@click.option("--workers", type=click.IntRange(min=1), help="Processes; one for each core if not given.")
def soak(histories: int | None, seconds: int | None, seed: int | None, workers: int | None) -> None:
    """Play random histories; end with 1 if any has a violation."""
    if histories is None and seconds is None:
        histories = 10_000
    first = seed if seed is not None else random.randrange(10**6)
    click.echo(f"seeds from {first}")
    began, done = time.monotonic(), 0
    until = began + seconds if seconds is not None else None
    failed: list[Failed] = []
    with multiprocessing.get_context("fork").Pool(workers or os.cpu_count() or 1) as pool:
        running = []
        for chunk in chunks(first, histories, until):
            running.append((len(chunk), pool.apply_async(played, (chunk,))))
            while len(running) > 2 * (workers or os.cpu_count() or 1):
                count, result = running.pop(0)
                failed += result.get()
                done += count
        for count, result in running:
            failed += result.get()
            done += count
    elapsed = time.monotonic() - began
    for number, one in enumerate(failed):
        click.echo(f"\nseed {one.seed}: {one.violations[0]}")
        if number < TOLD:
            click.echo(story_of(draw(one.seed)))
    click.echo(f"{done} histories in {elapsed:.0f} s, {len(failed)} violations")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # Sets of strings have another order in each process, and histories would go other ways.
        os.execve(
            sys.executable, [sys.executable, "-m", "tests.soak", *sys.argv[1:]], {**os.environ, "PYTHONHASHSEED": "0"}
        )
    soak()
