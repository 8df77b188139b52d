"""A Delete's answer, where something is left at another connector: who sees to it decides. And giving up."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from lambda_handler.aws.calls import Refused
from lambda_handler.cloudformation.answer import Answer
from lambda_handler.cloudformation.properties import Properties
from lambda_handler.errors import HandOver
from lambda_handler.evs.rows import Rows
from lambda_handler.ledger.records import Operation, RequestRecord
from lambda_handler.ledger.state import State, key_of
from lambda_handler.steps.converge import Convergence
from lambda_handler.values import VmIds
from tests.support.room import HERE, START, THERE, Room, ids, row

DELETED = "id"


def refused(operation: Operation, vm_ids: VmIds) -> Rows:
    raise Refused("evs:DeleteEntitlement", "ValidationException", "not now")


def left_elsewhere(*others: RequestRecord) -> Room:
    """A Delete at one connector; at another one EVS refuses to delete what is ours there."""
    room = Room("Delete")
    key = key_of("Delete", "A", DELETED)
    record = RequestRecord("Delete", "r", "A", DELETED, None, 1, START + 3570.0, arrived=START, invocation="me")
    room.keep(State(requests={key: record, **{one.logical_id: one for one in others}}))
    room.fence.key = key
    room.own(ids(2), THERE)
    room.context.request = cast(
        Any,
        SimpleNamespace(
            type="Delete",
            request_id="r",
            logical_id="A",
            physical_id=DELETED,
            issued=None,
            place="",
            properties={},
            old_properties={},
            issued_at=lambda _: START,
        ),
    )
    room.listed = lambda _: [row(2)]
    room.answers = refused
    return room


def answered(room: Room) -> Answer:
    return Convergence(room.context, Properties(HERE, ids(1)), "stream").answer()


def another(answer_by: float, answer: dict[str, object] | None = None) -> RequestRecord:
    return RequestRecord("Update", "s", "B", "other", None, 2, answer_by, arrived=START, answer=answer)


@pytest.mark.parametrize(
    "others",
    [(), (another(START + 3000.0, {"status": "SUCCESS"}),), (another(START - 1.0),)],
    ids=["no other request", "one that was answered", "one whose time is up"],
)
def test_what_nobody_else_sees_to_fails_the_delete_and_is_named(others: tuple[RequestRecord, ...]) -> None:
    room = left_elsewhere(*others)
    answer = answered(room)
    assert answer.status == "FAILED"
    assert "1 VM still entitled" in answer.reason
    assert "vm-2" in answer.reason
    assert room.table.stored.owned(THERE) == ids(2)


def test_what_nobody_else_sees_to_gets_the_whole_time() -> None:
    """Elsewhere is given two minutes at first. EVS refuses for longer."""
    room = left_elsewhere()
    deleted: list[float] = []

    def answer(operation: Operation, vm_ids: VmIds) -> Rows:
        if room.at < START + 150.0:
            return refused(operation, vm_ids)
        deleted.append(room.at)
        return {}

    room.answers = answer
    room.listed = lambda _: [] if deleted else [row(2)]
    assert answered(room).status == "SUCCESS"
    assert deleted
    assert room.table.stored.owned(THERE) == frozenset()


def test_what_a_request_under_way_sees_to_does_not_fail_the_delete() -> None:
    room = left_elsewhere(another(START + 3000.0))
    assert answered(room).status == "SUCCESS"
    assert room.table.stored.owned(THERE) == ids(2)


@pytest.mark.parametrize("is_overtaken", [False, True])
@pytest.mark.parametrize("is_admitted", [False, True])
def test_giving_up_is_answered_unless_the_ledger_knows_a_newer_request(is_admitted: bool, is_overtaken: bool) -> None:
    """Of one that never took the fence it says nothing. Nor does one that was lost or restored since."""
    room = left_elsewhere()
    newer = RequestRecord("Create", "s", "A", "", None, 2, START + 3570.0, arrived=START, before=("r",))
    room.keep(State(requests={"A": newer} if is_overtaken else {}))
    room.fence.is_admitted = is_admitted
    answer = Convergence(room.context, Properties(HERE, ids(1)), "stream").give_up("no fresh invocation")
    if is_admitted and is_overtaken:
        assert answer is None
    else:
        assert answer is not None
        assert (answer.status, answer.physical_id) == ("FAILED", DELETED)
        assert "no fresh invocation" in answer.reason


@pytest.mark.parametrize("writes", [1, 2])
def test_giving_up_is_answered_where_the_ledgers_answer_to_an_own_write_was_lost(writes: int) -> None:
    """The write is repeated then, and meets what it has written."""
    room = left_elsewhere()
    change, lost = room.table.change, list(range(writes))

    def changed(*given: Any) -> None:
        change(*given)
        if lost:
            lost.pop()
            change(*given)

    room.table.change = cast(Any, changed)  # type: ignore[method-assign]
    answer = Convergence(room.context, Properties(HERE, ids(1)), "stream").give_up("no fresh invocation")
    assert answer is not None
    assert (answer.status, answer.physical_id) == ("FAILED", DELETED)
    assert "no fresh invocation" in answer.reason


def test_giving_up_says_what_another_invocation_has_answered_before() -> None:
    """This one was held up before it came to the ledger, and can't go on."""
    room = left_elsewhere()
    told = Answer("SUCCESS", DELETED)
    room.keep(room.table.stored.record(room.fence.key, answer=told.stored()))
    room.fence.is_admitted = False
    assert Convergence(room.context, Properties(HERE, ids(1)), "stream").give_up("no fresh invocation") == told


def test_giving_up_is_answered_where_the_ledger_is_out_of_reach_to_the_end() -> None:
    room = left_elsewhere()

    def never(*_: Any) -> None:
        raise HandOver("the function's time is nearly used up")

    room.table.change = cast(Any, never)  # type: ignore[method-assign]
    answer = Convergence(room.context, Properties(HERE, ids(1)), "stream").give_up("no fresh invocation")
    assert answer is not None
    assert (answer.status, answer.physical_id) == ("FAILED", DELETED)
