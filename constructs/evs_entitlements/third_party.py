"""What the function's code is made of beside this project's own: crhelper, and service models of botocore's.

Owns the pins, and that the same version of this package always has the same bytes. The build of the wheel stages
crhelper and the models into it. So it does not matter which boto3 is installed where an app is synthesized: otherwise
each colleague's deployment would change the function. In a checkout they are made of the installed packages, which have
to be the pinned ones, or of what an earlier set-up of the checkout has kept.

Imports no CDK: the build of the wheel has none.
"""

import hashlib
import shutil
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from evs_entitlements import service_model

#: The versions that the code of the function is made of. `pyproject.toml` and `constraints.txt` have the same.
PINS = {"botocore": "1.44.5", "crhelper": "2.0.12"}
#: The folder within this package in a wheel.
STAGED = "staged"
#: Folder of the service models.
MODELS = "models"
_HERE = Path(__file__).resolve().parent


def files() -> dict[str, bytes]:
    """Return them as path in the asset -> content.

    Raises:
        RuntimeError: this is a checkout, other versions than the pinned ones are installed, and none are kept.
    """
    staged, kept = _HERE / STAGED, _kept()
    if not staged.is_dir() and (_is_pinned() or not kept.is_dir()):
        return made_of_installed()
    folder = staged if staged.is_dir() else kept
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if is_code(path)}


def made_of_installed() -> dict[str, bytes]:
    """Make them of the installed packages.

    Raises:
        RuntimeError: other versions than the pinned ones are installed.
    """
    if not _is_pinned():
        wrong = [f"{name} {_installed(name)}" for name in PINS if _installed(name) != PINS[name]]
        pinned = " and ".join(f"{name} {number}" for name, number in PINS.items())
        raise RuntimeError(
            f"got {' and '.join(wrong)}, expected {pinned}, which the function's code is made of: run `make set-up` in "
            "the checkout of evs-entitlements once, or install its wheel, which brings them along"
        )
    models = {f"{MODELS}/{name}": content for name, content in service_model.staged_files().items()}
    spec = find_spec("crhelper")
    assert spec is not None and spec.origin is not None  # noqa: S101, PT018  its version was found
    return sources(Path(spec.origin).parent) | models


def keep() -> None:
    """Keep them for a checkout into whose environment another boto3 is installed later."""
    found = made_of_installed()
    shutil.rmtree(_kept(), ignore_errors=True)
    write(found, _kept())


def _kept() -> Path:
    """Return where a checkout keeps them: by the pins, and by what cuts the models down."""
    cut = hashlib.sha256((_HERE / "service_model.py").read_bytes()).hexdigest()[:12]
    return _HERE.parent.parent / ".local" / "-".join(["staged", *PINS.values(), cut])


def write(found: dict[str, bytes], folder: Path) -> None:
    """Write files below a folder."""
    for name, content in sorted(found.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def sources(package: Path) -> dict[str, bytes]:
    """Return the .py files of a package; stubs, markers and caches mean nothing to Lambda.

    Line ends are those of the repository, also where a checkout on Windows has others.
    """
    return {
        path.relative_to(package.parent).as_posix(): path.read_bytes().replace(b"\r\n", b"\n")
        for path in package.rglob("*.py")
        if is_code(path)
    }


def is_code(path: Path) -> bool:
    """Tell whether a path is a file that goes into the asset."""
    return path.is_file() and "__pycache__" not in path.parts


def _is_pinned() -> bool:
    return all(_installed(name) == number for name, number in PINS.items())


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
