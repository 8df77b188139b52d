"""One changing call: when it leaves, what the ledger knows of it before and after, whose entitlement it has made."""

import contextlib
from dataclasses import replace
from typing import Any

import pytest

from lambda_handler.aws.calls import Denied, NotFound, Refused, Throttled, Unanswered
from lambda_handler.errors import LedgerFailure, Overtaken
from lambda_handler.evs.rows import Rows, Status
from lambda_handler.ledger import calls
from lambda_handler.ledger.records import Call, RequestRecord
from lambda_handler.steps.mutation import Lost, NotSent, Refusal, Taken
from lambda_handler.steps.unsettled import Ours
from lambda_handler.values import VmIds
from tests.support.room import HERE, START, Room, ids, row

ACTION = "evs:CreateEntitlement"
NOBODY: VmIds = frozenset()


def create(room: Room, *batches: VmIds, former: Rows | None = None) -> list[Any]:
    return [outcome for _, outcome in room.mutations.run("CreateEntitlement", HERE, batches, former or {})]


def fails(room: Room, error: Exception, at: int = 1) -> None:
    """Let the call of this number fail."""

    def answer(*_: Any) -> Rows:
        if len(room.calls) == at:
            raise error
        return {}

    room.answers = answer


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Unanswered(ACTION, "ReadTimeoutError", ""), Lost),
        (Refused(ACTION, "ValidationException", "no"), Refusal),
        (NotFound(ACTION, "ResourceNotFoundException", "no"), Refusal),
        (Throttled(ACTION, "ThrottlingException", "slow"), NotSent),
        (Denied(ACTION, "AccessDeniedException", "no"), NotSent),
    ],
)
def test_after_one_that_failed_no_other_leaves_and_the_ledger_does_not_count_them(
    error: Exception, outcome: type[Any]
) -> None:
    """Which VM was refused, or whether EVS is there at all, is to be found out first."""
    room = Room("Create")
    fails(room, error, at=2)
    found = create(room, ids(1), ids(2), ids(3), ids(4))
    assert [type(one) for one in found] == [Taken, outcome]
    assert [vm_ids for _, _, vm_ids in room.calls] == [ids(1), ids(2)]
    room.fence.write()
    expected = ids(1, 2) if outcome is Lost else ids(1)
    assert room.table.state.may_be_ours(HERE) == expected
    assert room.table.state.owned(HERE) == ids(1)


def test_the_ledger_is_told_before_each_call() -> None:
    room = Room("Create")

    def answer(_: Any, vm_ids: VmIds) -> Rows:
        assert vm_ids <= room.table.state.may_be_ours(HERE)
        assert not vm_ids & room.table.state.owned(HERE)
        return {}

    room.answers = answer
    assert len(create(room, ids(1, 2), ids(3))) == 2


@pytest.mark.parametrize("seconds", [2.0, 20.0])
def test_a_call_that_was_held_up_does_not_leave(seconds: float) -> None:
    """A newer request may have come since the ledger was told."""
    room = Room("Create")
    room.table.before_write = lambda: room.pass_time(seconds)
    (outcome,) = create(room, ids(1))
    assert outcome == NotSent()
    assert room.calls == []
    assert room.state.may_be_ours(HERE) == NOBODY
    # Where all is slow, the next one has more time.
    assert room.fence.send_within > room.pace.send_within


def test_an_entitlement_from_before_the_call_is_not_ours_though_evs_answers_with_success() -> None:
    room = Room("Create")
    room.answers = lambda *_: {"vm-1": row(1, started=START - 100.0), "vm-2": row(2, Status.CREATING, START + 0.2)}
    (outcome,) = create(room, ids(1, 2))
    assert outcome.foreign == ids(1)
    room.fence.write()
    assert room.table.state.owned(HERE) == room.table.state.may_be_ours(HERE) == ids(2)


def test_an_entitlement_from_between_announcement_and_call_is_not_ours_either() -> None:
    """Another stack was quicker, and EVS answers with what that one has made."""
    room = Room("Create")
    room.table.before_write = lambda: room.pass_time(0.24)
    room.answers = lambda *_: {"vm-1": row(1, started=START + 0.1)}
    (outcome,) = create(room, ids(1))
    assert outcome.foreign == ids(1)


def created_while_another_calls(began: float) -> VmIds:
    """Return who is somebody else's after a creation, during which another resource calls for the VM, too.

    EVS answers with an entitlement that began 0.1 s after the start.

    Args:
        began: when the other call began, in seconds after the start.
    """
    room = Room("Create")
    room.table.before_write = lambda: room.pass_time(0.24)

    def answer(*_: Any) -> Rows:
        state = room.table.stored
        other = Call("CreateEntitlement", HERE, ids(1), START + began, START + 52.0, START + 117.0, "another")
        # In the ledger, where this invocation has not read it yet.
        room.table.stored = replace(state, calls={**state.calls, "other": other})
        return {"vm-1": row(1, started=START + 0.1)}

    room.answers = answer
    (outcome,) = create(room, ids(1))
    foreign: VmIds = outcome.foreign
    return foreign


def test_what_another_resource_of_the_stack_has_made_in_between_is_ours() -> None:
    """It told the ledger after this one, and its call was quicker."""
    assert created_while_another_calls(began=0.05) == NOBODY


def test_a_later_call_of_another_resource_does_not_explain_what_another_stack_made_before() -> None:
    assert created_while_another_calls(began=0.5) == ids(1)


@pytest.mark.parametrize("says", ["nothing", "it was answered with it, too", "it has made it"])
def test_what_only_a_call_without_an_answer_explains_waits_for_what_that_one_says(says: str) -> None:
    """The call of another resource had been announced when the entitlement began. EVS answers this one with it."""
    room = Room("Create")
    room.called("CreateEntitlement", ids(1), 1.0, lands=52.0, until=117.0)
    room.table.before_write = lambda: room.pass_time(0.24)
    room.answers = lambda *_: {"vm-1": row(1, started=START + 0.1)}
    claimed: list[VmIds] = []

    def passing(seconds: float) -> None:
        own = [one for name, one in room.table.stored.calls.items() if name != "call"]
        claimed.append(NOBODY.union(*(one.vm_ids for one in own)))
        if room.at < START + 4.0 <= room.at + seconds:
            room.table.before_write = lambda: None
            if says == "it has made it":
                room.table.stored = calls.take(room.table.stored, "call", ids(1), START + 69.0)
            elif says != "nothing":
                room.table.stored = calls.void(room.table.stored, "call")
        room.pass_time(seconds)

    room.passing = passing
    (outcome,) = create(room, ids(1))
    assert outcome.foreign == (ids(1) if says == "it was answered with it, too" else NOBODY)
    # The other one may wait for this one in the same way.
    assert set(claimed) == {NOBODY}
    waited = room.at - START
    assert 13.0 < waited < 17.0 if says == "nothing" else 3.0 < waited < 6.0
    room.fence.write()
    assert room.table.stored.owned(HERE) == (ids(1) if says == "it has made it" else NOBODY)


@pytest.mark.parametrize("what", ["heard", "overtaken", "ledger"])
def test_what_could_not_be_heard_is_not_claimed(what: str) -> None:
    """Only a call of another resource explains the row; before that one can say that it was refused this one ends."""
    room = Room("Create")
    room.called("CreateEntitlement", ids(1), 1.0, lands=52.0, until=117.0)
    room.table.before_write = lambda: room.pass_time(0.24)
    load = room.table.load

    def failing(until: float) -> Any:
        raise LedgerFailure("out of reach")

    def answer(*_: Any) -> Rows:
        room.table.before_write = lambda: None
        if what == "overtaken":
            newer = RequestRecord("Delete", "s", "A", "", None, 2, START + 3570.0, arrived=room.at, before=("r",))
            room.table.stored = replace(room.table.stored, requests={"A": newer})
        elif what == "ledger":
            room.table.load = failing  # type: ignore[method-assign]
        return {"vm-1": row(1, started=START + 0.1)}

    def passing(seconds: float) -> None:
        room.table.stored = calls.void(room.table.stored, "call")
        room.pass_time(seconds)

    room.passing = passing
    room.answers = answer
    with contextlib.suppress(Overtaken):
        room.mutations.run("CreateEntitlement", HERE, [ids(1)], {})
    # The other invocation says that EVS has answered it with somebody else's entitlement.
    room.table.load = load  # type: ignore[method-assign]
    room.table.stored = calls.void(room.table.stored, "call")
    room.fence.withdraw()
    assert room.table.stored.owned(HERE) == frozenset()
    assert not Ours(room.table.stored, HERE).has(row(1, started=START + 0.1))


def test_what_is_somebody_elses_for_certain_is_not_waited_for() -> None:
    """It began before any call of ours."""
    room = Room("Create")
    room.called("CreateEntitlement", ids(1), 1.0, lands=52.0, until=117.0)
    room.answers = lambda *_: {"vm-1": row(1, started=START - 50.0)}
    (outcome,) = create(room, ids(1))
    assert outcome.foreign == ids(1)
    assert room.at - START < 1.0


@pytest.mark.parametrize(("known", "foreign"), [(NOBODY, NOBODY), (ids(1), ids(1))])
def test_what_has_become_ours_since_the_plan_another_resource_has_made(known: VmIds, foreign: VmIds) -> None:
    """The list has confirmed it, so that no call of the other one is left in the ledger.

    What was ours at the plan, and not entitled any more, somebody else may have entitled since.
    """
    room = Room("Create")
    room.own(ids(1))
    room.answers = lambda *_: {"vm-1": row(1, started=START - 10.0)}
    ((_, outcome),) = room.mutations.run("CreateEntitlement", HERE, [ids(1)], {}, known=known)
    assert isinstance(outcome, Taken)
    assert outcome.foreign == foreign


@pytest.mark.parametrize(
    ("status", "renewed"),
    [(Status.CREATE_FAILED, ids(1)), (Status.ENTITLEMENT_REMOVED, ids(1)), (Status.CREATED, NOBODY)],
)
def test_only_what_had_failed_or_ended_may_be_renewed_under_its_old_row(status: Status, renewed: VmIds) -> None:
    """What is held, somebody holds: its start says whose it is, however often it is called for."""
    room = Room("Create")
    fails(room, Unanswered(ACTION, "ReadTimeoutError", ""))
    create(room, ids(1), former={"vm-1": row(1, status)})
    (call,) = room.state.calls.values()
    assert call.renewed == renewed


def test_a_refusal_ends_trouble_since_evs_has_answered() -> None:
    room = Room("Create")
    fails(room, Refused(ACTION, "ValidationException", "no"))
    room.retries.trouble_since = START - 290.0
    create(room, ids(1))
    assert room.retries.trouble_since is None


def test_a_call_whose_vms_are_all_somebody_elses_is_forgotten() -> None:
    room = Room("Create")
    room.answers = lambda *_: {"vm-1": row(1, started=START - 100.0)}
    create(room, ids(1))
    room.fence.write()
    assert room.table.state.calls == {}


def test_the_row_of_an_entitlement_that_had_failed_is_ours_when_evs_goes_on_with_it() -> None:
    """Its start is from before the call, and says nothing."""
    room = Room("Create")
    former = row(1, Status.CREATE_FAILED, started=START - 500.0)
    room.answers = lambda *_: {"vm-1": row(1, Status.CREATING, started=START - 500.0)}
    (outcome,) = create(room, ids(1), former={"vm-1": former})
    assert outcome.foreign == NOBODY
    room.fence.write()
    assert room.table.state.owned(HERE) == ids(1)
    assert Ours(room.table.state, HERE).has(row(1, started=START - 500.0))


def test_a_lost_call_may_still_land_and_is_known_for_so_long() -> None:
    for is_fault, lands_within in ((False, 52.0), (True, 11.0)):
        room = Room("Create")
        error = Unanswered(ACTION, "InternalServerException", "")
        error.is_fault = is_fault
        fails(room, error)
        create(room, ids(1))
        (call,) = room.state.calls.values()
        assert call.lands_by == room.at + lands_within
        assert call.until == call.lands_by + room.pace.list_lag
        assert not call.taken


def test_deletions_are_limited_to_what_the_ledger_allows_at_that_moment() -> None:
    room = Room()
    room.own(ids(1, 2))
    outcomes = room.mutations.run("DeleteEntitlement", HERE, [ids(1, 2)], {}, allowed=lambda _: ids(2))
    assert [vm_ids for vm_ids, _ in outcomes] == [ids(2)]
    assert room.deleted() == [ids(2)]
