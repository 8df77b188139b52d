"""Creation: batches, refusals that are taken apart, lost calls, and whose entitlement a refusal is about."""

from typing import Any

import pytest

from lambda_handler.aws.calls import NotFound, Refused, Throttled, Unanswered
from lambda_handler.cloudformation.properties import Properties
from lambda_handler.errors import Failure, HandOver
from lambda_handler.evs.rows import Row, Rows, Status
from lambda_handler.ledger import calls
from lambda_handler.ledger.records import DeclaredSet
from lambda_handler.steps.entitle import Entitling
from lambda_handler.steps.progress import Progress
from lambda_handler.values import VmIds
from tests.support.room import HERE, START, Room, ids, row

ACTION = "evs:CreateEntitlement"


class Creation:
    """A room, and the creation that is tried in it."""

    def __init__(self, *, adopts: bool = False, **deadlines: float) -> None:
        self.room = Room("Create", None, **deadlines)
        self.progress = Progress({}, {}, {})
        self.declared = Properties(HERE, ids(1), adopt_existing=adopts)
        self.entitling = Entitling(self.room.context, self.declared, self.progress)

    def go_on(self) -> None:
        """Let a fresh invocation go on: it knows what it is told."""
        self.room.begin_anew(30.0)
        self.progress = Progress({}, self.progress.failed, {})
        self.entitling = Entitling(self.room.context, self.declared, self.progress)

    def create(self, *numbers: int) -> None:
        """Create in as many invocations as it takes."""
        while True:
            try:
                return self.entitling.create(ids(*numbers))
            except HandOver:
                self.go_on()

    def called_for(self) -> list[VmIds]:
        return [vm_ids for _, _, vm_ids in self.room.calls]

    def refuses(self, *numbers: int, message: str = "can't be entitled", names: bool = True) -> None:
        """Let EVS refuse each call that has one of these VMs."""

        def answer(_: Any, vm_ids: VmIds) -> Rows:
            if guilty := sorted(vm_ids & ids(*numbers)):
                named = " ".join(guilty) if names else "one of them"
                raise Refused(ACTION, "ValidationException", f"{named} {message}")
            return {}

        self.room.answers = answer


def test_a_lost_call_is_not_repeated_for_what_it_has_made() -> None:
    creation = Creation()
    room = creation.room

    def answer(*_: Any) -> Rows:
        if len(room.calls) == 1:
            raise Unanswered(ACTION, "ReadTimeoutError", "")
        return {}

    room.answers = answer
    room.listed = lambda now: [row(1, Status.CREATING, started=START + 0.3)] if room.calls else []
    creation.entitling.create(ids(1, 2))
    assert creation.called_for() == [ids(1, 2), ids(2)]
    # Where the ledger goes, this is what there is to undo.
    assert creation.progress.made == ids(1, 2)


def test_a_lost_call_that_is_not_seen_is_noted_as_what_may_have_been_made() -> None:
    creation = Creation(answer_by=20.0, undo_time=5.0)

    def answer(*_: Any) -> Rows:
        raise Unanswered(ACTION, "ReadTimeoutError", "")

    creation.room.answers = answer
    with pytest.raises(Failure):
        creation.entitling.create(ids(1))
    assert creation.progress.made == ids(1)


@pytest.mark.parametrize("names", [True, False])
def test_one_refused_vm_is_singled_out_and_the_others_are_created(names: bool) -> None:
    creation = Creation()
    creation.refuses(3, names=names)
    creation.entitling.create(ids(*range(1, 9)))
    assert list(creation.progress.failed) == ["vm-3"]
    assert creation.progress.made == ids(1, 2, 4, 5, 6, 7, 8)


@pytest.mark.parametrize("started", [START - 500.0, 0.0])
def test_what_somebody_else_holds_is_not_what_our_refused_batch_has_made(started: float) -> None:
    creation = Creation()
    creation.refuses(1, message="is entitled already")
    held: list[Row] = [row(1, started=started)]
    creation.room.listed = lambda _: held
    creation.entitling.create(ids(1, 2))
    assert "somebody else" in creation.progress.failed["vm-1"]
    assert creation.progress.made == ids(2)
    creation.room.fence.write()
    assert creation.room.table.state.may_be_ours(HERE) == ids(2)


@pytest.mark.parametrize("is_theirs", [False, True])
def test_what_only_the_call_of_another_invocation_explains_waits_for_what_that_one_says(is_theirs: bool) -> None:
    """A third one was quicker than both, and the other invocation is refused as well; or the other one made it."""
    creation = Creation()
    room = creation.room
    room.called("CreateEntitlement", ids(1), 0.1, lands=52.0, until=117.0)
    room.listed = lambda _: [row(1, started=START + 0.1)]
    creation.refuses(1, message="already has an entitlement")

    def says(seconds: float) -> None:
        if room.at < START + 4.0 <= room.at + seconds:
            state = calls.take(room.table.stored, "call", ids(1), START + 69.0) if is_theirs else None
            room.table.stored = state or calls.void(room.table.stored, "call")
        room.pass_time(seconds)

    room.passing = says
    creation.entitling.create(ids(1))
    room.fence.write()
    assert room.state.owned(HERE) == (ids(1) if is_theirs else frozenset())
    assert creation.progress.failed.keys() == (frozenset() if is_theirs else ids(1))


def test_what_another_invocation_has_told_the_ledger_since_is_ours() -> None:
    """Its call is in the ledger as this one knows it. In the table it is confirmed by now, and forgotten."""
    creation = Creation()
    room = creation.room
    room.called("CreateEntitlement", ids(1), 0.1, lands=52.0, until=117.0)
    room.listed = lambda _: [row(1, started=START + 0.1)]

    def answer(*_: Any) -> Rows:
        state = calls.take(room.table.stored, "call", ids(1), START + 69.0)
        room.table.stored = calls.confirm(state, HERE, {"vm-1": START}, state)
        raise Refused(ACTION, "ValidationException", "vm-1 already has an entitlement")

    room.answers = answer
    creation.entitling.create(ids(1))
    assert not creation.progress.failed
    assert len(room.calls) == 1


def test_of_thousands_of_refused_vms_only_some_are_singled_out() -> None:
    creation = Creation()
    creation.refuses(*range(1, 3001), names=False)
    creation.entitling.create(ids(*range(1, 3001)))
    assert len(creation.progress.failed) == creation.room.pace.most_singled_out
    assert len(creation.progress.untried) == 3000 - creation.room.pace.most_singled_out
    assert len(creation.room.calls) < 500


@pytest.mark.parametrize("what", [HERE.environment_id, HERE.connector_id])
def test_one_not_found_is_asked_about_again(what: str) -> None:
    creation = Creation()
    room = creation.room

    def answer(*_: Any) -> Rows:
        if room.at < START + 5.0:
            error = NotFound(ACTION, "ResourceNotFoundException", "not found")
            error.resource_id = what
            raise error
        return {}

    room.answers = answer
    creation.entitling.create(ids(1))
    assert creation.progress.made == ids(1)


def test_two_not_founds_far_apart_fail_no_creation() -> None:
    creation = Creation()
    room = creation.room

    def answer(*_: Any) -> Rows:
        if len(room.calls) in (1, 5):
            error = NotFound(ACTION, "ResourceNotFoundException", "not found")
            error.resource_id = HERE.connector_id
            raise error
        if len(room.calls) < 5:
            room.pass_time(4.0)
            raise Throttled(ACTION, "ThrottlingException", "slow")
        return {}

    room.answers = answer
    creation.entitling.create(ids(1))
    assert creation.progress.made == ids(1)


def test_a_not_found_that_stays_fails_and_names_what_is_missing() -> None:
    creation = Creation()
    error = NotFound(ACTION, "ResourceNotFoundException", "not found")
    error.resource_id = HERE.connector_id

    def answer(*_: Any) -> Rows:
        raise error

    creation.room.answers = answer
    with pytest.raises(Failure, match=rf"connector {HERE.connector_id} of environment .* was not found"):
        creation.entitling.create(ids(1))
    assert creation.room.at - START < 20


def test_the_time_for_undoing_is_not_used_for_creating() -> None:
    creation = Creation(answer_by=100.0, undo_time=40.0)
    room = creation.room

    def slow(*_: Any) -> Rows:
        room.pass_time(25.0)
        return {}

    room.answers = slow
    with pytest.raises(Failure, match=r"time is up: .* not created yet"):
        creation.entitling.create(ids(*range(1, 1001)))
    assert all(at < START + 60.0 for at, _, _ in room.calls)


@pytest.mark.parametrize("is_known", [True, False])
def test_what_another_resource_has_confirmed_during_our_look_is_ours(is_known: bool) -> None:
    """It tells the ledger of its call, of the row and of its success while this look is on its way."""
    creation = Creation()
    room = creation.room
    if is_known:
        room.called("CreateEntitlement", ids(1), 0.1, lands=52.0, until=117.0)
    creation.refuses(1, message="is already entitled")

    def listed(_: float) -> Any:
        state = calls.take(room.table.stored, "call", ids(1), START + 69.0)
        state = calls.confirm(state, HERE, {"vm-1": START + 0.1}, state)
        if not is_known:
            state = state.hold(HERE, state.holding(HERE).own(ids(1)))
        room.table.stored = state.declare("web", DeclaredSet("Web", HERE, ids(1), "web", 1, live=True))
        return [row(1, started=START + 0.1)]

    room.listed = listed
    creation.entitling.create(ids(1))
    assert creation.progress.failed == {}


# --- several invocations ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_best_effort", [False, True])
def test_refusals_of_all_invocations_count_together(is_best_effort: bool) -> None:
    creation = Creation()
    creation.refuses(*range(1, 101), names=False)
    creation.entitling.create(ids(*range(1, 101)), is_best_effort=is_best_effort)
    calls = len(creation.room.calls)
    creation.go_on()
    creation.entitling.create(ids(*range(1, 101)), is_best_effort=is_best_effort)
    assert len(creation.room.calls) == calls
    assert len(creation.progress.failed) == creation.room.pace.most_singled_out
    assert len(creation.progress.untried) == 100 - creation.room.pace.most_singled_out


def test_refusals_of_what_was_ours_before_keep_nothing_new_from_being_tried() -> None:
    """The request does not fail for them."""
    creation = Creation()
    creation.refuses(*range(1, 101), names=False)
    creation.entitling.create(ids(*range(1, 101)), is_best_effort=True)
    creation.go_on()
    creation.entitling.create(ids(101))
    assert creation.called_for()[-1] == ids(101)
    assert creation.progress.untried == frozenset()


def test_a_not_found_is_believed_across_invocations() -> None:
    """EVS asks for long pauses, so that no invocation hears of it three times."""
    creation = Creation(remaining=30.0)
    room = creation.room

    def answer(*_: Any) -> Rows:
        room.pass_time(6.0)
        error = NotFound(ACTION, "ResourceNotFoundException", "not found")
        error.resource_id = HERE.connector_id
        raise error

    room.answers = answer
    with pytest.raises(Failure, match=rf"connector {HERE.connector_id} of environment .* was not found"):
        creation.create(1)
    assert len(room.calls) == room.pace.not_found_answers


@pytest.mark.parametrize("remaining", [30.0, 900.0])
@pytest.mark.parametrize(
    ("message", "lasts"),
    [
        ("already has an entitlement", 65.0),
        ("exists", 65.0),
        ("has an existing entitlement", 65.0),
        ("does not exist", 0.0),
        ("doesn't exist", 0.0),
        ("no longer exists", 0.0),
        ("is nonexistent", 0.0),
    ],
)
def test_a_refusal_that_the_list_never_explains_is_believed_after_it_can_lag_no_more(
    message: str, lasts: float, remaining: float
) -> None:
    """It is somebody's whom the list does not show yet, or nobody's. That a VM is not there needs no explanation."""
    creation = Creation(adopts=True, remaining=remaining)
    creation.refuses(1, message=message)
    creation.create(1)
    assert message in creation.progress.failed["vm-1"]
    assert lasts <= creation.room.at - START <= lasts + 15.0


def test_what_evs_takes_in_the_end_is_doubted_no_more() -> None:
    creation = Creation(adopts=True)
    creation.refuses(1, message="already has an entitlement")
    refuse = creation.room.answers
    creation.room.answers = lambda operation, vm_ids: {} if len(creation.room.calls) > 3 else refuse(operation, vm_ids)
    creation.create(1)
    assert creation.progress.made == ids(1)
    assert creation.room.context.carried.doubted_since == {}
