"""The EVS service model for the function: the installed botocore's, cut down to what is called.

Owns which operations the function may know and how a botocore service model is trimmed. Never changes what
a kept operation or shape says, and never imports botocore: reading its files is all that synth needs.

Lambda's own boto3 may be older than the entitlement API (first in botocore 1.42.92), so the model travels
with the code. Trimmed it is a tenth of the original, which is less to unpack and to parse on each cold
start.
"""

import gzip
import json
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

#: The service's name in botocore, and its folder among the models.
SERVICE = "evs"
#: What the function calls; its IAM policy names the same three.
OPERATIONS = ("CreateEntitlement", "DeleteEntitlement", "ListVmEntitlements")
#: First botocore whose EVS model has these operations.
BOTOCORE_WITH_ENTITLEMENTS = "1.42.92"


def staged_files(data: Path | None = None) -> dict[str, bytes]:
    """Return the model files for the function.

    They are plain JSON though botocore ships them gzipped: botocore reads both, and a compressed file's
    bytes, and with them the hash of the asset, differ from one zlib to another.

    Args:
        data: botocore's folder of models; the installed one when left out.

    Returns:
        Path below the folder of models (`evs/2023-07-27/service-2.json`) -> content.

    Raises:
        RuntimeError: botocore is not installed or too old to have the entitlement operations.
    """
    folder = _newest_version(data or _installed_data())
    service = _read(folder, "service-2")
    missing = [name for name in OPERATIONS if name not in service["operations"]]
    if missing:
        raise RuntimeError(_too_old(f"its EVS model has no {', '.join(missing)}"))
    pages = _read(folder, "paginators-1")["pagination"]
    files = {
        "service-2": trimmed(service),
        "endpoint-rule-set-1": _read(folder, "endpoint-rule-set-1"),
        "paginators-1": {"pagination": {name: page for name, page in pages.items() if name in OPERATIONS}},
    }
    return {
        f"{SERVICE}/{folder.name}/{name}.json": json.dumps(content, separators=(",", ":")).encode()
        for name, content in files.items()
    }


def trimmed(service: dict[str, Any]) -> dict[str, Any]:
    """Return a service model with OPERATIONS only, the shapes they reach, all errors, and no documentation.

    Errors stay even where no operation lists them: a service may answer with any of its errors, and
    botocore parses the members of those that it knows.
    """
    operations = {name: operation for name, operation in service["operations"].items() if name in OPERATIONS}
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


def _newest_version(data: Path) -> Path:
    # API versions are dates, so that the greatest name is the newest, as botocore itself has it.
    versions = sorted(folder for folder in (data / SERVICE).glob("*") if folder.is_dir())
    if not versions:
        raise RuntimeError(_too_old("it has no EVS model"))
    return versions[-1]


def _read(folder: Path, name: str) -> Any:
    compressed = folder / f"{name}.json.gz"
    if compressed.exists():
        return json.loads(gzip.decompress(compressed.read_bytes()))
    return json.loads((folder / f"{name}.json").read_bytes())


def _too_old(finding: str) -> str:
    try:
        installed = version("botocore")
    except PackageNotFoundError:
        installed = "of unknown version"
    return (
        f"the installed botocore {installed} cannot serve for the function's code: {finding}; "
        f"install boto3>={BOTOCORE_WITH_ENTITLEMENTS} where the CDK app runs"
    )
