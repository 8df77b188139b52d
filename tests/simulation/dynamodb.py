"""DynamoDB: one table of one function. It can be emptied, restored to an older state, and deleted."""

from typing import Any

from .errors import Refusal
from .expressions import Item, holds, updated

#: Most bytes of an item, as DynamoDB counts them.
ITEM_BYTES = 400 * 1024


class Table:
    """A table with partition key `Id`."""

    def __init__(self) -> None:
        self._items: dict[str, Item] = {}
        self.is_gone = False
        self.writes = 0

    def call(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Carry out one call."""
        if self.is_gone:
            raise Refusal("ResourceNotFoundException", "Requested resource not found")
        if operation == "GetItem":
            if not parameters.get("ConsistentRead"):
                raise Refusal("ValidationException", "the simulation knows consistent reads only")
            item = self._items.get(parameters["Key"]["Id"]["S"])
            return {"Item": item} if item is not None else {}
        key = parameters["Key" if "Key" in parameters else "Item"]["Id"]["S"]
        known = self._items.get(key)
        if not holds(known, parameters):
            raise Refusal("ConditionalCheckFailedException", "The conditional request failed")
        if operation == "PutItem":
            item = dict(parameters["Item"])
        elif operation == "UpdateItem":
            item = updated(known or {"Id": {"S": key}}, parameters)
        else:
            raise Refusal("ValidationException", f"the simulation does not know {operation}")
        if _size(item) > ITEM_BYTES:
            raise Refusal("ValidationException", "Item size has exceeded the maximum allowed size")
        self._items[key] = item
        self.writes += 1
        return {}

    def empty(self) -> None:
        """Lose every item."""
        self._items.clear()

    def backup(self) -> dict[str, Item]:
        """Return what there is. Items are never changed in place."""
        return dict(self._items)

    def restore(self, items: dict[str, Item]) -> None:
        """Go back to a backup."""
        self._items = dict(items)


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return sum(len(name) + _size(one) for name, one in value.items())
    if isinstance(value, (str, bytes)):
        return len(value)
    return sum(_size(one) for one in value) if isinstance(value, list) else 1
