"""Sets the project up: `.venv`, `node_modules` and the local AWS, once, and again when a pin changes.

Runs in whatever Python the machine has, so it imports nothing of the project and is written for old ones too.
Quiet unless something goes wrong. A second run at the same time waits for the first; one that was interrupted
is begun again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parent.parent
VENV = PROJECT / ".venv"
PYTHON = VENV / "bin" / "python"
STATE = PROJECT / ".local"
OLDEST = (3, 11)
#: Files that say what is installed. The local AWS has its own, and looks after itself.
PYTHON_PINS = ["requirements.txt", "requirements-dev.txt", "constraints.txt", "pyproject.toml"]
NODE_PINS = ["package.json", "package-lock.json", ".npmrc"]
#: In constraints.txt; builds the project itself, which pip would otherwise fetch anew at each installation.
BUILDER = "hatchling"


class SetupError(Exception):
    """A step failed; the message has its output."""


def main() -> int:
    """Set up; return the exit code."""
    if sys.version_info < OLDEST:
        need, have = ".".join(map(str, OLDEST)), ".".join(map(str, sys.version_info[:3]))
        sys.stderr.write(f"error: needs Python {need} or newer, and {sys.executable} is {have}\n")
        sys.stderr.write(f"       name another one: make PYTHON=python{need}\n")
        return 1
    STATE.mkdir(exist_ok=True)
    try:
        with locked(STATE / "set-up.lock"):
            set_up()
    except SetupError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def set_up() -> None:
    """Bring each part up to date."""
    # Where it is counts too: scripts of a virtual environment name its own path.
    python = fingerprint(PYTHON_PINS, sys.version, str(VENV))
    if stamp(VENV) != python:
        with step("Python packages"):
            install_python()
            (VENV / "set-up-for").write_text(python, encoding="utf-8")
    node = fingerprint(NODE_PINS, python)
    modules = PROJECT / "node_modules"
    if stamp(modules) != node:
        with step("CDK CLI"):
            run([str(VENV / "bin" / "npm"), "ci", "--no-progress"])
            (modules / "set-up-for").write_text(node, encoding="utf-8")
    local = fingerprint(["local_aws/requirements.txt"], python)
    marker = STATE / "set-up-for"
    if not (marker.exists() and marker.read_text(encoding="utf-8") == local):
        with step("local AWS"):
            run([str(PYTHON), "-m", "local_aws", "setup"])
            marker.write_text(local, encoding="utf-8")


def install_python() -> None:
    """Make the virtual environment and install everything that is pinned, and the project itself, editable."""
    begun = VENV / "set-up-began"
    if begun.exists() or not sound():
        shutil.rmtree(VENV, ignore_errors=True)
    run([sys.executable, "-m", "venv", str(VENV)])
    begun.touch()
    # Uncompiled: a minute is lost on modules of aws_cdk that nobody imports. Python compiles what it does import.
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    run([*pip, "-c", "constraints.txt", "-r", "requirements-dev.txt", BUILDER])
    run([*pip, "--no-build-isolation", "--no-deps", "--editable", "."])
    # For an environment of the user's own, with another boto3, in which this checkout's app is synthesized.
    run([str(PYTHON), "-c", "from evs_entitlements import third_party; third_party.keep()"])
    begun.unlink()


def sound() -> bool:
    """Return whether the interpreter of the virtual environment runs and is of this very version."""
    with contextlib.suppress(OSError):
        script = "import sys; print(sys.version, sys.prefix)"
        done = subprocess.run([str(PYTHON), "-c", script], stdout=subprocess.PIPE, check=False)  # noqa: S603  our own command, no shell
        return done.stdout.decode().strip() == f"{sys.version} {VENV}"
    return False


def stamp(directory: Path) -> str:
    """Return what a directory was set up for."""
    path = directory / "set-up-for"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def fingerprint(names: list[str], *more: str) -> str:
    """Return a digest of files and words."""
    digest = hashlib.sha256("\n".join(more).encode())
    for name in names:
        digest.update((PROJECT / name).read_bytes())
    return digest.hexdigest()


def run(command: list[str]) -> None:
    """Run a command in the project; raise SetupError with its output when it fails."""
    environment = {**os.environ, "PATH": f"{VENV / 'bin'}:{os.environ.get('PATH', '')}"}
    # A PYTHONPATH or an active environment of the caller's would lead pip elsewhere.
    for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_USER", "PIP_TARGET", "PIP_PREFIX"):
        environment.pop(name, None)
    done = subprocess.run(  # noqa: S603  our own command, no shell
        command,
        cwd=str(PROJECT),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode != 0:
        output = done.stdout.decode(errors="replace").strip()
        raise SetupError(f"{' '.join(command)} ended with {done.returncode}:\n{output[-4000:]}")


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    """Say what is being done and how long it took."""
    sys.stderr.write(f"Setting up: {what} ... ")
    sys.stderr.flush()
    began = time.monotonic()
    try:
        yield
    except BaseException:
        sys.stderr.write("failed\n")
        raise
    sys.stderr.write(f"{time.monotonic() - began:.0f} s\n")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that ends with this process, whatever ends it."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            sys.stderr.write("Waiting for another set-up of this project ...\n")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main())
