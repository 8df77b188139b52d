"""Keeps the ledger in DynamoDB: one item a stack, each write conditional on its version.

Owns every DynamoDB call; knows no rule of the ledger. Where only calls have changed, only they are written: a large set
is not packed and sent again for each batch of it.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..aws.calls import AwsError, NotFound, Refused, Unanswered, call
from ..aws.clients import Clients
from ..aws.retries import Retries
from ..errors import Failure, LedgerFailure, LedgerGone
from .packing import ATTRIBUTES, packed_body, packed_call, read_item
from .state import State

Change = Callable[[State], State]

#: After so many answers without the item in a row it is believed to be gone. With their retries that takes 6 s or more.
ABSENT = 7


class LedgerTable:
    """The ledger of one stack.

    Args:
        name: the table's name. Its partition key is ``Id`` (a string).
        stack_id: the stack's ARN, which is the item's key.

    Attributes:
        went_back: what was read last is older than what was known: the ledger was emptied or restored meanwhile.
    """

    def __init__(self, clients: Clients, retries: Retries, name: str, stack_id: str) -> None:
        self._clients = clients
        self._retries = retries
        self.name = name
        self._key = {"Id": {"S": stack_id}}
        self._client: Any = None
        self._version = 0
        self.went_back = False
        self._absent = 0
        #: Whether the item has the map of calls, in which single calls are written.
        self._has_calls = False
        #: Whether DynamoDB has refused the form of an UpdateItem: all writes are of the whole item then.
        self._is_update_refused = False
        #: Attributes of the item that a neighbouring version has added; they are written back as they are.
        self._unknown: dict[str, Any] = {}
        self.state = State()

    def reconnect(self) -> None:
        """Make a new client before the next call, since the time that a call may take has changed."""
        self._client = None

    def load(self, until: float) -> State:
        """Read the ledger. One that was never written is empty.

        Raises:
            LedgerGone: the table does not exist.
            LedgerFailure: it could not be read until `until` (epoch seconds), or what it holds can't be.
        """
        item = self._ask("GetItem", until, Key=self._key, ConsistentRead=True).get("Item")
        if item is None:
            self.went_back = self.went_back or self._version > 0
            self._version, self.state, self._has_calls = 0, State(), False
            return self.state
        try:
            self.state = read_item(item)
            version = int(item["Version"]["N"])
        except (LedgerFailure, KeyError, ValueError, TypeError) as error:
            raise LedgerFailure(f"{self._named} can't be used: {error}") from error
        self.went_back = self.went_back or version < self._version
        self._version, self._absent = version, 0
        self._has_calls = "Calls" in item
        self._unknown = {name: value for name, value in item.items() if name not in ATTRIBUTES}
        return self.state

    def change(self, change: Change, until: float) -> State:
        """Apply a change to the newest state and write it, if it changed anything.

        `change` may be called again with a newer state: somebody else wrote in between, or the answer to the write was
        lost. So it does nothing where it is already done. What it raises is passed on.

        Raises:
            LedgerFailure: the ledger can't be read or written until `until` (epoch seconds).
        """
        while True:
            changed = change(self.state)
            if changed == self.state:
                return self.state
            if self._write(changed, until):
                self._version += 1
                self.state = changed
                return changed
            self.load(until)

    def _write(self, state: State, until: float) -> bool:
        now = self.state
        # A version that has no calls to note may leave their map out, and DynamoDB makes none for an entry of it.
        may_update = self._version and self._has_calls and not self._is_update_refused
        only_calls = may_update and replace(state, calls=now.calls, claims=now.claims) == now
        try:
            if only_calls:
                self._ask("UpdateItem", until, Key=self._key, **{**self._conditional(), **self._changed_calls(state)})
            else:
                self._ask("PutItem", until, Item=self._item(state), **self._conditional())
                self._has_calls = True
        except _ConditionFailed:
            return False
        return True

    def _conditional(self) -> dict[str, Any]:
        """Return the parameters that make a write conditional on nobody having written since."""
        if not self._version:
            return {"ConditionExpression": "attribute_not_exists(Id)"}
        return {
            "ConditionExpression": "Version = :version",
            "ExpressionAttributeValues": {":version": {"N": str(self._version)}},
        }

    def _item(self, state: State) -> dict[str, Any]:
        return {
            **self._unknown,
            **self._key,
            "Version": {"N": str(self._version + 1)},
            "Claims": {"N": str(state.claims)},
            "Body": {"B": packed_body(state)},
            "Calls": {"M": {call_id: {"S": packed_call(one)} for call_id, one in state.calls.items()}},
        }

    def _changed_calls(self, state: State) -> dict[str, Any]:
        """Return the parameters of an UpdateItem for the calls that have changed."""
        names: dict[str, str] = {}
        values = {
            ":version": {"N": str(self._version)},
            ":next": {"N": str(self._version + 1)},
            ":claims": {"N": str(state.claims)},
        }
        sets, removes = ["Version = :next", "Claims = :claims"], []
        before = self.state.calls
        for number, call_id in enumerate(before.keys() | state.calls.keys()):
            one = state.calls.get(call_id)
            if one == before.get(call_id):
                continue
            names[f"#c{number}"] = call_id
            if one is None:
                removes.append(f"Calls.#c{number}")
            else:
                values[f":c{number}"] = {"S": packed_call(one)}
                sets.append(f"Calls.#c{number} = :c{number}")
        removed = f" REMOVE {', '.join(removes)}" if removes else ""
        return {
            "UpdateExpression": f"SET {', '.join(sets)}{removed}",
            "ExpressionAttributeValues": values,
            **({"ExpressionAttributeNames": names} if names else {}),
        }

    @property
    def _named(self) -> str:
        return f"the ledger, DynamoDB table {self.name},"

    def _ask(self, operation: str, until: float, **parameters: Any) -> dict[str, Any]:
        if self._client is None:
            self._client = self._clients.make("dynamodb")
        client = self._client
        method = {"GetItem": client.get_item, "PutItem": client.put_item, "UpdateItem": client.update_item}[operation]
        action = f"dynamodb:{operation}"

        def ask() -> dict[str, Any]:
            answer = call(method, action, TableName=self.name, **parameters)
            if operation == "GetItem" and self._version and "Item" not in answer and self._absent < ABSENT - 1:
                # To take the ledger for empty by one answer would lose all that it knows.
                self._absent += 1
                raise Unanswered(action, "an answer without the item", "it was there before")
            return answer

        try:
            return self._retries.confirmed(ask, until)
        except NotFound as error:
            raise LedgerGone(f"{self._named} does not exist: {error}") from error
        except Refused as error:
            if error.code == "ConditionalCheckFailedException":
                raise _ConditionFailed from None
            if operation == "UpdateItem" and error.code == "ValidationException":
                # Nothing was written. As where another version has put an item without the map since it was read.
                self._is_update_refused = True
                raise _ConditionFailed from None
            raise LedgerFailure(f"{self._named} can't be used: {error}") from error
        except (AwsError, Failure) as error:
            raise LedgerFailure(f"{self._named} can't be reached: {error}") from error


class _ConditionFailed(Exception):
    """Nothing was written, since somebody else wrote first: the change is to be made on the newest state."""
