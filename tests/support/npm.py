"""npm packages that a test needs, installed beside the checkout."""

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

from testing.cdk import PROJECT

#: What npm reads.
_PINS = ("package.json", "package-lock.json", ".npmrc")


def with_packages(source: Path, kept: Path, *files: str) -> Path:
    """Return a copy of a folder's files with its packages, installed once for its lock file; `source` stays as it is.

    Args:
        source: the folder with package.json and its lock file.
        kept: where the copies are, a folder for each lock file.
        files: names of further files to copy.
    """
    digest = hashlib.sha256((source / "package-lock.json").read_bytes()).hexdigest()[:12]
    folder = kept / digest
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        # Workers of one run share it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in (*files, *_PINS):
            shutil.copy(source / name, folder)
        if not (folder / "installed").exists():
            npm = [str(PROJECT / ".venv" / "bin" / "npm"), "ci", "--no-progress"]
            done = subprocess.run(npm, cwd=folder, capture_output=True, text=True, timeout=400)
            assert done.returncode == 0, done.stderr
            (folder / "installed").touch()
    return folder
