"""Contenders, and one invocation of one in a fresh process, measured from outside."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from filelock import FileLock

from benchmarks import HERE

#: The Node SDK, installed once from the pins here.
MODULES = HERE / "node_modules"


@dataclass(frozen=True)
class Contender:
    """A function: where its code is, how it is started."""

    name: str
    asset: Path
    handler: str
    command: tuple[str, ...]
    #: Folders of what the runtime, or the asset, brings along.
    path: tuple[str, ...] = ()
    #: Whether it reads a store of certificates of its SDK's beside the system's.
    bundle: bool = True
    #: Most VMs that it can do.
    most: int = 1_000_000


@dataclass(frozen=True)
class Measured:
    """One invocation."""

    cpu: float
    wall: float
    #: From the start of the process until the handler was imported, in seconds.
    ready: float
    peak_mb: float
    output: str


class Broken(RuntimeError):
    """An invocation ended in error; the message has its output."""


def python_contender(name: str, asset: Path, handler: str, **more: Any) -> Contender:
    """Return a function in Python; boto3 and crhelper are the installed ones."""
    installed = str(Path(find_spec("boto3").origin).parent.parent)  # type: ignore[union-attr,arg-type]
    # Without `site`: it runs what tools have put into this environment, which no Lambda has.
    command = (sys.executable, "-S", "-E", str(HERE / "invoke.py"))
    return Contender(name, asset, handler, command, (installed,), **more)


def node_contender(name: str, asset: Path) -> Contender:
    """Return a function in Node; the SDK is the one that is pinned here.

    Raises
    ------
    FileNotFoundError
        There is no Node.
    subprocess.CalledProcessError
        The SDK could not be installed.
    """
    node = shutil.which("node")
    if node is None:
        raise FileNotFoundError("there is no Node")
    with FileLock(HERE.parent / ".local" / "benchmarks.lock"):
        if not MODULES.is_dir():
            subprocess.run(["npm", "ci", "--no-progress", "--silent"], cwd=HERE, check=True)
    return Contender(name, asset, "index.handler", (node, str(HERE / "invoke.cjs")))


def invoke(contender: Contender, event: dict[str, Any], environment: dict[str, str], timeout: float = 900) -> Measured:
    """Run one invocation and measure it.

    Raises
    ------
    Broken
        It failed.
    """
    job = {
        "asset": str(contender.asset),
        "path": contender.path,
        "handler": contender.handler,
        "event": event,
        "timeout": timeout,
    }
    read, write = os.pipe()
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as output:
        given.write(json.dumps(job).encode())
        given.seek(0)
        began = time.time()
        process = subprocess.Popen(
            contender.command,
            stdin=given,
            stdout=output,
            stderr=output,
            pass_fds=(write,),
            env={"PATH": os.environ["PATH"], "REPORT": str(write), "NODE_PATH": str(MODULES), **environment},
        )
        os.close(write)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.time() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        with os.fdopen(read) as report:
            reported = report.read()
        output.seek(0)
        text = output.read().decode(errors="replace")
    if process.returncode or not reported:
        raise Broken(f"{contender.name} ended with {process.returncode}:\n{text[-4000:]}")
    own = json.loads(reported)
    return Measured(
        cpu=usage.ru_utime + usage.ru_stime,
        wall=wall,
        ready=own["ready"] - began,
        peak_mb=own["peak_kb"] / 1024,
        output=text,
    )
