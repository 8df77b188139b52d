"""DynamoDB's expressions, as far as the ledger uses them. What it does not know it refuses."""

import re
from typing import Any

from .errors import Refusal

Item = dict[str, Any]
_PATH = r"[A-Za-z_#][\w#]*(?:\.[A-Za-z_#][\w#]*)?"
_CONDITIONS = re.compile(r"\s+AND\s+", re.IGNORECASE)
_EXISTS = re.compile(rf"attribute_(not_)?exists\s*\(\s*({_PATH})\s*\)", re.IGNORECASE)
_COMPARES = re.compile(rf"({_PATH})\s*(=|<>)\s*(:\w+)")
_CLAUSES = re.compile(r"\b(SET|REMOVE)\b")
_ASSIGNS = re.compile(rf"({_PATH})\s*=\s*(:\w+)")


def _path(text: str, names: dict[str, str]) -> list[str]:
    return [names[part] if part.startswith("#") else part for part in text.strip().split(".")]


def _value(item: Item | None, path: list[str]) -> Any:
    value: Any = item
    for number, part in enumerate(path):
        if number:
            value = value.get("M") if value else None
        value = value.get(part) if value else None
    return value


def holds(item: Item | None, parameters: dict[str, Any]) -> bool:
    """Evaluate ConditionExpression."""
    names = parameters.get("ExpressionAttributeNames") or {}
    values = parameters.get("ExpressionAttributeValues") or {}
    text = parameters.get("ConditionExpression")
    for condition in _CONDITIONS.split(text.strip()) if text else ():
        if match := _EXISTS.fullmatch(condition):
            exists = _value(item, _path(match[2], names)) is not None
            if exists == bool(match[1]):
                return False
        elif match := _COMPARES.fullmatch(condition):
            equal = _value(item, _path(match[1], names)) == values[match[3]]
            if equal != (match[2] == "="):
                return False
        else:
            raise Refusal("ValidationException", f"Invalid ConditionExpression: {condition}")
    return True


def updated(item: Item, parameters: dict[str, Any]) -> Item:
    """Apply UpdateExpression: SET and REMOVE of attributes, and of entries of an attribute that is a map."""
    names = parameters.get("ExpressionAttributeNames") or {}
    values = parameters.get("ExpressionAttributeValues") or {}
    item = {name: {"M": dict(value["M"])} if "M" in value else value for name, value in item.items()}
    parts = _CLAUSES.split(parameters["UpdateExpression"])
    if parts[0].strip():
        raise Refusal("ValidationException", f"Invalid UpdateExpression: {parts[0]}")
    for clause, body in zip(parts[1::2], parts[2::2], strict=True):
        for action in body.split(","):
            if clause == "REMOVE":
                _remove(item, _path(action, names))
            elif match := _ASSIGNS.fullmatch(action.strip()):
                _set(item, _path(match[1], names), values[match[2]])
            else:
                raise Refusal("ValidationException", f"Invalid UpdateExpression: {action}")
    return item


def _set(item: Item, path: list[str], value: Any) -> None:
    if len(path) == 1:
        item[path[0]] = value
    elif path[0] in item and "M" in item[path[0]]:
        item[path[0]]["M"][path[1]] = value
    else:
        raise Refusal(
            "ValidationException", "The document path provided in the update expression is invalid for update"
        )


def _remove(item: Item, path: list[str]) -> None:
    if len(path) == 1:
        item.pop(path[0], None)
    elif path[0] in item and "M" in item[path[0]]:
        item[path[0]]["M"].pop(path[1], None)
    else:
        raise Refusal(
            "ValidationException", "The document path provided in the update expression is invalid for update"
        )
