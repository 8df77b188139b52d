"""Stages the code of the function: this project's handler, crhelper and the service models.

Owns what is in the asset, and that its bytes depend on the version of this package alone: the same on every machine,
with whatever boto3, Python and umask. Never runs Docker or pip, never imports what it stages, and never writes anywhere
but into the cloud assembly's folder.

Comments and docstrings of this project's own code stay behind: they were a quarter of the zip.

AWS_DATA_PATH is not set on the function: the handler finds `models/` beside itself, so that the asset works
from whatever folder it is unpacked into.
"""

import os
import shutil
from pathlib import Path

from aws_cdk import Stack, Stage
from aws_cdk.aws_lambda import AssetCode, Code

from evs_entitlements import plain_code, third_party

#: The function's handler, as Lambda names it.
HANDLER = "lambda_handler.main.handler"
# Under the cloud assembly rather than a temporary folder: with asset staging switched off, the CDK CLI
# reads the source after this process has ended.
_STAGING_FOLDER = "evs-entitlements-code"
# Any fixed time will do. A zip cannot hold one before 1980.
_MTIME = 315_619_200


def lambda_code(stack: Stack) -> AssetCode:
    """Stage the function's code into the cloud assembly of `stack`.

    Raises:
        RuntimeError: something that the code is made of is not there, or of another version.
    """
    stage = Stage.of(stack)
    if stage is None:
        raise RuntimeError(f"{stack.node.path}: got a stack outside of an App or Stage, expected one inside")
    destination = Path(stage.outdir) / _STAGING_FOLDER
    stage_code(destination)
    return Code.from_asset(str(destination))


def stage_code(destination: Path) -> None:
    """Write the function's code to `destination`, which is emptied first.

    Permissions and times are fixed: they would otherwise follow the umask and the hour of the checkout into
    the zip.

    Raises:
        RuntimeError: something that the code is made of is not there, or of another version.
    """
    # All is read before anything is written, so that an error leaves no half of an asset behind.
    files = staged_files()
    shutil.rmtree(destination, ignore_errors=True)
    for name, content in sorted(files.items()):
        path = destination / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    for path in [destination, *destination.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (_MTIME, _MTIME))


def staged_files() -> dict[str, bytes]:
    """Return the asset as path -> content.

    Raises:
        RuntimeError: something that the code is made of is not there, or of another version.
    """
    own = third_party.sources(_own_package("lambda_handler", ".")) | third_party.sources(
        _own_package("evs_health", "fleet")
    )
    # Others' code stays as they wrote it.
    return {name: plain_code.plain(content) for name, content in own.items()} | third_party.files()


def _own_package(name: str, folder: str) -> Path:
    # By its place relative to this file, not by its name: a CDK app may well have a `lambda_handler` of its
    # own, which would come first on the import path. When installed it is in this package or beside it, in the
    # source tree in a folder of the project.
    here = Path(__file__).resolve().parent
    for parent in (here, here.parent, here.parent.parent / folder):
        package = parent / name
        if (package / "__init__.py").exists():
            return package
    raise RuntimeError(f"{name}: not found beside {here}; install evs-entitlements anew")
