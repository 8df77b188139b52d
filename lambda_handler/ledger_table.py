"""Keeps the ledger in DynamoDB: one item a stack, read and written whole, each write conditional on its version.

Owns the item's form and every DynamoDB call; knows no rule of the ledger. VM ids are packed (sorted, as differences,
deflated), so that several sets of 10,000 VMs stay far below DynamoDB's 400 KB an item.
"""

import json
import operator
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from .aws import AwsError, Clients, NotFound, Patience, Refused, Unanswered, call
from .errors import Failure, LedgerFailure, LedgerGone
from .ledger import Adoption, DeclaredSet, Flight, Holding, RequestRecord, State, VmIds
from .properties import Connector

#: Form of the packed body. A later form reads the earlier ones.
FORM = 1

Change = Callable[[State], State]


class LedgerTable:
    """The ledger of one stack.

    Parameters
    ----------
    table
        The table's name; its partition key is ``Id`` (a string).
    stack_id
        The stack's ARN: the item's key.
    """

    def __init__(self, clients: Clients, patience: Patience, table: str, stack_id: str) -> None:
        self._clients = clients
        self._patience = patience
        self._table = table
        self._key = {"Id": {"S": stack_id}}
        self._client: Any = None
        self._version = 0
        self.state = State()

    def load(self, until: float) -> State:
        """Read the ledger; one that was never written is empty.

        Raises
        ------
        LedgerGone
            The table does not exist.
        LedgerFailure
            It could not be read until `until` (epoch seconds).
        """
        item = self._ask("GetItem", until, Key=self._key, ConsistentRead=True).get("Item")
        self._version = int(item["Version"]["N"]) if item else 0
        self.state = _unpack(item["Body"]["B"]) if item else State()
        return self.state

    def change(self, change: Change, until: float) -> State:
        """Apply a change to the newest state and write it, if it changed anything.

        `change` may be called again with a newer state when somebody else wrote in between, or when the answer to
        the write was lost; it must therefore do nothing where it is already done. What it raises is passed on.
        """
        while True:
            changed = change(self.state)
            if changed == self.state:
                return self.state
            if self._put(changed, until):
                self._version += 1
                self.state = changed
                return changed
            self.load(until)

    def _put(self, state: State, until: float) -> bool:
        item = {
            **self._key,
            "Version": {"N": str(self._version + 1)},
            "Body": {"B": _pack(state)},
        }
        condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(Id)"}
        if self._version:
            condition = {
                "ConditionExpression": "Version = :version",
                "ExpressionAttributeValues": {":version": {"N": str(self._version)}},
            }
        try:
            self._ask("PutItem", until, Item=item, **condition)
        except _ConditionFailed:
            return False
        return True

    def _ask(self, operation: str, until: float, **parameters: Any) -> dict[str, Any]:
        if self._client is None:
            self._client = self._clients.make("dynamodb")
        method = {"GetItem": self._client.get_item, "PutItem": self._client.put_item}[operation]
        action = f"dynamodb:{operation}"

        def ask() -> dict[str, Any]:
            answer = call(method, action, TableName=self._table, **parameters)
            if operation == "GetItem" and self._version and "Item" not in answer:
                # Nobody deletes it: to take the ledger for empty now would lose all that it knows.
                raise Unanswered(action, "an answer without the item", "it was there before")
            return answer

        try:
            return self._patience.through(ask, until)
        except NotFound as error:
            raise LedgerGone(f"the ledger, DynamoDB table {self._table}, does not exist: {error}") from error
        except Refused as error:
            if error.code == "ConditionalCheckFailedException":
                raise _ConditionFailed from None
            raise LedgerFailure(f"the ledger, DynamoDB table {self._table}, can't be used: {error}") from error
        except (AwsError, Failure) as error:
            raise LedgerFailure(f"the ledger, DynamoDB table {self._table}, can't be reached: {error}") from error


class _ConditionFailed(Exception):
    """Somebody else wrote first, or our own write's answer was lost."""


# --- packing -----------------------------------------------------------------------------------------------------


_DIGITS = operator.itemgetter(slice(len("vm-"), None))


@lru_cache(maxsize=256)
def _packed_ids(vm_ids: VmIds) -> str:
    """Write ids as ``first,difference,difference,...``; ids with leading zeros stand at the end as they are."""
    odd = sorted(vm_id for vm_id in vm_ids if vm_id.startswith("vm-0"))
    numbers = sorted(map(int, map(_DIGITS, vm_ids.difference(odd))))
    # Each batch of a large set is written with all of the set, so this is done without a line of Python for each VM.
    differences = map(operator.sub, numbers, [0, *numbers])
    return ",".join((*map(str, differences), *odd))


@lru_cache(maxsize=256)
def _unpacked_ids(text: str) -> VmIds:
    return frozenset(_ids(text))


def _ids(text: str) -> Iterator[str]:
    number = 0
    for part in text.split(",") if text else ():
        if part.startswith("vm-"):
            yield part
        else:
            number += int(part)
            yield f"vm-{number}"


def _pack(state: State) -> bytes:
    document = {
        "form": FORM,
        "sequence": state.sequence,
        "claims": state.claims,
        "requests": {logical_id: vars(record) for logical_id, record in state.requests.items()},
        "sets": {
            physical_id: {
                **vars(declared), "connector": str(declared.connector), "vm_ids": _packed_ids(declared.vm_ids)
            }
            for physical_id, declared in state.sets.items()
        },
        "holdings": {str(connector): _packed_holding(held) for connector, held in state.holdings.items()},
    }  # fmt: skip
    return zlib.compress(json.dumps(document, separators=(",", ":")).encode())


def _packed_holding(holding: Holding) -> dict[str, Any]:
    adoptions: dict[Adoption, set[str]] = {}
    for vm_id, adoption in holding.adopted.items():
        adoptions.setdefault(adoption, set()).add(vm_id)
    return {
        "owned": _packed_ids(holding.owned),
        "adopted": [
            [adoption.request_id, adoption.at, _packed_ids(frozenset(vm_ids))] for adoption, vm_ids in adoptions.items()
        ],
        "creating": [_packed_flight(flight) for flight in holding.creating],
        "removing": [_packed_flight(flight) for flight in holding.removing],
    }


def _packed_flight(flight: Flight) -> list[Any]:
    return [_packed_ids(flight.vm_ids), flight.until, flight.by, flight.answered]


def _unpack(body: bytes) -> State:
    document = json.loads(zlib.decompress(body))
    return State(
        sequence=document["sequence"],
        claims=document["claims"],
        requests={
            logical_id: RequestRecord(**{**record, "before": tuple(record["before"])})
            for logical_id, record in document["requests"].items()
        },
        sets={
            physical_id: DeclaredSet(
                **{
                    **declared,
                    "connector": Connector.parse(declared["connector"]),
                    "vm_ids": _unpacked_ids(declared["vm_ids"]),
                }
            )
            for physical_id, declared in document["sets"].items()
        },
        holdings={
            Connector.parse(connector): _unpacked_holding(held) for connector, held in document["holdings"].items()
        },
    )


def _unpacked_holding(held: dict[str, Any]) -> Holding:
    return Holding(
        owned=_unpacked_ids(held["owned"]),
        adopted={
            vm_id: Adoption(request_id, at)
            for request_id, at, packed in held["adopted"]
            for vm_id in _unpacked_ids(packed)
        },
        creating=tuple(Flight(_unpacked_ids(ids), *rest) for ids, *rest in held["creating"]),
        removing=tuple(Flight(_unpacked_ids(ids), *rest) for ids, *rest in held["removing"]),
    )


def packed(failed: Mapping[str, str]) -> dict[str, list[str]]:
    """Pack failed VMs for the next invocation: code of the cause -> its first text, and the VMs."""
    by_code: dict[str, list[str]] = {}
    for vm_id, cause in failed.items():
        by_code.setdefault(cause.partition(":")[0], []).append(vm_id)
    return {code: [failed[vm_ids[0]], _packed_ids(frozenset(vm_ids))] for code, vm_ids in by_code.items()}


def unpacked(failed: Mapping[str, list[str]]) -> dict[str, str]:
    """Read what `packed` wrote."""
    return {vm_id: cause for cause, ids in failed.values() for vm_id in _ids(ids)}
