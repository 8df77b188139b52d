"""The service models for the function: the installed botocore's, cut down to what is called.

Owns which operations the function may know and how botocore's models are trimmed. Never changes what a
kept operation, shape or endpoint says, and never imports botocore: reading its files is all that synth needs.

Lambda's own boto3 may be older than the entitlement API (first in botocore 1.42.92), so its model travels
with the code. Those of the other services do because a cold start spends its time on reading them: whole,
they are up to a thousand times as long.
"""

import functools
import gzip
import json
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

#: The service's name in botocore, and its folder among the models.
SERVICE = "evs"
#: What the function calls; its IAM policy names the same.
OPERATIONS = ("CreateEntitlement", "DeleteEntitlement", "ListEnvironmentConnectors", "ListVmEntitlements")
#: All that is called, by service: what the models are cut down to.
CALLED = {
    SERVICE: OPERATIONS,
    "dynamodb": ("GetItem", "PutItem", "UpdateItem"),
    "lambda": ("Invoke",),
    "events": ("PutEvents",),
    "cloudformation": ("DescribeStackEvents", "DescribeStackResource", "DescribeStacks"),
}
#: First botocore whose EVS model has these operations.
BOTOCORE_WITH_ENTITLEMENTS = "1.42.92"


def staged_files(data: Path | None = None) -> dict[str, bytes]:
    """Return the model files for the function.

    They are plain JSON though botocore ships them gzipped: botocore reads both, and a compressed file's
    bytes, and with them the hash of the asset, differ from one zlib to another.

    Args:
        data: botocore's folder of models; the installed one when left out.

    Returns:
        Path below the folder of models (`evs/2023-07-27/service-2.json`, `endpoints.json`) -> content.

    Raises:
        RuntimeError: botocore is not installed or too old to have the entitlement operations.
    """
    return dict(_staged_files(data or _installed_data()))


@functools.cache
def _staged_files(data: Path) -> dict[str, bytes]:
    """Return what `staged_files` does, read once in a process: each stack of an app stages it."""
    files = {}
    for service, operations in CALLED.items():
        folder = _newest_version(data, service)
        path = f"{service}/{folder.name}"
        model = _read(folder, "service-2")
        missing = [name for name in operations if name not in model["operations"]]
        if missing:
            raise RuntimeError(_too_old(f"its {_called(service)} model has no {', '.join(missing)}"))
        files[f"{path}/service-2"] = trimmed(model, operations)
        files[f"{path}/endpoint-rule-set-1"] = _read(folder, "endpoint-rule-set-1")
    files["endpoints"] = trimmed_endpoints(_read(data, "endpoints"))
    return {f"{name}.json": json.dumps(content, separators=(",", ":")).encode() for name, content in files.items()}


def trimmed_endpoints(endpoints: dict[str, Any]) -> dict[str, Any]:
    """Return the table of endpoints with the services of CALLED only.

    botocore reads it, all 1.2 MB, for each session, and then goes by the services' own rules.
    """
    partitions = [
        {**partition, "services": {name: entry for name, entry in partition["services"].items() if name in CALLED}}
        for partition in endpoints["partitions"]
    ]
    return {**endpoints, "partitions": partitions}


def trimmed(service: dict[str, Any], called: tuple[str, ...] = OPERATIONS) -> dict[str, Any]:
    """Return a service model with the operations `called` only, what they reach, all errors, no documentation.

    Errors stay even where no operation lists them: a service may answer with any of its errors, and
    botocore parses the members of those that it knows.
    """
    operations = {name: operation for name, operation in service["operations"].items() if name in called}
    shapes: dict[str, Any] = service["shapes"]
    pending = [name for name, shape in shapes.items() if shape.get("exception")]
    pending += _shape_references(operations)
    reached: set[str] = set()
    while pending:
        name = pending.pop()
        if name not in reached:
            reached.add(name)
            pending += _shape_references(shapes[name])
    kept = {
        "version": service["version"],
        "metadata": service["metadata"],
        "operations": operations,
        "shapes": {name: shape for name, shape in shapes.items() if name in reached},
    }
    result: dict[str, Any] = _without_documentation(kept)
    return result


def _shape_references(node: Any) -> list[str]:
    """Return the names of the shapes that a part of a model refers to."""
    if isinstance(node, list):
        return [name for element in node for name in _shape_references(element)]
    if not isinstance(node, dict):
        return []
    # A member may itself be called "shape"; then the value is a reference, not a name.
    own = [node["shape"]] if isinstance(node.get("shape"), str) else []
    return own + [name for value in node.values() for name in _shape_references(value)]


def _without_documentation(node: Any) -> Any:
    if isinstance(node, list):
        return [_without_documentation(element) for element in node]
    if not isinstance(node, dict):
        return node
    # Only texts: a member that is called "documentation" is described by a dict.
    return {
        key: _without_documentation(value)
        for key, value in node.items()
        if not (key == "documentation" and isinstance(value, str))
    }


def _installed_data() -> Path:
    spec = find_spec("botocore")
    if spec is None or spec.origin is None:
        raise RuntimeError(
            f"botocore is not installed; install boto3>={BOTOCORE_WITH_ENTITLEMENTS} where the CDK app runs"
        )
    return Path(spec.origin).parent / "data"


def _newest_version(data: Path, service: str) -> Path:
    # API versions are dates, so that the greatest name is the newest, as botocore itself has it.
    versions = sorted(folder for folder in (data / service).glob("*") if folder.is_dir())
    if not versions:
        raise RuntimeError(_too_old(f"it has no {_called(service)} model"))
    return versions[-1]


def _read(folder: Path, name: str) -> Any:
    compressed = folder / f"{name}.json.gz"
    if compressed.exists():
        return json.loads(gzip.decompress(compressed.read_bytes()))
    return json.loads((folder / f"{name}.json").read_bytes())


def _called(service: str) -> str:
    return service.upper() if service == SERVICE else service


def _too_old(finding: str) -> str:
    try:
        installed = version("botocore")
    except PackageNotFoundError:
        installed = "of unknown version"
    return (
        f"the installed botocore {installed} cannot serve for the function's code: {finding}; "
        f"install boto3>={BOTOCORE_WITH_ENTITLEMENTS} where the CDK app runs"
    )
