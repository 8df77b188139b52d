"""The ledger's item in DynamoDB: what is written, and how, where another version wrote it before."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from lambda_handler.errors import LedgerFailure
from lambda_handler.ledger import calls
from lambda_handler.ledger.records import Call
from lambda_handler.ledger.state import State
from lambda_handler.ledger.table import LedgerTable
from lambda_handler.values import Connector
from tests.simulation.dynamodb import Table
from tests.simulation.errors import Refusal

HERE = Connector("env-abcde12345", "cnctr-abcde12345")
STACK = "arn:aws:cloudformation:us-east-1:000000000000:stack/web/1"
KEY = {"Id": {"S": STACK}}


class Client:
    """DynamoDB as the simulation has it, and which operations were called."""

    def __init__(self) -> None:
        self.table = Table()
        self.called: list[str] = []

    def make(self, service: str) -> "Client":
        assert service == "dynamodb"
        return self

    def _call(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self.called.append(operation)
        try:
            return self.table.call(operation, parameters)
        except Refusal as refusal:
            raise refusal.of(operation) from None

    def get_item(self, **parameters: Any) -> dict[str, Any]:
        return self._call("GetItem", parameters)

    def put_item(self, **parameters: Any) -> dict[str, Any]:
        return self._call("PutItem", parameters)

    def update_item(self, **parameters: Any) -> dict[str, Any]:
        return self._call("UpdateItem", parameters)

    @property
    def item(self) -> dict[str, Any]:
        return self.table.backup()[STACK]

    def change_item(self, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        self.table.restore({STACK: change(dict(self.item))})


def opened(client: Client) -> LedgerTable:
    retries = SimpleNamespace(confirmed=lambda step, until: step())
    return LedgerTable(client, retries, "ledger", STACK)  # type: ignore[arg-type]


def announced(state: State, call_id: str = "a") -> State:
    call = Call("CreateEntitlement", HERE, frozenset({"vm-1"}), 1.0, 9.0, 9.0, "invocation")
    return state if call_id in state.calls else calls.announce(state, {call_id: call})


@pytest.fixture
def client() -> Client:
    """A ledger that was written once."""
    client = Client()
    opened(client).change(lambda state: replace(state, sequence=7), 99.0)
    client.called.clear()
    return client


def without_calls(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item as a version writes it that leaves an empty map of calls out."""
    return {name: value for name, value in item.items() if name != "Calls"}


def test_where_only_calls_change_only_they_are_written(client: Client) -> None:
    table = opened(client)
    table.load(99.0)
    table.change(announced, 99.0)
    table.change(lambda state: calls.void(state, "a"), 99.0)
    assert client.called == ["GetItem", "UpdateItem", "UpdateItem"]


def test_an_item_without_calls_is_written_whole(client: Client) -> None:
    """DynamoDB refuses to set an entry of a map that is not there."""
    client.change_item(without_calls)
    table = opened(client)
    assert table.load(99.0).sequence == 7
    table.change(announced, 99.0)
    assert client.called == ["GetItem", "PutItem"]
    assert set(client.item["Calls"]["M"]) == {"a"}
    table.change(lambda state: announced(state, "b"), 99.0)
    assert client.called[2:] == ["UpdateItem"]
    again = opened(client).load(99.0)
    assert (set(again.calls), again.sequence) == ({"a", "b"}, 7)


def test_an_item_that_loses_its_calls_meanwhile_is_read_again_and_written_whole(client: Client) -> None:
    table = opened(client)
    table.load(99.0)

    def by_another_version(item: dict[str, Any]) -> dict[str, Any]:
        return {**without_calls(item), "Version": {"N": str(int(item["Version"]["N"]) + 1)}}

    client.change_item(by_another_version)
    table.change(announced, 99.0)
    assert client.called == ["GetItem", "UpdateItem", "GetItem", "PutItem"]
    assert set(opened(client).load(99.0).calls) == {"a"}


def test_an_update_whose_form_is_refused_is_written_whole(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether DynamoDB looks at the condition or at the path first, nobody has to know."""

    def refused(self: Client, **parameters: Any) -> dict[str, Any]:
        self.called.append("UpdateItem")
        raise Refusal("ValidationException", "The document path provided is invalid for update").of("UpdateItem")

    monkeypatch.setattr(Client, "update_item", refused)
    table = opened(client)
    table.load(99.0)
    table.change(announced, 99.0)
    table.change(lambda state: announced(state, "b"), 99.0)
    assert client.called == ["GetItem", "UpdateItem", "GetItem", "PutItem", "PutItem"]
    assert set(opened(client).load(99.0).calls) == {"a", "b"}


def test_a_whole_write_that_is_refused_is_a_failure(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.simulation.dynamodb.ITEM_BYTES", 10)
    with pytest.raises(LedgerFailure, match="can't be used"):
        opened(client).change(announced, 99.0)


def test_what_another_version_has_added_survives_the_whole_write(client: Client) -> None:
    client.change_item(lambda item: {**without_calls(item), "Colour": {"S": "blue"}})
    table = opened(client)
    table.load(99.0)
    table.change(announced, 99.0)
    assert client.item["Colour"] == {"S": "blue"}


def test_calls_of_another_kind_are_damage(client: Client) -> None:
    client.change_item(lambda item: {**item, "Calls": {"NULL": True}})
    with pytest.raises(LedgerFailure, match="can't be read"):
        opened(client).load(99.0)
