"""Entry point of `python -m tools.docs_site`: installs the generator when it is missing, and builds the site.

Owns the arguments and the installation. Never changes a page of the repository, except for `--write-options`.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

from tools.docs_site import command_options

PROJECT = Path(__file__).resolve().parents[2]
REQUIREMENTS = PROJECT / "requirements-docs.txt"


def main() -> int:
    """Build the site; return 0 when there was no warning."""
    parser = argparse.ArgumentParser(prog="python -m tools.docs_site", description="Build the documentation site.")
    parser.add_argument("--out", type=Path, default=PROJECT / "site", help="where to put it [site]")
    parser.add_argument(
        "--write-options", action="store_true", help="write the options of the command into docs/command.md; no site"
    )
    parser.add_argument("--set-up", action="store_true", help="install what is needed, and no more")
    arguments = parser.parse_args()
    if arguments.write_options:
        command_options.write()
        return 0
    install()
    if arguments.set_up:
        return 0
    # Not at the top: the generator is not part of the set-up.
    from tools.docs_site.build import build

    return build(arguments.out)


def install(requirements: Path = REQUIREMENTS) -> None:
    """Install what a file pins into the running virtual environment, unless these very pins are there.

    Args:
        requirements: the file; constraints.txt has the rest.

    Raises:
        SystemExit: pip failed; the message has its output.
    """
    # In the virtual environment, with which it goes.
    name = "-".join(requirements.relative_to(PROJECT).parts)
    installed = Path(sys.prefix) / f"{name}-set-up-for"
    pins = requirements.read_text(encoding="utf-8")
    # Tests that run side by side come here at the same time.
    with FileLock(f"{installed}.lock"):
        if installed.exists() and installed.read_text(encoding="utf-8") == pins:
            return
        sys.stderr.write(f"Setting up: {requirements.relative_to(PROJECT)} ...\n")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
        command = [*pip, "-c", str(PROJECT / "constraints.txt"), "-r", str(requirements)]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise SystemExit(f"error: {requirements.name} can't be installed: {done.stderr.strip()[-2000:]}")
        installed.write_text(pins, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
