"""What the user asks for: the command line of a run, and its checks. Calls nothing."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import acceptance
from acceptance.assumptions import PARTS, Part
from acceptance.errors import AcceptanceError

#: Where runs write, beside everything else of this machine alone.
DIRECTORY = Path(__file__).resolve().parent.parent / ".local" / "acceptance"
#: Patterns of the EVS API. The construct has them, too; but to import that starts Node.
_ENVIRONMENT, _CONNECTOR, _VM = r"env-[a-zA-Z0-9]{10}", r"cnctr-[a-zA-Z0-9]{10}", r"vm-[0-9]+"


@dataclass(frozen=True)
class Options:
    """The command line.

    Attributes:
        parts: of the run, in their order.
        cleans_up: whether to clean up after former runs, and do nothing else.
        directory: where runs write.
    """

    environment: str
    vm: str
    second: str | None
    connector: str | None
    parts: tuple[Part, ...]
    is_sure: bool
    cleans_up: bool
    directory: Path
    profile: str | None = None
    region: str | None = None


def read(arguments: Sequence[str] | None) -> Options:
    """Read the command line.

    Raises:
        AcceptanceError: a value is missing or malformed.
        SystemExit: argparse's own refusals, and --help.
    """
    parser = argparse.ArgumentParser(
        prog="python -m acceptance",
        description=acceptance.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--environment", default="", help="EVS environment, such as env-abcde12345")
    parser.add_argument("--vm", default="", help="a VM without an entitlement, such as vm-101")
    parser.add_argument("--vm2", default="", help="another one: then one VM stays while the other comes and goes")
    parser.add_argument("--connector", default="", help="default: the environment's connector of type VCENTER")
    parser.add_argument("--only", default="", metavar="PART,...", help=f"parts of it: {', '.join(PARTS)}")
    parser.add_argument("--yes", action="store_true", help="do not ask before it begins")
    parser.add_argument("--clean-up", action="store_true", help="clean up after a run that was killed; nothing else")
    parser.add_argument("--directory", type=Path, default=DIRECTORY, help="where runs write; default .local/acceptance")
    parser.add_argument("--profile", default=None, help="profile of the AWS configuration; default: the shell's")
    parser.add_argument("--region", default=None, help="AWS region; default: as the shell or the profile has it")
    given = parser.parse_args(arguments)
    if not given.clean_up:
        _check("--environment", given.environment, _ENVIRONMENT, "env-abcde12345")
        _check("--vm", given.vm, _VM, "vm-101")
        if given.connector:
            _check("--connector", given.connector, _CONNECTOR, "cnctr-abcde12345")
        if given.vm2:
            _check("--vm2", given.vm2, _VM, "vm-102")
        if given.vm2 == given.vm:
            raise AcceptanceError(f"--vm2: got {given.vm2}, which is --vm, expected another VM")
    return Options(
        given.environment,
        given.vm,
        given.vm2 or None,
        given.connector or None,
        _parts(given.only),
        given.yes,
        given.clean_up,
        given.directory,
        given.profile,
        given.region,
    )


def _check(name: str, value: str, pattern: str, example: str) -> None:
    if not re.fullmatch(pattern, value):
        got = repr(value) if value else "nothing"
        variable = name.removeprefix("--").upper()
        raise AcceptanceError(f"{name}: got {got}, expected an id such as {example} (of make: {variable}={example})")


def _parts(only: str) -> tuple[Part, ...]:
    wanted = [name.strip() for name in only.split(",") if name.strip()]
    if unknown := [name for name in wanted if name not in PARTS]:
        raise AcceptanceError(f"--only: got {', '.join(unknown)}, expected one or more of {', '.join(PARTS)}")
    return tuple(part for part in PARTS if not wanted or part in wanted)
