"""Calls in the ledger: what their outcomes, and looks at EVS, mean for what is ours."""

from collections.abc import Callable

import pytest

from lambda_handler.ledger import calls
from lambda_handler.ledger.records import Adoption, Call, DeclaredSet, Holding, Operation
from lambda_handler.ledger.state import State
from lambda_handler.values import Connector, VmIds

HERE = Connector("env-abcde12345", "cnctr-abcde12345")
ONE = frozenset({"vm-1"})


def call(
    left_at: float,
    until: float,
    *,
    vm_ids: VmIds = ONE,
    operation: Operation = "CreateEntitlement",
    taken: bool = False,
) -> Call:
    return Call(operation, HERE, vm_ids, left_at, until, until, "invocation", taken)


def confirmed(state: State, started: float) -> State:
    """Return a ledger after a look of now."""
    return calls.confirm(state, HERE, {"vm-1": started}, state)


def test_what_evs_took_is_ours_and_what_it_refused_is_not() -> None:
    state = calls.announce(State(), {"a": call(1, 9), "b": call(1, 9, vm_ids=frozenset({"vm-2"}))})
    assert state.claims == 1
    state = calls.void(calls.take(state, "a", ONE, 20), "b")
    assert state.owned(HERE) == ONE
    assert state.may_be_ours(HERE) == ONE
    assert calls.take(state, "a", frozenset(), 5) is state


def test_a_row_explains_what_evs_took() -> None:
    state = confirmed(State(calls={"a": call(1, 9, taken=True)}), 2.0)
    assert state.calls == {}
    assert state.holding(HERE).owned == ONE


def test_a_row_explains_the_only_call_that_was_not_answered() -> None:
    state = confirmed(State(calls={"a": call(1, 9)}), 0.0)
    assert state.calls == {}
    assert state.holding(HERE).owned == ONE


@pytest.mark.parametrize(
    ("started", "left"), [(0.0, {"lost"}), (12.0, {"lost"}), (5.0, set())], ids=["unknown", "retry's", "lost call's"]
)
def test_a_row_explains_one_of_a_lost_call_and_its_retry(started: float, left: set[str]) -> None:
    """A lost call that the row does not explain may still take effect."""
    state = State(calls={"lost": call(1, 99), "retry": call(10, 99, taken=True)})
    assert set(confirmed(state, started).calls) == left


def test_a_row_says_nothing_of_a_call_that_was_announced_after_the_look() -> None:
    """The VM was deleted since, and is called for again; who saw the former entitlement writes it down only now."""
    state = State(calls={"new": call(50, 99)})
    assert calls.confirm(state, HERE, {"vm-1": 2.0}, State(calls={"old": call(1, 9)})) is state


def test_a_row_may_be_of_a_call_that_this_invocation_has_not_heard_of() -> None:
    """Another resource was quicker. The own call was lost, and may yet land: it is awaited."""
    own, others = call(1, 99), call(5, 98)
    state = calls.confirm(State(calls={"own": own, "others": others}), HERE, {"vm-1": 7.0}, State(calls={"own": own}))
    assert calls.take(state, "others", ONE, 70.0).calls["own"] == own


def test_a_row_of_what_is_ours_already_explains_no_call() -> None:
    state = State(holdings={HERE: Holding(ONE)}, calls={"lost": call(1, 99)})
    assert set(confirmed(state, 50.0).calls) == {"lost"}


def test_what_holds_nothing_is_forgotten_with_its_calls() -> None:
    state = State(holdings={HERE: Holding(ONE)}, calls={"a": call(1, 9)})
    forgotten = calls.forget(state, HERE, ONE, looked_at=10.0, claims=0)
    assert forgotten.may_be_ours(HERE) == frozenset()


@pytest.mark.parametrize(
    "state",
    [
        State(holdings={HERE: Holding(ONE)}, calls={"a": call(1, 11)}),
        State(holdings={HERE: Holding(ONE)}, claims=1),
        State(holdings={HERE: Holding(ONE)}, sets={"s": DeclaredSet("A", HERE, ONE, "r", 1)}),
    ],
    ids=["a call may still take effect", "others have called since the look", "a set declares it"],
)
def test_what_a_look_does_not_prove_is_not_forgotten(state: State) -> None:
    assert calls.forget(state, HERE, ONE, looked_at=10.0, claims=0) is state


def test_that_evs_took_a_deletion_is_remembered_until_the_vm_is_created_again() -> None:
    deleted = call(5, 300, operation="DeleteEntitlement", taken=True)
    state = State(holdings={HERE: Holding(ONE)}, calls={"d": deleted})
    forgotten = calls.forget(state, HERE, ONE, looked_at=10.0, claims=0)
    assert forgotten.calls == {"d": deleted}
    created = calls.take(calls.announce(forgotten, {"c": call(20, 99)}), "c", ONE, 99)
    assert set(created.calls) == {"c"}


def test_a_call_whose_outcome_nobody_knows_is_kept_until_a_look_has_shown_it() -> None:
    state = State(
        calls={
            "creation": call(1, 9),
            "unanswered deletion": call(1, 9, operation="DeleteEntitlement"),
            "recent deletion": call(1, 99, operation="DeleteEntitlement"),
        }
    )
    assert set(calls.pruned(state, 10.0).calls) == {"creation", "recent deletion"}
    assert calls.pruned(State(holdings={HERE: Holding(ONE)}, calls={"creation": call(1, 9)}), 10.0).calls == {}


def test_every_transition_does_nothing_where_it_is_done() -> None:
    state = calls.announce(State(), {"a": call(1, 9)})
    transitions: tuple[Callable[[State], State], ...] = (
        lambda s: calls.take(s, "a", ONE, 20.0),
        lambda s: calls.lose(s, "a", 25.0, 30.0),
        lambda s: calls.void(s, "a"),
        lambda s: confirmed(s, 2.0),
        lambda s: calls.pruned(s, 10.0),
    )
    for transition in transitions:
        once = transition(state)
        assert transition(once) == once


@pytest.mark.parametrize(
    ("creation", "is_left"),
    [
        (call(1, 4), False),
        (call(1, 9), True),
        (call(1, 4, taken=True), True),
        (call(1, 4, operation="DeleteEntitlement"), True),
    ],
    ids=["over", "may still land", "taken", "another deletion"],
)
def test_a_deletion_that_evs_took_ends_the_creations_that_are_over(creation: Call, is_left: bool) -> None:
    """A creation without an answer that may still land comes after the deletion: it must not be forgotten."""
    state = State(holdings={HERE: Holding(ONE)}, calls={"c": creation, "d": call(5, 9, operation="DeleteEntitlement")})
    assert ("c" in calls.take(state, "d", ONE, 300).calls) == is_left


def test_a_deletion_ends_no_creation_of_what_is_not_known_to_be_ours() -> None:
    """What a lost creation has made is known only once the list has shown it."""
    state = State(calls={"c": call(1, 4), "d": call(5, 9, operation="DeleteEntitlement")})
    assert "c" in calls.take(state, "d", ONE, 300).calls


@pytest.mark.parametrize(
    ("deletion", "is_left"),
    [
        (call(5, 300, operation="DeleteEntitlement", taken=True), False),
        (call(5, 300, operation="DeleteEntitlement"), True),
        (call(30, 300, operation="DeleteEntitlement", taken=True), True),
    ],
    ids=["taken", "unanswered", "taken since"],
)
def test_a_creation_ends_the_deletions_that_evs_took_before_it(deletion: Call, is_left: bool) -> None:
    """A deletion without an answer may still hit what is created now."""
    state = State(calls={"d": deletion, "c": call(20, 99)})
    assert ("d" in calls.take(state, "c", ONE, 99).calls) == is_left
    assert ("d" in confirmed(state, 21.0).calls) == is_left


def test_a_row_explains_the_only_lost_call_before_it_began() -> None:
    state = State(calls={"first": call(1, 99), "second": call(10, 99), "third": call(20, 99)})
    assert set(confirmed(state, 5.0).calls) == {"second", "third"}


@pytest.mark.parametrize("started", [22.0, 0.0], ids=["after both", "not known"])
def test_of_several_lost_calls_the_one_that_may_land_last_is_still_awaited(started: float) -> None:
    """The first lost its connection at once; the second got no answer for 15 s, so that nobody knows longer."""
    state = State(calls={"first": call(1, 53), "second": call(17, 84)})
    assert calls.pruned(confirmed(state, started), 60.0).calls.keys() == {"second"}


def test_a_row_that_may_be_of_several_calls_explains_none_of_them() -> None:
    """Who has made the second one may be about to say that EVS took it: then the first may still land."""
    first, second = call(1, 53), call(2, 54)
    state = calls.take(confirmed(State(calls={"first": first, "second": second}), 3.0), "second", ONE, 67.0)
    assert state.calls["first"] == first


def test_a_call_has_no_effect_before_it_leaves() -> None:
    """What began between its announcement and then is somebody else's."""
    state = State(calls={"a": call(1, 9), "b": call(1, 9)})
    assert calls.take(state, "a", ONE, 20.0, sent_at=3.0).calls["a"].left_at == 3.0
    assert calls.lose(state, "b", 25.0, 30.0, sent_at=3.0).calls["b"].left_at == 3.0


def test_how_long_a_lost_call_may_land_is_noted() -> None:
    lost = calls.lose(State(calls={"a": call(1, 9)}), "a", 25.0, 30.0).calls["a"]
    assert (lost.lands_by, lost.until, lost.taken) == (25.0, 30.0, False)


@pytest.mark.parametrize(("now", "is_left"), [(70.0, False), (40.0, True)], ids=["over", "may still land"])
def test_what_is_adopted_began_after_each_deletion_that_is_over(now: float, is_left: bool) -> None:
    taken = call(5, 300, operation="DeleteEntitlement", taken=True)
    state = State(calls={"taken": taken, "lost": call(6, 60, operation="DeleteEntitlement")})
    adopted = calls.adopt(state, HERE, ONE, Adoption("r", 1.0), now)
    assert set(adopted.calls) == ({"lost"} if is_left else set())
    assert adopted.holding(HERE) == Holding(ONE, {"vm-1": Adoption("r", 1.0)})


JUDGED = State(holdings={HERE: Holding(ONE)}, calls={"old": call(1, 9)})


@pytest.mark.parametrize(
    ("state", "left"),
    [
        (JUDGED, False),
        (State(holdings={HERE: Holding(ONE)}, calls={"new": call(5, 9)}), True),
        (State(holdings={HERE: Holding(ONE)}, calls={"other": call(5, 9, vm_ids=frozenset({"vm-2"}))}), False),
        (State(holdings={HERE: Holding(ONE)}, sets={"s": DeclaredSet("A", HERE, ONE, "r", 1)}), True),
    ],
    ids=["as it was", "called for since", "another one called for since", "declared since"],
)
def test_what_turned_out_to_be_somebody_elses_is_forgotten_unless_others_have_come_to_it(
    state: State, left: bool
) -> None:
    assert (calls.disown(state, HERE, ONE, JUDGED).may_be_ours(HERE) >= ONE) is left


def test_what_has_become_ours_since_is_not_forgotten_as_somebody_elses() -> None:
    state = State(holdings={HERE: Holding(ONE)})
    assert calls.disown(state, HERE, ONE, State(calls={"old": call(1, 9)})) is state


def test_a_creation_after_a_deletion_is_kept_until_it_is_known_for_what_it_is() -> None:
    """Its invocation waits for long, and has not said yet that EVS took the call; the VM was ours before."""
    lost = call(5, 60, operation="DeleteEntitlement")
    state = State(holdings={HERE: Holding(ONE)}, calls={"lost": lost, "again": call(70, 200)})
    kept = calls.pruned(state, 300.0)
    assert kept.calls.keys() == {"lost", "again"}
    assert calls.take(kept, "again", ONE, 310.0).calls.keys() == {"again"}
    assert calls.pruned(State(holdings={HERE: Holding(ONE)}, calls={"again": call(70, 200)}), 300.0).calls == {}
