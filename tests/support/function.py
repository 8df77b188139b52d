"""Plays Lambda around the real asset: each invocation is a fresh process, which may be killed or stopped.

Owns the processes. Knows nothing of stacks, and of what an event says.
"""

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from evs_entitlements.lambda_code import stage_code
from local_aws.launcher import LocalAws

_numbers = itertools.count(1)
#: Which AWS call of an invocation (0: the PUT of its answer), "before" or "after" it, and the signal it then gets.
At = tuple[int, str, str]


class Lambda:
    """Starts invocations of one staged asset."""

    def __init__(self, directory: Path, aws: LocalAws, python: str = sys.executable, asset: Path | None = None) -> None:
        self.directory = directory
        self.aws = aws
        self.asset = asset or directory / "asset"
        if asset is None:
            stage_code(self.asset)
        self._socket = tempfile.mkdtemp(prefix="zygote") + "/socket"
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PYTHON"))}
        self._process = subprocess.Popen(
            [python, str(Path(__file__).with_name("zygote.py")), str(self.asset), self._socket],
            env=environment,
            cwd=directory,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == b"ready\n"

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
        Path(self._socket).unlink(missing_ok=True)
        Path(self._socket).parent.rmdir()

    def start(self, *job: Any) -> "Invocation":
        return Invocation(self._socket, *job)


class Invocation:
    """One process of the function."""

    def __init__(
        self,
        path: str,
        event: dict[str, Any],
        env: dict[str, str],
        timeout: float,
        log: Path,
        at: "At | None" = None,
        patch: "dict[str, float] | None" = None,
    ) -> None:
        self.event, self.log, self.id = event, log, f"invocation-{next(_numbers)}"
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(path)
        self._stream = self._connection.makefile("rw")
        job = {
            "event": event,
            "env": env,
            "timeout": timeout,
            "log": str(log),
            "id": self.id,
            "at": at,
            "patch": patch or {},
        }
        print(json.dumps(job), file=self._stream, flush=True)
        self.pid = int(self._stream.readline())
        self.exit_code: int | None = None
        self._lock = threading.Lock()

    def wait(self) -> int:
        """Wait for its end; returns the exit code, negative for the signal that killed it."""
        with self._lock:
            if self.exit_code is None:
                self.exit_code = int(self._stream.readline())
                self._stream.close()
                self._connection.close()
            return self.exit_code

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def stopped(self, timeout: float = 20) -> bool:
        """Wait until the process has stopped itself; False where it ended instead."""
        ends = time.time() + timeout
        while time.time() < ends:
            try:
                state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
            except (FileNotFoundError, ProcessLookupError):
                return False
            if state in "TZX":
                return state == "T"
            time.sleep(0.01)
        raise TimeoutError("neither stopped nor ended")

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
