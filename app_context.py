"""What context values mean to app.py, and the words of a refusal.

Owns that a missing or wrong value is told by its own name and place; `app_names` has the names. Needs neither the CDK
nor the construct to be installed; what a VM id has to look like is asked of the construct's own module, by the caller.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

#: Beginning of the default name of the stack; the environment's id follows.
STACK_NAME = "EvsWindowsServerEntitlements"
#: Processors that Lambda has; the first one is the default.
ARCHITECTURES = ("arm64", "x86_64")
_TOPIC_ARN = re.compile(r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]+")
# CloudFormation's rule for the name of a stack.
_STACK_NAME_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}")


class Lock(Protocol):
    """What a lock says."""

    @property
    def environment_id(self) -> str:
        """EVS environment."""
        ...

    @property
    def connector_id(self) -> str:
        """Its connector."""
        ...

    @property
    def vm_ids(self) -> list[str]:
        """VMs."""
        ...


@dataclass(frozen=True)
class VmId:
    """An element of the list of VMs as it was given, and where, if it was in a file (`line 3 of vms.txt`)."""

    given: object
    place: str = ""


@dataclass(frozen=True)
class Settings:
    """The context values, each of the right type; ids are left for the construct to check."""

    environment_id: str
    connector_id: str
    vm_ids: list[VmId]
    vm_ids_name: str
    adopt_existing: bool
    retain: bool
    timeout_minutes: int
    stack_name: str
    architecture: str = "arm64"
    monitor: bool = False
    alarm_topic_arn: str | None = None


def read_settings(context: Callable[[str], object]) -> Settings:
    """Read the context values.

    Args:
        context: returns the value of a name, or None; a string when it comes from the command line.

    Raises:
        ValueError: a value is missing or wrong; the message names it.
    """
    environment_id = _required(context, "environmentId", "env-abcde12345")
    return Settings(
        environment_id=environment_id,
        connector_id=_required(context, "connectorId", "cnctr-abcde12345"),
        vm_ids=_vm_ids(context),
        vm_ids_name="vmIds" if context("vmIds") is not None else "vmIdsFile",
        adopt_existing=flag(context, "adoptExisting"),
        retain=flag(context, "retain"),
        timeout_minutes=_timeout_minutes(context),
        stack_name=stack_name(context, default_stack_name(environment_id)),
        architecture=architecture(context),
        monitor=flag(context, "monitor"),
        alarm_topic_arn=_topic_arn(context),
    )


def with_lock(context: Callable[[str], object], load: Callable[[str], Lock]) -> Callable[[str], object]:
    """Return the context with what the lock of `lockFile` says, where one is given.

    Args:
        context: returns the value of a name, or None.
        load: reads a lock.

    Raises:
        ValueError: the lock is not in order, or says otherwise than another context value.
    """
    path = context("lockFile")
    if path is None:
        return context
    for name in ("vmIds", "vmIdsFile"):
        if context(name) is not None:
            raise ValueError(f"lockFile and {name}: got both, expected one of them")
    lock = load(str(path))
    values = {"environmentId": lock.environment_id, "connectorId": lock.connector_id, "vmIds": lock.vm_ids}
    for name in ("environmentId", "connectorId"):
        if (given := context(name)) is not None and given != values[name]:
            raise ValueError(f"{name}: got {given!r}, expected {values[name]}, which {path} is made for, or nothing")
    return lambda name: values[name] if name in values else context(name)


def _topic_arn(context: Callable[[str], object]) -> str | None:
    value = context("alarmTopicArn")
    if value is None:
        return None
    if not _TOPIC_ARN.fullmatch(str(value)):
        raise ValueError(
            f"alarmTopicArn: got {value!r}, expected the ARN of an SNS topic, such as "
            "arn:aws:sns:eu-central-1:111122223333:on-call"
        )
    if not flag(context, "monitor"):
        raise ValueError("alarmTopicArn: got one without a monitor that could tell it anything: add -c monitor=true")
    return str(value)


def _required(context: Callable[[str], object], name: str, example: str) -> str:
    value = context(name)
    if value is None or value == "":
        raise ValueError(f"{name}: got nothing, expected a value: add -c {name}={example} or set it in cdk.json")
    return str(value)


def _vm_ids(context: Callable[[str], object]) -> list[VmId]:
    listed, file = context("vmIds"), context("vmIdsFile")
    if listed is not None and file is not None:
        raise ValueError("vmIds and vmIdsFile: got both, expected one of them")
    if isinstance(listed, list):
        return _some([VmId(element) for element in listed], "vmIds", "[]")
    if file is not None:
        return _vm_ids_of_file(Path(str(file)))
    given = _required(context, "vmIds", "vm-101,vm-102 (or -c vmIdsFile=vms.txt)")
    return _some([VmId(part.strip()) for part in given.split(",") if part.strip()], "vmIds", repr(given))


def _some(vm_ids: list[VmId], name: str, given: str) -> list[VmId]:
    if not vm_ids:
        raise ValueError(
            f"{name}: got {given}, which has no VM id, expected one or more; to entitle no VM at all: cdk destroy"
        )
    return vm_ids


def _vm_ids_of_file(path: Path) -> list[VmId]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        if isinstance(error, OSError):
            reason = error.strerror
        else:
            reason = "not a text file in UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise ValueError(f"vmIdsFile: got {str(path)!r} ({reason}), expected a file of VM ids, one a line") from error
    texts = {number: line.partition("#")[0].strip() for number, line in enumerate(lines, start=1)}
    found = [VmId(text, f"line {number} of {path}") for number, text in texts.items() if text]
    return _some(found, "vmIdsFile", repr(str(path)))


def flag(context: Callable[[str], object], name: str) -> bool:
    """Return a value that is true or false; false where none is given."""
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


def architecture(context: Callable[[str], object]) -> str:
    """Return the function's processor."""
    value = context("architecture")
    word = ARCHITECTURES[0] if value is None else str(value)
    if word not in ARCHITECTURES:
        raise ValueError(f"architecture: got {value!r}, expected {' or '.join(ARCHITECTURES)}")
    return word


def stack_name(context: Callable[[str], object], default: str) -> str:
    """Return the stack's name."""
    value = context("stackName")
    if value is None:
        return default
    name = str(value)
    if not _STACK_NAME_PATTERN.fullmatch(name):
        raise ValueError(f"stackName: got {name!r}, expected a string that matches {_STACK_NAME_PATTERN.pattern}")
    return name


def default_stack_name(environment_id: str) -> str:
    """Return the name that the stack has unless `stackName` says another: one stack for each environment.

    Under one name for all, a second environment's deployment would take the first one's entitlements away. A wrong id
    is told as such, later, and not as a wrong name.
    """
    return f"{STACK_NAME}-{environment_id}"
