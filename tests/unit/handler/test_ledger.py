"""The ledger's rules, and the form in which it is kept."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handler.errors import Overtaken
from lambda_handler.ledger import REMEMBERED, Adoption, DeclaredSet, Flight, Holding, State
from lambda_handler.ledger_table import _pack, _unpack, packed, unpacked
from lambda_handler.properties import Connector

HERE = Connector("env-abcde12345", "cnctr-abcde12345")
THERE = Connector("env-abcde12345", "cnctr-fghij67890")


def test_the_rule_of_removal():
    state = State(holdings={HERE: Holding(owned=frozenset({"vm-1", "vm-2", "vm-3"}))})
    state = state.declare("pending", DeclaredSet("A", HERE, frozenset({"vm-1"}), "r1", 1))
    state = state.declare("live", DeclaredSet("B", HERE, frozenset({"vm-2"}), "r2", 2, live=True))
    state = state.declare("elsewhere", DeclaredSet("B", THERE, frozenset({"vm-3"}), "r3", 3, live=True))
    assert state.removable(HERE) == {"vm-3"}
    assert state.to_remove() == [HERE]
    assert state.drop(["live"]).removable(HERE) == {"vm-2", "vm-3"}


def test_requests_in_the_order_of_their_issue():
    state = State().admit("A", "first", "20261123T100000Z", 0).admit("A", "second", "20261123T100001Z", 0)
    assert state.admit("A", "second", "20261123T100001Z", 0) is state
    with pytest.raises(Overtaken):
        state.admit("A", "first", "20261123T100000Z", 0)
    with pytest.raises(Overtaken):
        state.admit("A", "never seen", "20261123T095959Z", 0)
    assert state.admit("A", "same second", "20261123T100001Z", 0).requests["A"].request_id == "same second"
    assert state.admit("B", "of another resource", "20261123T095959Z", 0).requests["B"].sequence == 3


def test_without_dates_the_order_of_arrival_counts():
    state = State().admit("A", "first", None, 0).admit("A", "second", None, 0)
    with pytest.raises(Overtaken):
        state.admit("A", "first", None, 0)
    assert state.admit("A", "third", "20200101T000000Z", 0).requests["A"].before == ("first", "second")


def test_what_is_remembered_of_old_requests_is_bounded():
    state = State()
    for number in range(3 * REMEMBERED):
        state = state.admit("A", str(number), None, 0)
    assert len(state.requests["A"].before) == REMEMBERED


def test_a_holding_without_anything_is_no_entry():
    state = State().hold(HERE, Holding(owned=frozenset({"vm-1"})))
    assert state.hold(HERE, state.holding(HERE).disown(frozenset({"vm-1"}))).holdings == {}


def test_adopting_marks_only_what_was_not_ours():
    holding = Holding(owned=frozenset({"vm-1"})).adopt(frozenset({"vm-1", "vm-2"}), Adoption("r", 5.0))
    assert holding.owned == {"vm-1", "vm-2"}
    assert holding.adopted.keys() == {"vm-2"}
    assert holding.disown(frozenset({"vm-2"})).adopted == {}


vm_ids = st.frozensets(
    st.one_of(st.integers(0, 10**7).map(lambda n: f"vm-{n}"), st.from_regex(r"vm-0[0-9]{1,5}", fullmatch=True)),
    max_size=60,
)
flights = st.builds(Flight, vm_ids, st.floats(0, 1e10), st.text(max_size=12), st.booleans())
holdings = st.builds(
    Holding,
    vm_ids,
    st.dictionaries(st.sampled_from(["vm-1", "vm-02"]), st.builds(Adoption, st.text(max_size=5), st.floats(0, 1e10))),
    st.lists(flights, max_size=2).map(tuple),
    st.lists(flights, max_size=2).map(tuple),
)


@given(holdings, vm_ids, st.booleans())
def test_what_is_written_is_what_is_read(holding, declared, live):
    state = State(sequence=3, claims=7, holdings={HERE: holding})
    state = state.declare("id", DeclaredSet("A", THERE, declared, "r", 1, live=live, kept=not live))
    state = state.admit("A", "r", "20261123T100000Z", 12.5).record("A", answer={"status": "FAILED"}, failing="why")
    assert _unpack(_pack(state)) == state


def test_ten_thousand_vms_several_times_over_fit_an_item():
    ids = frozenset(f"vm-{n * 97 + 1_000_000}" for n in range(10_000))
    state = State(holdings={HERE: Holding(owned=ids, removing=(Flight(ids, 1.0, "x"),))})
    for number in range(4):
        less = frozenset(sorted(ids)[number:])
        state = state.declare(str(number), DeclaredSet("A", HERE, less, "r", number))
    assert len(_pack(state)) < 100_000


@given(st.dictionaries(st.integers(1, 10**6).map(lambda n: f"vm-{n}"), st.sampled_from(["A: a", "A: a", "B: b"])))
def test_failures_survive_a_hand_over(failed):
    assert unpacked(packed(failed)) == failed
