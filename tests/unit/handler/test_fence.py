"""The fence: who may still write, and what goes into the ledger with a write."""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from lambda_handler.errors import LedgerFailure, Overtaken, Restart
from lambda_handler.ledger.fence import Fence
from lambda_handler.ledger.records import Call, Holding, RequestRecord
from lambda_handler.ledger.state import State
from lambda_handler.pace import Pace
from lambda_handler.values import NO_VMS, Connector

HERE = Connector("env-abcde12345", "cnctr-abcde12345")
ONE, TWO = frozenset({"vm-1"}), frozenset({"vm-2"})
NOW = 1000.0
PACE = Pace()


class Table:
    """Keeps the ledger in memory, and counts the writes that change it."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.writes = 0
        self.went_back = False
        self.reconnected = 0

    def load(self, until: float) -> State:
        return self.state

    def reconnect(self) -> None:
        self.reconnected += 1

    def change(self, change: Callable[[State], State], until: float) -> None:
        changed = change(self.state)
        self.writes += changed is not self.state
        self.state = changed


def record(**given: Any) -> RequestRecord:
    values = {"type": "Update", "request_id": "r", "logical_id": "A", "physical_id": "id", "issued": None}
    return RequestRecord(**{**values, "sequence": 1, "answer_by": 9e9, "invocation": "me", **given})


def fenced(**given: Any) -> tuple[Fence, Table]:
    """Return the fence of invocation `me` of request `r`, and its table."""
    table = Table(State(requests={"A": record(**given)}))
    clock = SimpleNamespace(now=lambda: NOW, close=lambda: None, is_closing=False, spare=lambda: 5.0)
    fence = Fence(table, clock, PACE, "A", "r", 9e9)  # type: ignore[arg-type]
    fence.invocation = "me"
    fence.is_admitted = True
    fence._admitted = record(issued="20261123T101501Z")
    return fence, table


@pytest.mark.parametrize(
    ("given", "raised"),
    [
        ({"request_id": "newer", "before": ("r",)}, Overtaken),
        ({"request_id": "older", "issued": "20261123T101500Z"}, Restart),
        ({"invocation": "another"}, Overtaken),
        ({"answer": {"Status": "FAILED"}}, Restart),
        ({"failing": "it is being undone"}, Restart),
    ],
    ids=["overtaken", "forgotten", "another invocation", "answered", "being undone"],
)
def test_who_has_lost_the_fence_writes_nothing(given: dict[str, Any], raised: type[Exception]) -> None:
    fence, table = fenced(**given)
    fence.disown(HERE, ONE)
    with pytest.raises(raised):
        fence.write(lambda state: replace(state, sequence=99))
    with pytest.raises(raised):
        fence.announce("CreateEntitlement", HERE, [ONE])
    with pytest.raises(raised):
        fence.reload()
    assert table.writes == 0


def test_an_overtaken_request_is_known_for_one() -> None:
    assert not fenced()[0].is_overtaken()
    fence, table = fenced()
    table.state = replace(table.state, requests={"A": record(request_id="newer", before=("r",))})
    assert fence.is_overtaken()
    table.state = State(requests={"A other": record(type="Delete", request_id="s", before=("r",))})
    assert fence.is_overtaken()
    table.state = State()
    assert not fence.is_overtaken()


def test_that_a_call_had_no_effect_is_told_at_once_and_nothing_else() -> None:
    """Others may wait for its outcome."""
    fence, table = fenced()
    first, second = fence.announce("CreateEntitlement", HERE, [ONE, TWO])
    fence.took(first, ONE, NOW + 60)
    fence.tell_void()
    assert table.state.calls.keys() == {first, second}
    assert not table.state.calls[first].taken
    fence.void([second])
    fence.tell_void()
    assert table.state.calls.keys() == {first}
    assert table.state.calls[first].taken


def test_that_a_call_has_made_only_some_of_its_vms_is_told_at_once() -> None:
    """EVS has answered with somebody else's entitlement. A stopped invocation's call would make that ours."""
    fence, table = fenced()
    (call_id,) = fence.announce("CreateEntitlement", HERE, [ONE | TWO])
    fence.took(call_id, ONE, NOW + 60)
    fence.tell_void()
    assert table.state.may_be_ours(HERE) == ONE


def test_a_call_is_announced_before_it_leaves_with_the_time_until_when_it_may_land_and_show() -> None:
    fence, table = fenced()
    announced = fence.announce("CreateEntitlement", HERE, [ONE, TWO], renewed=ONE)
    assert table.state.calls == announced
    assert table.state.claims == 1
    first, second = announced.values()
    assert (first.vm_ids, first.renewed, second.vm_ids, second.renewed) == (ONE, ONE, TWO, NO_VMS)
    assert (first.left_at, first.lands_by - NOW) == (NOW, PACE.lost_lands_within)
    assert first.until - first.lands_by == PACE.list_lag
    assert not first.taken


def test_only_what_the_ledger_allows_at_the_write_is_announced() -> None:
    fence, table = fenced()
    announced = fence.announce("DeleteEntitlement", HERE, [ONE | TWO, TWO], allowed=lambda _: ONE)
    assert [call.vm_ids for call in announced.values()] == [ONE]
    assert table.state.calls == announced


def test_what_was_learnt_goes_into_the_ledger_with_the_next_write() -> None:
    fence, table = fenced()
    taken, lost, refused, unsent = fence.announce(
        "CreateEntitlement", HERE, [frozenset({f"vm-{n}"}) for n in range(1, 5)]
    )
    fence.took(taken, ONE, NOW + 60)
    fence.lost(lost, NOW + 10, NOW + 70)
    fence.void([refused, unsent])
    assert fence.state.owned(HERE) == ONE
    assert set(table.state.calls) == {taken, lost, refused, unsent}
    fence.write()
    assert set(table.state.calls) == {taken, lost}
    assert (table.state.calls[lost].lands_by, table.state.calls[taken].taken) == (NOW + 10, True)
    assert not fence._learnt


def test_a_call_that_evs_took_for_none_of_its_vms_is_void() -> None:
    fence, table = fenced()
    (call_id,) = fence.announce("CreateEntitlement", HERE, [ONE])
    fence.took(call_id, NO_VMS, NOW + 60)
    fence.write()
    assert table.state.calls == {}


def test_each_write_drops_the_calls_that_are_over() -> None:
    fence, table = fenced()
    over = Call("DeleteEntitlement", HERE, ONE, NOW - 99, NOW - 9, NOW - 1, "other")
    table.state = replace(table.state, calls={"over": over})
    fence.write()
    assert table.state.calls == {}


def test_who_is_newer_is_told_what_the_calls_of_an_overtaken_invocation_have_come_to() -> None:
    """That write alone is not fenced."""
    fence, table = fenced()
    (call_id,) = fence.announce("CreateEntitlement", HERE, [ONE])
    fence.took(call_id, ONE, NOW + 60)
    table.state = replace(table.state, requests={"A": record(request_id="newer", before=("r",))})
    fence.withdraw()
    assert table.state.owned(HERE) == ONE
    assert not fence._learnt


def test_a_look_confirms_forgets_and_disowns() -> None:
    fence, table = fenced()
    table.state = replace(table.state, holdings={HERE: Holding(ONE | TWO)})
    fence.forget(HERE, ONE, NOW, claims=0)
    assert fence.state.owned(HERE) == TWO
    fence.disown(HERE, TWO)
    fence.write()
    assert table.state.holdings == {}


# --- leaving ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("is_first_try", "counted"), [(True, 0), (False, 2)])
def test_failed_hand_overs_are_counted_anew_once_the_chain_has_gone_on(is_first_try: bool, counted: int) -> None:
    fence, table = fenced(hand_overs_failed=2, invocation="before")
    fence.admit(lambda state: state.record("A", invocation="me"), 9e9, is_first_try=is_first_try)
    assert fence.hand_overs_failed() == table.state.requests["A"].hand_overs_failed == counted


def test_nothing_is_counted_anew_in_a_record_that_is_not_taken_over() -> None:
    fence, table = fenced(hand_overs_failed=2, invocation="before", answer={"Status": "FAILED"})
    fence.admit(lambda state: state, 9e9, is_first_try=True)
    assert table.state.requests["A"].hand_overs_failed == 2


@pytest.mark.parametrize(
    ("given", "is_answering", "is_left"),
    [
        ({}, False, False),
        ({"invocation": "another"}, False, True),
        ({"invocation": "another", "answer": {"Status": "FAILED"}}, False, True),
        ({"invocation": "another", "answer": {"Status": "FAILED"}}, True, False),
        ({"invocation": "another"}, True, True),
        ({"request_id": "newer", "before": ("r",)}, False, True),
        ({"request_id": "newer", "before": ("r",), "answer": {"Status": "FAILED"}}, True, True),
        ({"request_id": "older"}, False, False),
    ],
    ids=[
        "its own",
        "another's",
        "answered by another",
        "any may send an answer",
        "another works on",
        "overtaken",
        "overtaken and answered",
        "a restored ledger",
    ],
)
def test_who_goes_on_is_asked_of_the_ledger(given: dict[str, Any], is_answering: bool, is_left: bool) -> None:
    fence, _ = fenced(**given)
    assert fence.is_left_to_another(is_answering=is_answering) is is_left


def test_who_has_lost_its_ledger_goes_on() -> None:
    fence, table = fenced()
    table.state = State()
    assert fence.is_left_to_another(is_answering=False) is False
    assert fence.hand_overs_failed() is None


@pytest.mark.parametrize("why", ["not admitted", "out of reach"])
def test_who_goes_on_is_not_always_known(why: str) -> None:
    fence, table = fenced(invocation="another")

    def failing(until: float) -> State:
        raise LedgerFailure("out of reach")

    if why == "not admitted":
        fence.is_admitted = False
    else:
        table.load = failing  # type: ignore[method-assign]
    assert fence.is_left_to_another(is_answering=False) is None


def test_once_the_work_is_over_the_ledger_is_called_anew_with_less_time() -> None:
    fence, table = fenced()
    fence.close()
    assert table.reconnected == 1


@pytest.mark.parametrize(("late", "reconnected"), [(-1.0, 0), (0.0, 1)])
def test_the_last_question_hangs_for_less_where_the_answer_is_due(late: float, reconnected: int) -> None:
    """The write before it may have hung until then."""
    fence, table = fenced()
    fence._answer_by = NOW - late
    fence.is_overtaken()
    assert table.reconnected == reconnected
