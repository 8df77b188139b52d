"""Runs random histories for as long as asked, round after round, and says with which seeds, how many and how long.

python -m tests.soak --histories 500
python -m tests.soak --seconds 3600 --seed 7000
"""

import os
import random
import subprocess
import sys
import time

import click

#: Histories of a round: enough to keep the workers busy, few enough that the time asked for is kept.
ROUND = 100
WORKERS = 8


@click.command()
@click.option("--histories", type=click.IntRange(min=1), help="Stop after so many.")
@click.option("--seconds", type=click.IntRange(min=1), help="Begin no further round after so many seconds.")
@click.option("--seed", type=int, help="Of the first history; by lot if not given.")
def soak(histories: int | None, seconds: int | None, seed: int | None) -> None:
    """Run random histories with faults; end with 1 at the first violation."""
    if histories is None and seconds is None:
        histories = 500
    first = number = seed if seed is not None else random.randrange(10**6)
    began, done = time.monotonic(), 0
    while (histories is None or done < histories) and (seconds is None or time.monotonic() - began < seconds):
        count = min(ROUND, histories - done) if histories is not None else ROUND
        parts = min(WORKERS, count)
        environment = {**os.environ, "HISTORIES": str(count), "PARTS": str(parts), "SEED": str(number)}
        test = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", str(parts), "tests/integration/test_lifecycle.py"]
        ended = subprocess.run([sys.executable, *test], env=environment, check=False)
        done += count
        elapsed = time.monotonic() - began
        click.echo(f"soak: seeds {number} to {number + parts - 1}, {done} histories in {elapsed:.0f} s")
        if ended.returncode:
            click.echo(f"soak: a violation; again with SEED={number} HISTORIES={count} PARTS={parts}", err=True)
            sys.exit(1)
        number += parts
    click.echo(f"soak: first seed {first}, {done} histories, {time.monotonic() - began:.0f} s, no violation")


if __name__ == "__main__":
    soak()
