"""Runs the real CDK CLI against a local AWS or another one, with a limit on every call and nothing left running.

Owns the command line and the environment of `cdk`; knows nothing of entitlements.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

PROJECT = Path(__file__).resolve().parent.parent
CLI = PROJECT / "node_modules" / ".bin" / "cdk"
#: Preloaded into the CLI: what it would look at every 2 or 5 seconds, it looks at four times a second.
SHORT_WAITS = Path(__file__).with_name("short_waits.cjs")
#: Where Node keeps what it has compiled of the CLI and of the CDK: each start of theirs takes half a second less.
COMPILED = PROJECT / ".local" / "node-compiled"
#: Seconds. A function that dies without an answer leaves a stack waiting for its ServiceTimeout.
LIMIT = 240.0
#: Nothing that asks the user, the network, or the user's home; events one by one, as a terminal may be missing.
_QUIET = ("--no-notices", "--no-version-reporting", "--no-color", "--ci")
_DEPLOY = ("--require-approval", "never", "--progress", "events")


class CdkTimeoutError(RuntimeError):
    """A call of the CDK CLI took too long and was ended; the message has what it had printed."""


@dataclass(frozen=True)
class Done:
    """A call of the CDK CLI that has ended.

    Attributes
    ----------
    command
        As a user would type it.
    exit_code
        0 for success.
    output
        Standard output and standard error together, as they came.
    began, seconds
        When it began, in seconds since 1970, and how long it took.
    assembly
        The folder of its cloud assembly, which a later call takes as its app, without synthesizing anew.
    """

    command: str
    exit_code: int
    output: str
    began: float
    seconds: float
    assembly: str

    @property
    def words(self) -> str:
        """The output with every run of white space as one blank: the CLI breaks long lines."""
        return " ".join(self.output.split())


class Aws(Protocol):
    """Where the CDK CLI is to work, such as a running `LocalAws`."""

    def child_environment(self) -> dict[str, str]:
        """Return a whole environment for a child process, with endpoints and credentials."""
        ...


class Cdk:
    """The CDK CLI, pointed at a local AWS or at another one.

    Parameters
    ----------
    aws
        A running one.
    directory
        For cloud assemblies and the CLI's own cache; made if need be.
    validates
        Whether the CDK checks each template by its own rules, as it does for users: 2 s of two cores at each synthesis.
    has_short_waits
        Whether it looks four times a second, which AWS itself would not like.
    """

    def __init__(self, aws: Aws, directory: Path, *, validates: bool = True, has_short_waits: bool = True) -> None:
        self._aws = aws
        self._directory = directory
        self._validates = validates
        self._has_short_waits = has_short_waits
        directory.mkdir(parents=True, exist_ok=True)

    def environment(self) -> dict[str, str]:
        """Return the environment that the CLI, and the app that it starts, run in."""
        environment = self._aws.child_environment()
        # Without compiled modules, importing aws_cdk costs each synthesis 8 s more.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        path = f"{PROJECT / '.venv' / 'bin'}{os.pathsep}{environment.get('PATH', '')}"
        return {
            **environment,
            "PATH": path,
            "CDK_HOME": str(self._directory / "home"),
            "NODE_COMPILE_CACHE": str(COMPILED),
            **({"NODE_OPTIONS": f"--require {json.dumps(str(SHORT_WAITS))}"} if self._has_short_waits else {}),
            **({} if self._validates else {"CDK_VALIDATION": "false"}),
        }

    def __call__(self, *arguments: str, app: str | None = None, limit: float = LIMIT) -> Done:
        """Run `cdk` with these arguments and return how it ended.

        Parameters
        ----------
        arguments
            The command (``deploy``, ``destroy``, ``diff``, ...) and its options.
        app
            What to run in place of the app of cdk.json: a command, or the folder of a cloud assembly.
        limit
            Seconds after which it is ended.

        Raises
        ------
        CdkTimeoutError
            The limit was reached.
        """
        shown = [*arguments, "--app", app] if app else list(arguments)
        more = _DEPLOY if arguments[0] == "deploy" else ("--force",) if arguments[0] == "destroy" else ()
        assembly = app or ""
        if not assembly or not Path(assembly).is_dir():
            # Each call has a cloud assembly of its own, so that calls can run side by side.
            assembly = tempfile.mkdtemp(prefix="cdk.out-", dir=self._directory)
            more = (*more, "--output", assembly)
        began, clock = time.time(), time.monotonic()
        exit_code, output = self._run([str(CLI), *shown, *more, *_QUIET], limit)
        seconds = time.monotonic() - clock
        return Done(f"cdk {shlex.join(shown)}", exit_code, output, began, seconds, assembly)

    def _run(self, command: list[str], limit: float) -> tuple[int, str]:
        process = subprocess.Popen(  # noqa: S603  our own command, no shell
            command,
            cwd=PROJECT,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            _kill(process)
            output, _ = process.communicate()
            raise CdkTimeoutError(f"{shlex.join(command)}: not done in {limit:g} s:\n{output[-4000:]}") from None
        except BaseException:
            _kill(process)
            process.wait()
            raise
        return process.returncode, output


def _kill(process: subprocess.Popen[str]) -> None:
    """End the CLI and the app that it started: they are a process group of their own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
