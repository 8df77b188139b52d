"""The code of a stored version's function, rebuilt from the git commit that the version names.

Owns how it is rebuilt: that commit's own staging code stages it, with that commit's pins. The code is not stored
itself, since copies of other projects do not belong in git. Where git does not have the commit, as in a source archive
or a shallow clone, the working tree's code stands in for it, and `StoredCode.source` says so.
"""

import functools
import hashlib
import importlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

from filelock import FileLock

from evs_entitlements.lambda_code import stage_code
from testing.cdk import PROJECT

from .versions import Version

#: What the function's code and the templates come of.
SHIPPED = ("constructs/evs_entitlements", "lambda_handler", "fleet/evs_health")
#: Where rebuilt code is kept, by commit.
_KEPT = PROJECT / ".local" / "upgrade"
_STAGE = "import sys, pathlib; from evs_entitlements import lambda_code as c; c.stage_code(pathlib.Path(sys.argv[1]))"
_ABSOLUTE = re.compile(r"^( *(?:from|import) )(evs_health|lambda_handler)\b", re.MULTILINE)
#: Seconds for one step.
_LIMIT = 300.0


@dataclass(frozen=True)
class StoredCode:
    """The code of a version's function.

    Attributes
    ----------
    folder
        Holds the code as Lambda unpacks it.
    source
        What it was rebuilt from.
    is_genuine
        Whether it was rebuilt from the version's commit.
    """

    version: Version
    folder: Path
    source: str
    is_genuine: bool

    def modules(self) -> ModuleType:
        """Import the code beside the working tree's, and return its `lambda_handler.invocation`.

        The copy that is imported lies in a package of its own; its absolute imports are led there.
        """
        name = f"stored_{re.sub(r'[^0-9a-z]', '_', self.version.number)}_{digest(self.folder)[:12]}"
        into = _KEPT / "importable"
        into.mkdir(parents=True, exist_ok=True)
        with FileLock(into / f"{name}.lock"):
            if not (into / name).exists():
                _write_importable(self.folder, into / name)
        if str(into) not in sys.path:
            sys.path.append(str(into))
        return importlib.import_module(f"{name}.lambda_handler.invocation")


@functools.cache
def stored_code(version: Version) -> StoredCode:
    """Return a version's code, rebuilt if need be.

    Raises
    ------
    RuntimeError
        The commit is there, and its code can't be rebuilt.
    """
    if not is_in_git(version.commit):
        folder = _staged_working_tree()
        source = f"the working tree: git does not have commit {version.commit[:12]}"
        return StoredCode(version, folder, source, is_genuine=False)
    kept = _KEPT / version.commit
    kept.mkdir(parents=True, exist_ok=True)
    with FileLock(kept / "lock"):
        if not (kept / "done").exists():
            _rebuild(version, kept)
            (kept / "done").touch()
    return StoredCode(version, kept / "code", f"commit {version.commit[:12]}", is_genuine=True)


def is_in_git(commit: str) -> bool:
    """Tell whether git has a commit here."""
    if shutil.which("git") is None:
        return False
    command = ["git", "-C", str(PROJECT), "cat-file", "-e", f"{commit}^{{commit}}"]
    return subprocess.run(command, capture_output=True).returncode == 0


def digest(folder: Path) -> str:
    """Return the digest of a folder of code: of names and contents alone."""
    found = hashlib.sha256()
    files = [path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    for path in sorted(files, key=lambda path: path.relative_to(folder).as_posix()):
        content = path.read_bytes()
        found.update(f"{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode() + content)
    return found.hexdigest()


def _staged_working_tree() -> Path:
    _KEPT.mkdir(parents=True, exist_ok=True)
    with FileLock(_KEPT / "working-tree.lock"):
        stage_code(_KEPT / "unfinished")
        folder = _KEPT / f"working-tree-{digest(_KEPT / 'unfinished')[:12]}"
        if not folder.exists():
            (_KEPT / "unfinished").rename(folder)
    return folder


def _rebuild(version: Version, into: Path) -> None:
    source = into / "source"
    for folder in (source, into / "code", into / "pins"):
        shutil.rmtree(folder, ignore_errors=True)
    archive = _run("git", "-C", str(PROJECT), "archive", version.commit, *SHIPPED)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(source, filter="data")
    paths = [str(source / "constructs"), str(source / "fleet")]
    if wanted := [f"{name}=={number}" for name, number in version.pins.items() if _installed(name) != number]:
        _run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(into / "pins"), *wanted)
        paths.insert(0, str(into / "pins"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    _run(sys.executable, "-c", _STAGE, str(into / "code"), environment=environment, folder=source)


def _run(*command: str, environment: dict[str, str] | None = None, folder: Path = PROJECT) -> bytes:
    done = subprocess.run(command, capture_output=True, env=environment, cwd=folder, timeout=_LIMIT)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:4])} ...: {done.stderr.decode(errors='replace')[-2000:]}")
    return done.stdout


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _write_importable(code: Path, into: Path) -> None:
    unfinished = into.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    for package in ("lambda_handler", "evs_health"):
        for path in (code / package).rglob("*.py"):
            copy = unfinished / path.relative_to(code)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(_ABSOLUTE.sub(rf"\1{into.name}.\2", path.read_text()))
    (unfinished / "__init__.py").touch()
    unfinished.rename(into)
