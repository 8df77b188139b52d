"""Runs the command: within this process, which is quick, or in one of its own, as a user does."""

import contextlib
import io
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from evs_fleet import cli

SECONDS = 120
_SETTINGS = ("AWS_", "VCENTER_", "EVS_")


@dataclass(frozen=True)
class Done:
    """What a run left."""

    status: int
    out: str
    err: str


def evs_entitlements(*arguments: object, cwd: Path, **environment: str) -> Done:
    """Run `evs-entitlements` within this process, without a terminal.

    It sees nothing of AWS or a vCenter but what `environment` says.
    """
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.dict(os.environ, {**_clean(), **environment}, clear=True),
        mock.patch.object(sys, "stdin", io.StringIO()),
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        status = cli.run([str(argument) for argument in arguments])
    return Done(status, out.getvalue(), err.getvalue())


def process(*arguments: object, cwd: Path, **environment: str) -> Done:
    """Run `evs-entitlements` in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "evs_fleet", *map(str, arguments)],
        cwd=cwd,
        env={**_clean(), "PYTHONUTF8": "1", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=SECONDS,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def refused(done: Done, *words: str) -> None:
    """Assert that a run ended in one clear line on stderr and exit status 2, with all of these words in it."""
    assert (done.status, done.out) == (2, ""), done
    assert done.err.startswith("error: "), done.err
    assert done.err.count("\n") == 1, done.err
    assert not re.search(r"unexpected \w+(Error|Exception|Fault)", done.err)
    for word in words:
        assert word in done.err


def _clean() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
