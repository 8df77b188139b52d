"""Builds the wheel and installs it into an empty environment, as a user would.

Owns how: for the check of a release and for the tests alike. Installs nothing into the project's own environment.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
#: The time of all files in wheel and sdist, in seconds since 1970: hatchling's own default. So the bytes depend on the
#: tree alone, whoever builds them by whatever front end, and not on the time of a commit or a setting of the shell.
EPOCH = "1580601600"
_LIMIT = 900.0


class CommandError(Exception):
    """A command failed; the message has its name and the end of what it printed."""


def build(source: Path, into: Path, python: str = sys.executable) -> list[Path]:
    """Build wheel and sdist of a tree into a folder, and return them.

    Raises:
        CommandError: the build failed.
    """
    run([python, "-m", "hatchling", "build", "-d", str(into)], cwd=source, SOURCE_DATE_EPOCH=EPOCH)
    return sorted(into.glob("evs_entitlements-*"))


def install(wheel: Path, folder: Path, *requirements: str, constraints: Path | None = None) -> Path:
    """Make an environment that has the wheel, what it needs, and nothing else: no pip either.

    Args:
        wheel: the file.
        folder: where the environment is made.
        requirements: more to install, such as `aws-cdk-lib==2.252.0`.
        constraints: a file of pins.

    Returns:
        The environment's Python.

    Raises:
        CommandError: something could not be installed.
    """
    venv.EnvBuilder(clear=True, symlinks=True).create(folder)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--disable-pip-version-check"]
    pinned = ["-c", str(constraints)] if constraints else []
    # Uncompiled: a minute is lost on modules of aws_cdk that nobody imports.
    run([*pip, "--no-compile", *pinned, str(wheel), *requirements], cwd=folder)
    # Where the wheel was on this machine is nobody's business.
    for path in folder.glob("lib/python*/site-packages/evs_entitlements-*.dist-info/direct_url.json"):
        path.unlink()
    return python


def copy_tracked(into: Path) -> None:
    """Copy the files that git knows, as they are now.

    Raises:
        CommandError: this is no clone of git.
    """
    for name in run(["git", "ls-files", "-z"], cwd=PROJECT).rstrip("\0").split("\0"):
        if (PROJECT / name).is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(PROJECT / name, into / name)


def run(command: list[str], cwd: Path, **variables: str) -> str:
    """Run a command without the caller's settings for Python; return what it wrote to stdout.

    Raises:
        CommandError: it failed.
    """
    unwanted = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_USER", "PIP_TARGET", "PIP_PREFIX", "CDK_OUTDIR")
    environment = {name: value for name, value in os.environ.items() if name not in unwanted} | variables
    done = subprocess.run(  # noqa: S603  our own command, no shell
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_LIMIT,
        check=False,
    )
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise CommandError(f"{Path(command[0]).name} {' '.join(command[1:4])} ended with {done.returncode}: {said}")
    return done.stdout
