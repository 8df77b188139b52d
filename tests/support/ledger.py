"""Reads a stack's ledger as the handler would."""

from lambda_handler.ledger.packing import unpacked
from lambda_handler.ledger.state import State
from tests.support.cloudformation import Stack


def read(stack: Stack) -> State:
    item = stack.database.get_item(TableName=stack.table, Key={"Id": {"S": stack.id}}, ConsistentRead=True).get("Item")
    if not item:
        return State()
    calls = {key: value["S"] for key, value in item["Calls"]["M"].items()}
    return unpacked(item["Body"]["B"], calls, int(item["Claims"]["N"]))
