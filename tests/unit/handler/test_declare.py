"""Declaring: what is known of a VM when it is decided whether it is ours, a conflict, or to be taken over."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lambda_handler.cloudformation.physical_id import set_id
from lambda_handler.cloudformation.properties import Properties
from lambda_handler.errors import Failure
from lambda_handler.evs.rows import Status
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
    room.context.request = cast(
        Any,
        SimpleNamespace(
            type="Create",
            request_id="r",
            logical_id="A",
            physical_id="",
            issued=None,
            place="",
            properties=properties,
            old_properties={},
            issued_at=lambda _: START,
        ),
    )
    room.listed = lambda _: [] if room.calls else [row(1)]
    answer = Convergence(room.context, Properties(HERE, ids(1, 2)), "stream").answer()
    assert answer.status == "FAILED"
    assert "vm-2 was refused" in answer.reason
    assert {operation for _, operation, _ in room.calls} == {"DeleteEntitlement"}
    assert room.table.stored.may_be_ours(HERE) == frozenset()


def test_what_was_ours_before_is_not_noted_as_made() -> None:
    """Where the ledger goes, what is noted is removed; a set that is live declares the other one."""
    room = Room("Update")
    pending(room)
    room.own(ids(1))
    room.declare(ids(1))
    room.listed = lambda _: [row(number, started=START + 0.1) for number in (1, 2) if room.calls]
    Declaring(room.context).entitle(Properties(HERE, ids(1, 2)))
    assert {vm_id for _, _, vm_ids in room.calls for vm_id in vm_ids} == ids(1, 2)
    assert room.context.carried.times_taken == {"vm-2": 1}


@pytest.mark.parametrize("adopts", [True, False])
def test_what_a_lost_call_seemed_to_have_made_and_is_somebody_elses_is_not_noted_any_more(adopts: bool) -> None:
    """The call was lost in an invocation before; now the list shows an entitlement that began earlier."""
    room = Room("Create")
    pending(room)
    room.context.carried.times_taken = {"vm-1": 0}
    room.listed = lambda _: [row(1), row(2)]
    with nullcontext() if adopts else pytest.raises(Failure, match="already entitled"):
        Declaring(room.context).entitle(Properties(HERE, ids(1, 2), adopt_existing=adopts))
    assert room.context.carried.times_taken == {}


@pytest.mark.parametrize("status", [None, Status.CREATE_FAILED])
def test_what_evs_has_taken_in_two_invocations_is_not_called_for_in_a_third(status: Status | None) -> None:
    room = Room("Create")
    pending(room)
    room.context.carried.times_taken = {"vm-1": 2}
    room.listed = lambda _: [
        *([row(1, status, error_code="VM_GONE", error_message="why")] if status else []),
        *([row(2, started=START + 0.1)] if room.calls else []),
    ]
    progress, _ = Declaring(room.context).entitle(Properties(HERE, ids(1, 2)))
    assert [vm_ids for _, _, vm_ids in room.calls] == [ids(2)]
    assert progress.failed == {"vm-1": "VM_GONE: why" if status else "EVS does not list it any more"}
