"""Reads a stack's ledger as the handler would."""

from lambda_handler.ledger import State
from lambda_handler.ledger_table import _unpack
from tests.support.cloudformation import Stack


def read(stack: Stack) -> State:
    item = stack.database.get_item(TableName=stack.table, Key={"Id": {"S": stack.id}}, ConsistentRead=True).get("Item")
    return _unpack(item["Body"]["B"]) if item else State()
