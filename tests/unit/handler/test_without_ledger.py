"""Requests whose ledger is gone: what a Delete's properties declare goes, unless it may be somebody's by now."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from lambda_handler.aws.calls import Refused
from lambda_handler.cloudformation.answer import Answer
from lambda_handler.cloudformation.physical_id import failed_id, set_id
from lambda_handler.cloudformation.properties import Properties
from lambda_handler.errors import Failure, HandOver, LedgerGone
from lambda_handler.evs.rows import Row, Rows, Status
from lambda_handler.steps.without_ledger import delete_declared, undo_without_ledger
from lambda_handler.values import VmIds
from tests.support.room import HERE, START, Room, ids, row

VM_1 = ids(1)
ONE, TWO = set_id("A", HERE, VM_1), set_id("A", HERE, ids(1, 2))


class Gone:
    """A Delete whose ledger is gone, and what EVS and CloudFormation say."""

    def __init__(self, physical_id: str = ONE, **said: Any) -> None:
        self.room = room = Room()
        answers = {
            "physical_id_of": None,
            "is_gone": False,
            "own_events": (),
            "is_rolling_back": False,
            "completed_since": True,
            **said,
        }
        room.context.stack = cast(
            Any, SimpleNamespace(**{name: lambda *_, value=value: value for name, value in answers.items()})
        )
        room.context.request = cast(
            Any,
            SimpleNamespace(
                type="Delete",
                physical_id=physical_id,
                logical_id="A",
                issued_at=lambda _: START,
            ),
        )
        self.held: dict[str, Row] = {"vm-1": row(1), "vm-2": row(2)}
        room.listed = lambda _: list(self.held.values())
        room.answers = self.delete

    def delete(self, _: Any, vm_ids: VmIds) -> Rows:
        for vm_id in vm_ids:
            self.held.pop(vm_id, None)
        return {}

    def answer(self, vm_ids: VmIds = VM_1, policy: Any = "DESTROY", *, adopts: bool = False) -> Answer:
        properties = Properties(HERE, vm_ids, adopt_existing=adopts, removal_policy=policy)
        return delete_declared(self.room.context, properties, LedgerGone("the table is gone"))


def test_what_the_properties_declare_goes_and_nothing_else() -> None:
    gone = Gone()
    assert gone.answer() == Answer("SUCCESS", ONE)
    assert set(gone.held) == {"vm-2"}


def test_a_create_that_failed_has_left_nothing() -> None:
    for properties in (Properties(HERE, ids(1)), Failure("wrong")):
        gone = Gone(failed_id(1, "r"))
        answer = delete_declared(gone.room.context, properties, LedgerGone("gone"))
        assert answer.status == "SUCCESS"
        assert gone.room.calls == []


DELETED = {"Timestamp": datetime.fromtimestamp(START + 5.0, UTC), "PhysicalResourceId": ONE}
DELETED["ResourceStatus"] = "DELETE_COMPLETE"


@pytest.mark.parametrize("how", ["late", "is_gone", "own_events"])
def test_a_delete_that_comes_late_or_again_removes_nothing(how: str) -> None:
    """By now the VMs may be somebody else's, or another resource's."""
    said: dict[str, Any] = {} if how == "late" else {how: [DELETED] if how == "own_events" else True}
    gone = Gone(**said)
    if how == "late":
        gone.room.pass_time(3600.0)
    assert gone.answer().status == "SUCCESS"
    assert gone.room.calls == []


def test_the_clean_up_of_a_former_set_removes_nothing_that_the_new_one_may_declare() -> None:
    gone = Gone(physical_id_of=TWO)
    answer = gone.answer()
    assert answer.status == "FAILED"
    assert "may still be declared by the set that replaced it" in answer.reason
    assert gone.room.calls == []


@pytest.mark.parametrize("question", ["physical_id_of", "own_events"])
def test_where_cloudformation_does_not_say_what_the_stack_has_nothing_is_removed(question: str) -> None:
    """A newer set may declare the same VMs, or the Delete may have been answered before."""

    def unanswered(*_: str) -> None:
        raise Failure("CloudFormation can't be asked")

    gone = Gone()
    setattr(gone.room.context.stack, question, unanswered)
    answer = gone.answer()
    assert (answer.status, answer.reason) == ("FAILED", "CloudFormation can't be asked. the table is gone")
    assert gone.room.calls == []


def test_of_an_id_that_no_set_has_it_is_not_known_whose_the_entitlements_are() -> None:
    gone = Gone("stack-A-1ABCDEF")
    answer = gone.answer(ids(1, 3))
    assert answer.status == "FAILED"
    assert "vm-1" in answer.reason
    assert gone.room.calls == []
    gone.held.clear()
    assert gone.answer(ids(1, 3)).status == "SUCCESS"


@pytest.mark.parametrize(("rolling_back", "kept"), [(False, True), (True, False)])
def test_retain_keeps_what_is_entitled_but_for_a_creation_that_is_rolled_back(rolling_back: bool, kept: bool) -> None:
    gone = Gone(is_rolling_back=rolling_back)
    assert gone.answer(policy="RETAIN").status == "SUCCESS"
    assert ("vm-1" in gone.held) == kept


@pytest.mark.parametrize(
    ("rolling_back", "completed", "kept"), [(False, True, False), (True, True, True), (False, False, True)]
)
def test_what_may_be_adopted_by_what_is_rolled_back_stays(rolling_back: bool, completed: bool, kept: bool) -> None:
    """The deletion of a stack whose rollback has failed is no rollback any more, and yet nothing has completed."""
    gone = Gone(is_rolling_back=rolling_back, completed_since=completed)
    answer = gone.answer(adopts=True)
    assert (answer.status, "vm-1" in answer.reason, "vm-1" in gone.held) == (
        "FAILED" if kept else "SUCCESS",
        kept,
        kept,
    )
    gone.held.clear()
    assert gone.answer(adopts=True).status == "SUCCESS"


def test_what_an_answer_leaves_out_is_asked_for_alone() -> None:
    """EVS had removed the VMs, and may give back those whose deletion it has not taken."""
    gone = Gone(TWO)
    gone.held = {vm_id: row(number, Status.ENTITLEMENT_REMOVED) for number, vm_id in enumerate(("vm-1", "vm-2"), 1)}

    def first(_: Any, vm_ids: VmIds) -> Rows:
        return {min(vm_ids): gone.held.pop(min(vm_ids))}

    gone.room.answers = first
    assert gone.answer(ids(1, 2)).status == "SUCCESS"
    assert gone.held == {}


@pytest.mark.parametrize("missed", [1, 2])
def test_a_look_that_misses_a_row_proves_nothing(missed: int) -> None:
    gone = Gone()
    gone.room.listed = lambda _: [] if gone.room.looks <= missed else list(gone.held.values())
    assert gone.answer().status == "SUCCESS"
    assert set(gone.held) == {"vm-2"}


def test_what_was_missed_too_late_to_be_sure_is_named() -> None:
    gone = Gone()
    gone.held.clear()
    gone.room.context.answer_by = START + 4.0
    answer = gone.answer()
    assert (answer.status, "vm-1" in answer.reason) == ("FAILED", True)


def test_one_that_evs_refuses_to_delete_is_named_and_the_others_go() -> None:
    gone = Gone(TWO)

    def refuse(operation: Any, vm_ids: VmIds) -> Rows:
        if "vm-2" in vm_ids:
            raise Refused("evs:DeleteEntitlement", "ValidationException", "no")
        return gone.delete(operation, vm_ids)

    gone.room.answers = refuse
    gone.room.context.answer_by = START + 30.0
    answer = gone.answer(ids(1, 2))
    assert answer.status == "FAILED"
    assert "1 VM still entitled, as far as is known: vm-2" in answer.reason
    assert set(gone.held) == {"vm-2"}


def test_what_this_request_made_is_undone_though_the_list_shows_it_late() -> None:
    gone = Gone()
    gone.room.context.carried.times_taken = {"vm-1": 1}
    made = gone.held.pop("vm-1")
    gone.room.listed = lambda now: [
        *gone.held.values(),
        *([made] if now > START + 40.0 and not gone.room.calls else []),
    ]
    assert undo_without_ledger(gone.room.context, HERE) == ". 1 VM removed again"
    assert gone.room.deleted() == [ids(1)]


def test_what_is_still_creating_is_deleted_once_it_can_be() -> None:
    gone = Gone()
    gone.room.listed = lambda now: (
        [] if gone.room.calls else [row(1, Status.CREATING if now < START + 20.0 else Status.CREATED, START - 1.0)]
    )
    assert gone.answer().status == "SUCCESS"
    ((at, _, _),) = gone.room.calls
    assert at >= START + 20.0


def in_invocations(room: Room) -> tuple[str, int]:
    """Undo in invocations of 30 s, each of which knows what it is told; return what is said, and how many they were."""
    for number in range(1, 200):
        room.begin_anew(30.0)
        try:
            return undo_without_ledger(room.context, HERE), number
        except HandOver:
            # The function begins again, within a second or so.
            room.pass_time(1.0)
    raise AssertionError


@pytest.mark.parametrize(("taken", "shows_after"), [(1, 50.0), (0, 100.0)], ids=["taken", "without an answer"])
def test_an_undo_goes_on_in_fresh_invocations_and_ends(taken: int, shows_after: float) -> None:
    """A call without an answer may take effect after 52 s, and show 65 s after that."""
    gone = Gone()
    room = gone.room
    room.context.carried.times_taken = {"vm-1": taken}
    made = gone.held.pop("vm-1")
    room.listed = lambda now: [made] if now > START + shows_after and not room.calls else []
    said, number = in_invocations(room)
    assert (said, room.deleted()) == (". 1 VM removed again", [ids(1)])
    assert number > 2
    assert room.at - START < 140


def test_an_undo_of_what_never_shows_ends_when_it_can_show_no_more() -> None:
    gone = Gone()
    gone.held.clear()
    gone.room.context.carried.times_taken = {"vm-1": 1}
    in_invocations(gone.room)
    assert 60 < gone.room.at - START < 80


def test_what_the_list_shows_for_a_while_after_its_deletion_is_not_deleted_again() -> None:
    """The second call could hit whoever entitles the VM next."""
    gone = Gone()
    room = gone.room
    room.context.carried.times_taken = {"vm-1": 1}
    room.listed = lambda now: [row(1)] if not room.calls or now < room.calls[0][0] + 50.0 else []
    said, number = in_invocations(room)
    assert (said, room.deleted()) == (". 1 VM removed again", [ids(1)])
    assert number > 2


def test_once_the_stack_has_gone_nothing_is_undone() -> None:
    """A Delete has removed it. The VMs may be somebody else's by now."""
    gone = Gone(is_gone=True)
    gone.room.context.carried.times_taken = {"vm-1": 1}
    assert undo_without_ledger(gone.room.context, HERE) == ""
    assert gone.room.calls == []
