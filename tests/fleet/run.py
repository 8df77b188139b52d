"""Runs the command as a user does: in a process of its own, with what it printed and its exit status."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SECONDS = 120


@dataclass(frozen=True)
class Done:
    """What a run left."""

    status: int
    out: str
    err: str


def evs_entitlements(*arguments: str | Path, cwd: Path, **environment: str) -> Done:
    """Run `evs-entitlements`; it sees nothing of AWS or a vCenter but what `environment` says."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "VCENTER_", "EVS_"))}
    done = subprocess.run(
        [sys.executable, "-m", "evs_fleet", *map(str, arguments)],
        cwd=cwd, env={**clean, "PYTHONUTF8": "1", **environment}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, encoding="utf-8", timeout=SECONDS, check=False,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


def refused(done: Done, *words: str) -> None:
    """Assert that a run ended in one clear line on stderr and exit status 2."""
    assert (done.status, done.out) == (2, ""), done
    assert done.err.startswith("error: "), done.err
    assert done.err.count("\n") == 1, done.err
    for word in words:
        assert word in done.err
