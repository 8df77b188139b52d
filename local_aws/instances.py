"""Which instances of the local AWS there are on this machine: a directory and a small file for each.

Everything is under the project's ``.local/instances``. An instance whose process is gone counts as gone.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
from filelock import FileLock

from local_aws.ministack_venv import STATE

DIRECTORY = STATE / "instances"
#: How many stopped instances keep their logs.
KEPT = 20
_FILE = "instance.json"
_OWNER = "owner.json"


def claim(directory: Path) -> None:
    """Make an instance's directory this process's own.

    Raises
    ------
    FileExistsError
        A running process has it.
    """
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    # Instances start side by side: without it, one would prune what another is looking at.
    with FileLock(DIRECTORY.with_suffix(".lock")):
        _prune()
        if _is_owned(directory):
            raise FileExistsError(f"instance {directory.name} is running already")
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        (directory / _OWNER).write_text(json.dumps(_me()), encoding="utf-8")


def publish(directory: Path, **what: Any) -> None:
    """Say that an instance runs, and what others need to use it."""
    text = json.dumps({"name": directory.name, "pid": os.getpid(), **what}, indent=1)
    staged = directory / f"{_FILE}.new"
    staged.write_text(text, encoding="utf-8")
    staged.replace(directory / _FILE)


def withdraw(directory: Path) -> None:
    """Say that an instance runs no more."""
    (directory / _FILE).unlink(missing_ok=True)
    (directory / _OWNER).unlink(missing_ok=True)


def running() -> dict[str, dict[str, Any]]:
    """Return what the running instances published, by name."""
    found = {path.parent.name: path for path in sorted(DIRECTORY.glob(f"*/{_FILE}"))}
    return {
        name: json.loads(path.read_text(encoding="utf-8")) for name, path in found.items() if _is_owned(path.parent)
    }


def _me() -> dict[str, float]:
    process = psutil.Process()
    return {"pid": process.pid, "created": process.create_time()}


def _is_owned(directory: Path) -> bool:
    try:
        owner = json.loads((directory / _OWNER).read_text(encoding="utf-8"))
        process = psutil.Process(owner["pid"])
        # A process id is used again; together with the time of its beginning it is not.
        return bool(abs(process.create_time() - owner["created"]) < 1)
    except (OSError, ValueError, psutil.NoSuchProcess):
        return False


def _prune() -> None:
    """Remove the directories of instances that stopped long ago."""
    stopped = [path for path in DIRECTORY.glob("*") if path.is_dir() and not _is_owned(path)]
    stopped.sort(key=lambda path: path.stat().st_mtime)
    for path in stopped[:-KEPT]:
        shutil.rmtree(path, ignore_errors=True)
