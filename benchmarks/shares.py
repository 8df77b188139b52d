"""Measures what a memory size costs in time: ``python -m benchmarks.shares``.

Lambda gives a function CPU in proportion to its memory, a whole one at 1,769 MB (Lambda developer guide, "Configure
Lambda function memory"). Here a process gets that share of a CPU by being stopped for the rest of each 20 ms.
"""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from benchmarks import processes
from benchmarks.arena import Arena
from benchmarks.measure import Life, Results
from evs_entitlements.lambda_code import stage_code

#: Memory sizes, in MB, and the one that gives a whole CPU.
SIZES, WHOLE = (128, 256, 512, 1024, 1769), 1769
#: Of share and pause, in seconds.
PERIOD = 0.02


@contextlib.contextmanager
def share_of(pid: int, share: float) -> Iterator[None]:
    """Let a process run for a share of the time only."""
    ended = threading.Event()

    def turns() -> None:
        with contextlib.suppress(ProcessLookupError):
            while not ended.wait(PERIOD * share):
                os.kill(pid, signal.SIGSTOP)
                time.sleep(PERIOD * (1 - share))
                os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=turns)
    if share < 1:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        if share < 1:
            thread.join()


def main(runs: int) -> None:
    """Measure and print."""
    wait4 = os.wait4
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        directory = Path(name)
        stage_code(directory / "asset")
        ours = processes.python_contender(
            "this project", directory / "asset", "lambda_handler.main.handler", bundle=False
        )
        with Arena(directory, 10) as arena:
            for size in SIZES:

                def slowed(pid: int, options: int, share: float = size / WHOLE) -> object:
                    with share_of(pid, share):
                        return wait4(pid, options)

                results: Results = {}
                with mock.patch.object(os, "wait4", slowed):
                    for _ in range(runs):
                        Life(arena, results).run(ours, 3, replaces=True)
                for step in ("Create", "Delete"):
                    wall = [one.wall for one in results["this project", step, 3].measured]
                    print(f"{size} MB: {step} {statistics.median(wall):.1f} s ({min(wall):.1f}-{max(wall):.1f})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
