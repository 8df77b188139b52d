"""The Pythons of this machine, for what has to be the same in each of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

#: Minor versions that the package is for. pyproject.toml has the same.
VERSIONS = ("3.11", "3.12", "3.13", "3.14")


def interpreter(version: str) -> str | None:
    """Find a Python of a minor version that runs: of a version that is not chosen, pyenv's command only fails."""
    if sys.version.startswith(f"{version}."):
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for found in (shutil.which(f"python{version}"), *map(str, sorted(pyenv.glob(f"{version}.*/bin/python")))):
        if found and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0:  # noqa: S603  no shell
            return found
    return None
