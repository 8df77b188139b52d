"""The EVS API's form, read from botocore's own service model: what a request may be, what an answer holds.

The model is the only place that knows names, types, patterns and limits. botocore checks types and
required members on the client; a service also checks patterns, enums and upper limits, so both are done here.
Nothing here knows entitlements.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from botocore.loaders import Loader
from botocore.model import ListShape, ServiceModel, Shape, StructureShape
from botocore.validate import ParamValidator

from local_aws.evs_api.errors import COMMON, MODELLED, ApiError, validation

#: The operations that are served. Others of the model are refused as not served here.
OPERATIONS = (
    "CreateEntitlement",
    "DeleteEntitlement",
    "GetEnvironment",
    "ListEnvironmentConnectors",
    "ListEnvironments",
    "ListVmEntitlements",
)


@functools.cache
def service_model() -> ServiceModel:
    """Return botocore's model of Amazon EVS."""
    return ServiceModel(_description(), "evs")


@functools.cache
def _description() -> Any:
    return Loader().load_service_model("evs", "service-2")


def parse_target(target: str | None) -> str:
    """Return the operation that an ``X-Amz-Target`` header names.

    Raises
    ------
    ApiError
        UnknownOperationException, as AWS answers what its model doesn't have.
    """
    prefix, _, operation = (target or "").partition(".")
    if prefix != service_model().metadata["targetPrefix"] or operation not in OPERATIONS:
        raise ApiError("UnknownOperationException", f"operation {operation or target!r} is not served here")
    return operation


def parse_request(operation: str, body: bytes) -> dict[str, Any]:
    """Return a call's members, checked against the operation's input shape.

    Members that the shape doesn't have are dropped, as AWS does for clients that are newer than the service.

    Raises
    ------
    ApiError
        SerializationException when the body is no JSON object, ValidationException when a member is wrong.
    """
    try:
        given = json.loads(body or b"{}")
    except ValueError as error:
        raise ApiError("SerializationException", f"the body is no JSON: {error}")
    if not isinstance(given, dict):
        raise ApiError("SerializationException", "the body is no JSON object")
    shape = service_model().operation_model(operation).input_shape
    members = {name: value for name, value in given.items() if name in shape.members and value is not None}
    report = ParamValidator().validate(members, shape)
    if report.has_errors():
        text = report.generate_report()
        raise validation(text, *[(_field_of(line), line) for line in text.splitlines()])
    problems = list(_problems(shape, members, ""))
    if problems:
        detail = "; ".join(f"{text} at '{name}'" for name, text in problems)
        count = len(problems)
        raise validation(f"{count} validation error{'s' * (count > 1)} detected: {detail}", *problems)
    return members


def _field_of(line: str) -> str:
    """Return the member that a line of botocore's report is about."""
    missing = re.search(r'"(\w+)"$', line)
    named = re.search(r"parameter (\w+)", line)
    return missing[1] if missing else named[1] if named else "input"


def _problems(shape: Shape, value: Any, name: str) -> Iterator[tuple[str, str]]:
    """Yield (member, what is wrong) for what botocore's client-side check leaves unchecked."""
    if isinstance(shape, StructureShape):
        for member, inner in value.items():
            yield from _problems(shape.members[member], inner, f"{name}.{member}".lstrip("."))
    elif isinstance(shape, ListShape):
        yield from _out_of_range(shape, len(value), name, "length")
        for index, inner in enumerate(value):
            yield from _problems(shape.member, inner, f"{name}.{index}")
    elif shape.type_name == "string":
        yield from _string_problems(shape, value, name)
    elif shape.type_name == "integer":
        yield from _out_of_range(shape, value, name, "value")


def _string_problems(shape: Any, value: str, name: str) -> Iterator[tuple[str, str]]:
    shown = value if len(value) <= 64 else value[:61] + "..."
    # botocore's Shape leaves the pattern out of its metadata, so it is read from the model's own text.
    pattern = _description()["shapes"][shape.name].get("pattern")
    if shape.enum and value not in shape.enum:
        yield name, f"value '{shown}' is none of [{', '.join(shape.enum)}]"
    elif pattern and not re.fullmatch(pattern, value):
        yield name, f"value '{shown}' does not match the pattern {pattern}"
    else:
        yield from _out_of_range(shape, len(value), name, "length")


def _out_of_range(shape: Any, number: int, name: str, what: str) -> Iterator[tuple[str, str]]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and number < low:
        yield name, f"{what} {number} is less than {low}"
    if high is not None and number > high:
        yield name, f"{what} {number} is more than {high}"


def shape_answer(operation: str, answer: dict[str, Any]) -> bytes:
    """Return an answer as the body of a response: the members of the output shape and no others."""
    shape = service_model().operation_model(operation).output_shape
    return json.dumps(_shaped(shape, answer), separators=(",", ":")).encode()


def shape_error(error: ApiError) -> bytes:
    """Return an error as the body of a response."""
    model = service_model()
    if error.code not in model.shape_names:
        body = {"__type": f"{COMMON}#{error.code}", "message": error.message}
    else:
        members = _shaped(model.shape_for(error.code), {"message": error.message, **error.members})
        body = {"__type": f"{MODELLED}#{error.code}", **members}
    return json.dumps(body).encode()


def _shaped(shape: Any, value: Any) -> Any:
    if isinstance(shape, StructureShape):
        return {
            name: _shaped(inner, value[name]) for name, inner in shape.members.items() if value.get(name) is not None
        }
    if isinstance(shape, ListShape):
        return [_shaped(shape.member, item) for item in value]
    if shape.type_name == "timestamp":
        return round(value.timestamp() if isinstance(value, datetime) else float(value), 3)
    return value
