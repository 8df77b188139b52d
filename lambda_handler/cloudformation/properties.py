"""ResourceProperties -> a validated value, or an error that says what to fix. Pure.

Owns the shape of the custom resource's properties. The patterns are those of the EVS API reference (EnvironmentId,
ConnectorId and VmId of CreateEntitlement). CloudFormation hands every scalar over as a string.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import Failure
from ..text import some
from ..values import Connector, VmIds

ENVIRONMENT_ID = re.compile(r"env-[a-zA-Z0-9]{10}")
CONNECTOR_ID = re.compile(r"cnctr-[a-zA-Z0-9]{10}")
VM_ID = re.compile(r"vm-[0-9]+")
#: The longest VmId that the EVS API takes, in characters.
VM_ID_LENGTH = 1024
#: CloudFormation's default and maximum for a custom resource's ServiceTimeout, in seconds.
SERVICE_TIMEOUT = 3600

RemovalPolicy = Literal["DESTROY", "RETAIN"]


@dataclass(frozen=True)
class Properties:
    """What a user declared.

    Attributes:
        connector: EnvironmentId and ConnectorId.
        vm_ids: VmIds, each once.
        adopt_existing: AdoptExisting: entitlements that exist already become the stack's own.
        removal_policy: RemovalPolicy: what becomes of the entitlements when the resource is deleted.
    """

    connector: Connector
    vm_ids: VmIds
    adopt_existing: bool = False
    removal_policy: RemovalPolicy = "DESTROY"

    @classmethod
    def parse(cls, given: dict[str, Any]) -> "Properties":
        """Validate ResourceProperties.

        Raises:
            Failure: names the property, what came and what is due.
        """
        return cls(
            Connector(
                _identifier(given, "EnvironmentId", ENVIRONMENT_ID),
                _identifier(given, "ConnectorId", CONNECTOR_ID),
            ),
            _vm_ids(given),
            _boolean(given, "AdoptExisting"),
            _removal_policy(given),
        )


def service_timeout(given: dict[str, Any]) -> int:
    """Return ServiceTimeout in seconds: CloudFormation passes it on among the properties where it is set."""
    try:
        seconds = int(given.get("ServiceTimeout", SERVICE_TIMEOUT))
    except (TypeError, ValueError):
        return SERVICE_TIMEOUT
    return min(max(seconds, 1), SERVICE_TIMEOUT)


def _identifier(given: dict[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    value = given.get(name)
    if value is None:
        raise Failure(f"{name} is missing: expected {pattern.pattern}")
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise Failure(f"{name}: got {_shown(value)}, expected {pattern.pattern}")
    return value


def _boolean(given: dict[str, Any], name: str) -> bool:
    value = given.get(name, "false")
    text = str(value).strip().lower()
    if not isinstance(value, (str, bool)) or text not in ("true", "false"):
        raise Failure(f"{name}: got {_shown(value)}, expected true or false")
    return text == "true"


def _removal_policy(given: dict[str, Any]) -> RemovalPolicy:
    value = given.get("RemovalPolicy", "DESTROY")
    text = value.strip().upper() if isinstance(value, str) else ""
    if text == "RETAIN":
        return "RETAIN"
    if text == "DESTROY":
        return "DESTROY"
    raise Failure(f"RemovalPolicy: got {_shown(value)}, expected DESTROY or RETAIN")


def _vm_ids(given: dict[str, Any]) -> VmIds:
    value = given.get("VmIds")
    if value is None:
        raise Failure(f"VmIds is missing: expected a list of one or more {VM_ID.pattern}")
    if not isinstance(value, (list, tuple)):
        raise Failure(f"VmIds: got {_shown(value)}, expected a list of one or more {VM_ID.pattern}")
    vm_ids = list(_flat(value))
    if not vm_ids:
        raise Failure(f"VmIds: got an empty list, expected one or more {VM_ID.pattern}")
    wrong = [vm_id for vm_id in vm_ids if not _is_vm_id(vm_id)]
    if wrong:
        shown = some([_shown(vm_id) for vm_id in wrong], sort=False)
        raise Failure(f"VmIds: got {shown}, expected {VM_ID.pattern} (the managed object id that vCenter gives a VM)")
    return frozenset(vm_ids)


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    """Yield the ids of a list that may hold other lists, blanks, and strings with commas.

    A list that was itself a token arrives nested in the list of a stack's declared VMs. A StringList of Parameter Store
    arrives as one string with commas, since CloudFormation splits before it resolves; a blank one as an empty string.
    """
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from _flat(value)
        elif isinstance(value, str):
            yield from (stripped for part in value.split(",") if (stripped := part.strip(" \t")))
        else:
            yield value


def _is_vm_id(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= VM_ID_LENGTH and VM_ID.fullmatch(value) is not None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:76]}...{text[-1]}"
