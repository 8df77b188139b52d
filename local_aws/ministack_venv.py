"""Sets up the virtual environment that ministack runs in: once, and again when the pins change."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

from filelock import FileLock

#: What belongs to the local AWS and not into git.
STATE = Path(__file__).resolve().parent.parent / ".local"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
_VENV = STATE / "ministack-venv"


class SetupError(RuntimeError):
    """The virtual environment could not be made; the message has pip's own words."""


def python() -> Path:
    """Return the interpreter that ministack runs in, set up if it isn't yet.

    pip is used as the machine has it configured.

    Raises
    ------
    SetupError
        The packages could not be installed.
    """
    STATE.mkdir(exist_ok=True)
    interpreter, stamp = _VENV / "bin" / "python", _VENV / "set-up-for"
    if not _is_current(stamp):
        with FileLock(STATE / "ministack-venv.lock"):
            if not _is_current(stamp):
                _make(interpreter)
                stamp.write_text(_wanted(), encoding="utf-8")
    return interpreter


def _wanted() -> str:
    """Return what the environment is made for: these pins, in this place, for this Python."""
    pins = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    return f"{pins} {sys.version_info[:3]} {_VENV}\n"


def _is_current(stamp: Path) -> bool:
    return stamp.exists() and stamp.read_text(encoding="utf-8") == _wanted()


def _make(interpreter: Path) -> None:
    venv.EnvBuilder(with_pip=True, clear=True, symlinks=True).create(_VENV)
    options = ["--quiet", "--disable-pip-version-check", "-r", str(REQUIREMENTS)]
    command = [str(interpreter), "-m", "pip", "install", *options]
    # The pinned packages, into an environment of their own; no shell.
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise SetupError(f"pip could not install {REQUIREMENTS.name}:\n{done.stderr.strip()[-2000:]}")
