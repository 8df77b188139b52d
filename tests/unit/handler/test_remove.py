"""Removal: what is ours and in no set goes; what is somebody else's, may still come, or is in doubt does not."""

from dataclasses import replace
from typing import Any

import pytest

from lambda_handler.aws.calls import Refused
from lambda_handler.evs.rows import Row, Rows, Status
from lambda_handler.ledger.calls import announce
from lambda_handler.ledger.records import Adoption, Call, DeclaredSet, Holding
from lambda_handler.ledger.state import State
from lambda_handler.steps.remove import Left, remove_all
from lambda_handler.values import VmIds
from tests.support.room import HERE, START, THERE, Room, ids, row


def remove(room: Room, seconds: float = 600.0) -> list[Left]:
    return remove_all(room.context, START + seconds, HERE)


class Evs:
    """Rows that go when they are deleted, shown after a lag."""

    def __init__(self, room: Room, *rows: Row, lag: float = 0.0) -> None:
        self.rows = {one.vm_id: one for one in rows}
        self.deleted: dict[str, float] = {}
        self._room, self._lag = room, lag
        room.listed = self.listed
        room.answers = self.answer

    def listed(self, now: float) -> list[Row]:
        return [one for one in self.rows.values() if now <= self.deleted.get(one.vm_id, now) + self._lag]

    def answer(self, operation: Any, vm_ids: VmIds) -> Rows:
        self.deleted |= dict.fromkeys(vm_ids, self._room.at - 0.001)
        return {}


def test_what_is_ours_goes_and_nothing_else() -> None:
    room = Room()
    room.own(ids(1, 2))
    room.declare(ids(2))
    Evs(room, row(1), row(2), row(3))
    assert remove(room) == []
    assert room.deleted() == [ids(1)]
    assert room.state.holding(HERE) == Holding(owned=ids(2))


@pytest.mark.parametrize(("began", "is_ours"), [(-100.0, False), (-400.0, True)], ids=["since", "before"])
def test_what_began_after_a_deletion_whose_answer_was_lost_is_somebody_elses(began: float, is_ours: bool) -> None:
    """The deletion took effect, and somebody has entitled the VM before the next request came."""
    room = Room()
    room.own(ids(1))
    room.called("DeleteEntitlement", ids(1), 300.0, lands=-248.0, until=-183.0)
    Evs(room, row(1, started=START + began))
    assert remove(room) == []
    assert room.deleted() == ([ids(1)] if is_ours else [])
    assert room.state.holding(HERE) == Holding()


def test_what_another_resource_has_created_since_the_ledger_was_read_is_nobody_elses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A former deletion of ours is still in the ledger. The other resource's Update has ended meanwhile."""
    room = Room("Update")
    room.own(ids(1))
    room.called("DeleteEntitlement", ids(1), 300.0, lands=-248.0, until=-183.0)
    Evs(room, row(1, started=START - 100.0))
    declared = DeclaredSet("B", HERE, ids(1), "r2", 2, live=True)
    # Read by nobody yet.
    room.table.stored = replace(room.table.stored, calls={}).declare("other", declared)
    with caplog.at_level("WARNING"):
        assert remove(room) == []
    room.fence.write()
    assert room.deleted() == []
    assert room.table.stored.owned(HERE) == ids(1)
    assert "somebody else's" not in caplog.text


def test_a_vm_is_deleted_once_while_the_list_still_shows_it() -> None:
    """A second call could hit whoever entitles the VM next."""
    room = Room()
    room.own(ids(1))
    Evs(room, row(1), lag=40.0)
    assert remove(room) == []
    assert room.deleted() == [ids(1)]
    # The announcement, what became of it, and that the VM has gone.
    assert room.table.writes <= 3


def test_a_vm_whose_deletion_another_invocation_had_taken_is_not_deleted_again() -> None:
    room = Room()
    room.own(ids(1))
    room.called("DeleteEntitlement", ids(1), 5.0, taken=True, until=300.0)
    evs = Evs(room, row(1), lag=30.0)
    evs.deleted["vm-1"] = START - 4.0
    assert remove(room) == []
    assert room.deleted() == []


def test_no_deletion_before_a_creation_without_an_answer_can_come_no_more() -> None:
    """Deleted before, the VM would be entitled by the late call and paid for for ever."""
    room = Room()
    room.own(ids(1))
    room.called("CreateEntitlement", ids(1), 2.0, lands=45.0, until=110.0, renewed=ids(1))
    evs = Evs(room, row(1, Status.CREATE_FAILED))
    assert remove(room) == []
    assert room.deleted() == [ids(1)]
    assert evs.deleted["vm-1"] > START + 44.0


def test_what_somebody_made_after_our_deletion_stays() -> None:
    room = Room()
    room.own(ids(1, 2))
    room.called("DeleteEntitlement", ids(1, 2), 100.0, taken=True, until=200.0)
    room.listed = lambda _: [row(1, started=START - 50.0)]
    assert remove(room) == []
    assert room.deleted() == []
    assert room.state.may_be_ours(HERE) == frozenset()


def test_what_a_lost_call_of_ours_met_stays() -> None:
    """Whoever entitled the VM did so before the call left."""
    room = Room()
    room.called("CreateEntitlement", ids(1), 20.0, lands=32.0, until=97.0)
    room.listed = lambda _: [row(1, started=START - 500.0)]
    assert remove(room) == []
    assert room.deleted() == []
    assert room.state.may_be_ours(HERE) == frozenset()


@pytest.mark.parametrize("missed", [1, 2])
def test_a_look_that_misses_a_row_forgets_nothing(missed: int) -> None:
    """Rows move up while a long list is read."""
    room = Room()
    room.own(ids(1))
    evs = Evs(room, row(1))
    room.listed = lambda now: [] if room.looks <= missed else evs.listed(now)
    assert remove(room) == []
    assert room.deleted() == [ids(1)]


def test_what_is_missed_for_long_enough_holds_nothing() -> None:
    room = Room()
    room.own(ids(1))
    assert remove(room) == []
    assert room.deleted() == []
    assert room.at - START >= room.pace.absent_for
    assert room.state.may_be_ours(HERE) == frozenset()


def test_looks_of_the_invocation_before_count() -> None:
    """Where each call is slow and the function's time short, one invocation never gets to look often enough."""
    room = Room()
    room.own(ids(1, 2))
    room.listed = lambda _: [row(2)] if room.looks > 1 else []
    least = room.pace.absent_looks
    room.context.carried.missed = {HERE: {"vm-1": (START - room.pace.absent_for, least - 1), "vm-2": (START, 1)}}
    remove(room, 3.0)
    assert "vm-1" not in room.state.may_be_ours(HERE)
    # It was listed again in between.
    assert room.context.carried.missed[HERE].keys().isdisjoint(ids(2))


def test_what_an_invocation_has_missed_is_there_for_the_next_one() -> None:
    room = Room()
    room.own(ids(1))
    remove(room, 0.5)
    (since, looks), *_ = room.context.carried.missed[HERE].values()
    assert START <= since <= room.at
    assert looks >= 1


@pytest.mark.parametrize(
    ("status", "least", "most"), [(Status.CREATE_FAILED, 0, 10), (Status.ENTITLEMENT_REMOVED, 60, 80)]
)
def test_what_had_failed_and_was_deleted_is_done_with_though_it_stays_listed(
    status: Status, least: float, most: float
) -> None:
    """EVS lists such rows for 90 days. What it has removed it may give back, while its deletion may not show yet."""
    room = Room()
    room.own(ids(1))
    room.listed = lambda _: [row(1, status)]
    assert remove(room) == []
    assert room.deleted() == [ids(1)]
    assert least < room.at - START < most


@pytest.mark.parametrize("status", [Status.CREATED, Status.ENTITLEMENT_REMOVED])
def test_what_an_answer_leaves_out_is_asked_for_again_alone(status: Status) -> None:
    """EVS takes each call for the first of its VMs only. One look passes the others over."""
    room = Room()
    room.own(ids(1, 2, 3))
    evs = Evs(room, row(1, status), row(2, status), row(3, status))

    def answer(operation: Any, vm_ids: VmIds) -> Rows:
        first = min(vm_ids)
        evs.answer(operation, frozenset({first}))
        return {first: evs.rows[first]}

    room.answers = answer
    room.listed = lambda now: [] if room.looks == 2 else evs.listed(now)
    assert remove(room) == []
    assert [len(vm_ids) for vm_ids in room.deleted()] == [3, 1, 1]
    assert evs.deleted.keys() == ids(1, 2, 3)


@pytest.mark.parametrize("is_all", [True, False])
def test_what_evs_has_removed_and_goes_on_listing_is_done_with_at_the_end_of_the_time(is_all: bool) -> None:
    """There is nothing to pay for."""
    room = Room(answer_by=40.0)
    room.own(ids(1))
    room.listed = lambda _: [row(1, Status.ENTITLEMENT_REMOVED)]
    assert bool(remove(room, 40.0 if is_all else 20.0)) is not is_all


def test_what_is_forgotten_waits_for_calls_that_may_still_come() -> None:
    room = Room()
    room.called("CreateEntitlement", ids(1), 2.0, lands=50.0, until=115.0)
    assert remove(room) == []
    assert room.at - START >= 110.0


def test_adopted_goes_where_the_operation_has_completed_and_is_given_back_where_not() -> None:
    for completed, deleted in ((True, [ids(1)]), (False, [])):
        room = Room()
        room.completed = completed
        room.keep(room.state.hold(HERE, Holding(owned=ids(1), adopted={"vm-1": Adoption("earlier", START - 500.0)})))
        Evs(room, row(1))
        assert remove(room) == []
        assert room.deleted() == deleted
        assert room.state.may_be_ours(HERE) == frozenset()


def test_what_another_request_adopts_just_before_the_call_is_not_deleted() -> None:
    """Nobody has judged yet whether its operation completes."""
    room = Room()
    room.own(ids(1, 2))
    Evs(room, row(1), row(2))

    def adopt() -> None:
        holding = room.table.state.holding(HERE)
        room.keep(room.table.state.hold(HERE, holding.mark(ids(2), Adoption("newer", START))))
        room.table.before_write = lambda: None
        room.completed = False

    room.table.before_write = adopt
    assert remove(room) == []
    assert room.deleted() == [ids(1)]


def test_what_another_resource_declares_just_before_the_call_is_not_deleted() -> None:
    room = Room()
    room.own(ids(1, 2))
    Evs(room, row(1), row(2))

    def declare() -> None:
        room.declare(ids(2))
        room.table.before_write = lambda: None

    room.table.before_write = declare
    assert remove(room) == []
    assert room.deleted() == [ids(1)]
    assert room.state.owned(HERE) == ids(2)


def test_one_refused_vm_is_named_and_the_others_go() -> None:
    room = Room()
    room.own(ids(1, 2, 3))
    evs = Evs(room, row(1), row(2), row(3))

    def answer(operation: Any, vm_ids: VmIds) -> Rows:
        if "vm-2" in vm_ids:
            raise Refused("evs:DeleteEntitlement", "ValidationException", "vm-2 can't be deleted")
        return evs.answer(operation, vm_ids)

    room.answers = answer
    (left,) = remove(room)
    assert left.vm_ids == {"vm-2": "ValidationException: vm-2 can't be deleted"}
    # At once: they do not wait until the refusal is final.
    assert {vm_id for vm_id, at in evs.deleted.items() if at < START + 0.5} == ids(1, 3)
    assert room.state.owned(HERE) == ids(2)


def test_the_deadline_ends_a_removal() -> None:
    room = Room()
    room.own(ids(1))
    room.listed = lambda _: [row(1)]
    (left,) = remove(room, 30.0)
    assert left.vm_ids == {"vm-1": "still CREATED"}
    assert room.at - START < 35.0


def refuses(room: Room, evs: Evs, until: float, *numbers: int) -> None:
    """Let EVS refuse to delete these VMs for so long, naming them."""

    def answer(operation: Any, vm_ids: VmIds) -> Rows:
        if (guilty := sorted(vm_ids & ids(*numbers))) and room.at < START + until:
            raise Refused("evs:DeleteEntitlement", "ValidationException", f"{guilty[0]} can't be deleted")
        return evs.answer(operation, vm_ids)

    room.answers = answer


def another_deletes(room: Room, evs: Evs) -> None:
    """Let another invocation have vm-1 deleted, once, and tell the ledger."""
    if not evs.deleted:
        evs.deleted["vm-1"] = room.at
        call = Call("DeleteEntitlement", HERE, ids(1), room.at, room.at + 52, room.at + 300, "another", taken=True)
        room.table.stored = replace(room.table.stored, calls={**room.table.stored.calls, "theirs": call})


def test_a_refusal_of_what_another_invocation_has_just_deleted_is_no_failure() -> None:
    """EVS refused before, for long enough to give up; by now it refuses because the VM is gone, and still lists it."""
    room = Room()
    room.own(ids(1))
    evs = Evs(room, row(1), lag=20.0)
    refuses(room, evs, 1000.0, 1)

    room.table.before_write = lambda: another_deletes(room, evs)
    room.context.carried.refused_since["vm-1"] = START - 100.0
    assert remove(room) == []
    assert evs.deleted


def test_what_had_failed_and_may_not_be_deleted_stays_known_while_a_call_may_still_come() -> None:
    """The call could entitle it after all."""
    room = Room()
    room.own(ids(1))
    room.called("CreateEntitlement", ids(1), 2.0, lands=150.0, until=260.0, renewed=ids(1))
    evs = Evs(room, row(1, Status.CREATE_FAILED))
    refuses(room, evs, 1000.0, 1)
    known: list[tuple[float, bool]] = []
    listed = room.listed

    def noting(now: float) -> Any:
        known.append((now, "vm-1" in room.state.may_be_ours(HERE)))
        return listed(now)

    room.listed = noting
    assert remove(room) == []
    assert all(is_known for at, is_known in known if at < START + 260.0)
    assert known[-1][0] > START + 245.0


@pytest.mark.parametrize(
    ("status", "calls"), [(Status.CREATE_FAILED, 0), (Status.ENTITLEMENT_REMOVED, 0), (Status.CREATED, 1)]
)
def test_a_call_without_an_answer_is_awaited_where_there_is_nothing_to_pay_for(status: Status, calls: int) -> None:
    """Else each call that gets no answer would keep what EVS refuses to delete in the ledger for another minute."""
    room = Room()
    room.own(ids(1))
    room.called("DeleteEntitlement", ids(1), 1.0, lands=50.0, until=115.0, name="first")
    room.called("DeleteEntitlement", ids(1), 1.0, lands=50.0, until=115.0, name="second")
    room.context.carried.refused_since["vm-1"] = START - 100.0
    refuses(room, Evs(room, row(1, status)), 1000.0, 1)
    remove(room)
    assert len([at for at, *_ in room.calls if at < START + 50.0]) == calls


@pytest.mark.parametrize("status", [Status.CREATE_FAILED, Status.ENTITLEMENT_REMOVED, Status.CREATED])
@pytest.mark.parametrize("is_all", [True, False], ids=["the whole time", "a part of it"])
def test_what_had_failed_and_is_refused_to_the_end_of_the_time_is_done_with(status: Status, is_all: bool) -> None:
    """The refusal names no VM, so that it would count only after four minutes. There is nothing to pay for."""
    room = Room(answer_by=100.0)
    room.own(ids(1))
    room.listed = lambda _: [row(1, status)]

    def refused(*_: Any) -> Rows:
        raise Refused("evs:DeleteEntitlement", "ValidationException", "has no entitlement")

    room.answers = refused
    is_done = is_all and status is not Status.CREATED
    assert bool(remove(room, 100.0 if is_all else 60.0)) is not is_done
    assert room.state.owned(HERE) == (frozenset() if is_done else ids(1))


def test_others_learn_of_what_was_called_for_before_time_passes() -> None:
    room = Room()
    room.own(ids(1))
    Evs(room, row(1), lag=20.0)
    taken_when_paused: list[bool] = []
    pass_time = room.pass_time

    def noting(seconds: float) -> None:
        taken_when_paused.extend(call.taken for call in room.table.state.calls.values())
        pass_time(seconds)

    room.passing = noting
    assert remove(room) == []
    assert taken_when_paused
    assert all(taken_when_paused)


def test_what_another_resource_declares_during_a_pause_is_not_awaited_any_more() -> None:
    room = Room()
    room.own(ids(1))
    room.listed = lambda _: [row(1, Status.CREATING)]
    pass_time = room.pass_time

    def declaring(seconds: float) -> None:
        pass_time(seconds)
        declared = DeclaredSet("B", HERE, ids(1), "newer", 2, live=True)
        room.table.stored = room.table.stored.declare("other", declared)

    room.passing = declaring
    assert remove(room) == []
    assert room.looks == 1
    assert room.deleted() == []


def test_looks_from_before_a_creation_do_not_count() -> None:
    """Another resource declares the VM, creates it and fails, between two looks; one look passes the row over."""
    room = Room()
    room.own(ids(1))
    # What the invocation before has counted, rightly: then the VM held nothing.
    room.context.carried.missed = {HERE: {"vm-1": (START - 300.0, 2)}}
    # Since then it was called for, taken, listed, confirmed, and its set was dropped.
    room.keep(replace(room.table.state, claims=room.table.state.claims + 1))

    def listed(_: float) -> Any:
        if room.looks == 1 or any(operation == "DeleteEntitlement" for _, operation, _ in room.calls):
            return []
        return [row(1, started=START - 200.0)]

    room.listed = listed
    remove_all(room.context, START + 300.0, HERE)
    assert [vm_ids for _, operation, vm_ids in room.calls if operation == "DeleteEntitlement"] == [ids(1)]


def test_what_another_invocation_deletes_while_this_one_is_held_up_is_not_deleted_again() -> None:
    """Somebody else has entitled it since: the second call would hit that one."""
    room = Room()
    room.own(ids(1))
    evs = Evs(room, row(1))

    room.table.before_write = lambda: another_deletes(room, evs)
    assert remove(room) == []
    assert room.deleted() == []


def test_a_list_that_evs_refuses_for_five_minutes_is_refused_for_good() -> None:
    """Whoever comes to that connector again in this request, in whichever invocation, asks once."""
    room = Room()
    room.own(ids(1))

    def refused(_: float) -> Any:
        raise Refused("evs:ListVmEntitlements", "ValidationException", "being deleted")

    room.listed = refused
    (left,) = remove(room)
    assert 290 < room.at - START < 330
    assert "being deleted" in left.vm_ids["vm-1"]
    before = room.at
    (left,) = remove(room)
    assert room.at == before
    assert "being deleted" in left.vm_ids["vm-1"]


def test_a_list_that_evs_refuses_in_between_is_refused_since_then() -> None:
    room = Room()
    room.own(ids(1))
    room.context.carried.list_refused_since = {HERE: START - 200.0}
    evs = Evs(room, row(1), lag=20.0)

    def refused_later(now: float) -> Any:
        if START + 5.0 < now < START + 130.0:
            raise Refused("evs:ListVmEntitlements", "ValidationException", "being deleted")
        return evs.listed(now)

    room.listed = refused_later
    assert remove(room) == []


def test_a_removal_elsewhere_and_one_with_another_end_have_their_own_time() -> None:
    carried = Room().context.carried
    assert carried.removing_since(HERE, 900.0, 100.0) == 100.0
    assert carried.removing_since(THERE, 900.0, 150.0) == 150.0
    assert carried.removing_since(HERE, 900.0, 200.0) == 100.0
    # The undo of a request has another end than what it did before.
    assert carried.removing_since(HERE, 1200.0, 300.0) == 300.0
    assert carried.removing_since(HERE, 1200.0, 400.0) == 300.0


def test_what_else_comes_to_be_removed_has_its_own_time() -> None:
    room = Room()
    room.own(ids(1))
    Evs(room, row(1))
    assert remove(room) == []
    assert room.context.carried.removing == {}


@pytest.mark.parametrize(
    ("kind", "is_failing", "retains", "is_last"),
    [
        ("Update", False, True, True),
        ("Update", False, False, False),
        ("Update", True, True, False),
        ("Delete", False, True, False),
    ],
    ids=["all retained", "one is not", "fails", "Delete"],
)
def test_a_request_after_which_none_may_come(kind: Any, is_failing: bool, retains: bool, is_last: bool) -> None:
    room = Room(kind)
    room.fence.is_failing = is_failing
    kept = DeclaredSet("A", HERE, ids(1), "r", 1, live=True, kept=True)
    other = DeclaredSet("B", HERE, ids(2), "r", 2, live=True, retains=retains)
    room.keep(State(sets={"kept": kept, "other": other}))
    room.fence.load(START + 9.0)
    assert room.context.is_last_to_come is is_last


@pytest.mark.parametrize(("whose", "waits"), [("another", True), ("me", False)])
def test_the_deletion_of_another_invocation_that_is_on_its_way_is_awaited(whose: str, waits: bool) -> None:
    """A second call could hit whoever entitles the VM between the two. One that tells nothing is awaited no longer."""
    room = Room()
    room.own(ids(1))
    on_its_way = Call("DeleteEntitlement", HERE, ids(1), START - 1.0, START + 51.0, START + 116.0, whose)
    room.keep(announce(room.fence.state, {"on-its-way": on_its_way}))
    Evs(room, row(1))
    assert remove(room) == []
    first = min(at for at, _, _ in room.calls)
    assert (first >= START - 1.0 + room.pace.others_for) is waits
