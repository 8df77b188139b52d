"""Declaring: what is known of a VM when it is decided whether it is ours, a conflict, or to be taken over."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from lambda_handler.cloudformation.physical_id import set_id
from lambda_handler.cloudformation.properties import Properties
from lambda_handler.ledger.records import DeclaredSet, Holding, RequestRecord
from lambda_handler.ledger.state import State
from lambda_handler.steps.converge import Convergence
from lambda_handler.steps.declare import Declaring
from tests.support.room import HERE, START, Room, ids, row


def pending(room: Room) -> None:
    """Let the ledger have the pending set of the request."""
    declared = DeclaredSet("A", HERE, ids(1, 2), "r", 1, START)
    room.keep(room.table.stored.declare(set_id("A", HERE, ids(1, 2)), declared))


@pytest.mark.parametrize("adopts", [True, False])
def test_what_another_resource_of_the_stack_has_just_created_is_neither_adopted_nor_a_conflict(adopts: bool) -> None:
    """Adopted, it would be left behind when the operation is rolled back."""
    room = Room("Create")
    pending(room)
    # Written since this invocation has read the ledger.
    room.table.stored = room.table.stored.hold(HERE, Holding(owned=ids(2)))
    room.listed = lambda _: [row(2, started=START - 1.0), *([row(1, started=START + 0.1)] if room.calls else [])]
    declaring = Declaring(room.context)
    declaring.entitle(Properties(HERE, ids(1, 2), adopt_existing=adopts))
    assert declaring.adopting == frozenset()
    assert [vm_ids for _, _, vm_ids in room.calls] == [ids(1)]


def test_what_a_former_invocations_call_made_is_noted_as_ours() -> None:
    """A Delete that follows has nothing to wait for."""
    room = Room("Create")
    pending(room)
    room.called("CreateEntitlement", ids(1, 2), 30.0, taken=True, until=35.0)
    room.listed = lambda _: [row(number, started=START - 29.0) for number in (1, 2)]
    Declaring(room.context).entitle(Properties(HERE, ids(1, 2)))
    room.fence.write()
    assert room.table.stored.holding(HERE).owned == ids(1, 2)
    assert room.table.stored.calls == {}
    assert room.calls == []


def test_an_undo_goes_on_in_a_fresh_invocation_and_creates_nothing() -> None:
    room = Room("Create")
    room.own(ids(1))
    record = RequestRecord(
        "Create", "r", "A", "", None, 1, START + 3570.0, arrived=START, invocation="another", failing="vm-2 was refused"
    )
    room.keep(State(**{**vars(room.table.stored), "requests": {"A": record}}))
    properties: dict[str, Any] = {}
    room.context.request = cast(Any, SimpleNamespace(
        type="Create", request_id="r", logical_id="A", physical_id="", issued=None, place="", properties=properties,
        old_properties={}, issued_at=lambda _: START,
    ))  # fmt: skip
    room.listed = lambda _: [] if room.calls else [row(1)]
    answer = Convergence(room.context, Properties(HERE, ids(1, 2)), "stream").answer()
    assert answer.status == "FAILED"
    assert "vm-2 was refused" in answer.reason
    assert {operation for _, operation, _ in room.calls} == {"DeleteEntitlement"}
    assert room.table.stored.may_be_ours(HERE) == frozenset()
