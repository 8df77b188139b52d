"""PhysicalResourceIds. Pure. A contract: deployed stacks hold them, and the id of a set is its own proof.

An Update that answers another PhysicalResourceId is a replacement: CloudFormation sends a Delete for the old id, after
the whole stack update has succeeded. So an id that is computed from what is declared makes a declared set immutable,
and leaves the ordering to CloudFormation.
"""

import hashlib
import json
import re

from ..values import Connector, VmIds

_SET = re.compile(r"env-\w{10}/cnctr-\w{10}/[0-9a-f]{32}")
_FAILED = re.compile(r"failed-(\d+)-(.+)")


def set_id(logical_id: str, connector: Connector, vm_ids: VmIds) -> str:
    """Return the PhysicalResourceId of a declared set: the same set, the same id."""
    text = json.dumps([logical_id, str(connector), sorted(vm_ids, key=_by_length)])
    return f"{connector}/{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def _by_length(vm_id: str) -> tuple[int, str]:
    # Part of the id: this order never changes.
    return (len(vm_id), vm_id)


def is_set_id(physical_id: str) -> bool:
    """Tell whether an id has the form of `set_id`."""
    return _SET.fullmatch(physical_id) is not None


def failed_id(sequence: int, request_id: str) -> str:
    """Return the id of a Create that failed: no set ever has it."""
    return f"failed-{sequence}-{request_id}"


def failed_request(physical_id: str) -> tuple[int, str] | None:
    """Return sequence and request id of the failed Create whose id this is, or None."""
    match = _FAILED.fullmatch(physical_id)
    return (int(match[1]), match[2]) if match else None
