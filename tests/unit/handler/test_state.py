"""The ledger's rules: which request is the newest, what is declared, and what may be removed."""

from dataclasses import replace
from typing import Any

import pytest

from lambda_handler.errors import Overtaken
from lambda_handler.ledger.records import Adoption, Call, DeclaredSet, Holding, RequestRecord, RequestType
from lambda_handler.ledger.state import DROPPED, REMEMBERED, State
from lambda_handler.values import Connector

HERE = Connector("env-abcde12345", "cnctr-abcde12345")
THERE = Connector("env-abcde12345", "cnctr-fghij67890")


def request(
    request_id: str,
    issued: str | None = None,
    *,
    kind: RequestType = "Update",
    logical_id: str = "A",
    physical_id: str = "id",
    arrived: float = 0.0,
) -> RequestRecord:
    return RequestRecord(kind, request_id, logical_id, physical_id, issued, 0, 0.0, arrived)


def admitted(*requests: RequestRecord) -> State:
    state = State()
    for one in requests:
        state = state.admit(one)
    return state


def test_the_rule_of_removal() -> None:
    state = State(holdings={HERE: Holding(owned=frozenset({"vm-1", "vm-2", "vm-3"}))})
    state = state.declare("pending", DeclaredSet("A", HERE, frozenset({"vm-1"}), "r1", 1))
    state = state.declare("live", DeclaredSet("B", HERE, frozenset({"vm-2"}), "r2", 2, live=True))
    state = state.declare("elsewhere", DeclaredSet("B", THERE, frozenset({"vm-3"}), "r3", 3, live=True))
    assert state.removable(HERE) == {"vm-3"}
    assert state.to_remove() == [HERE]
    assert state.drop(["live"]).removable(HERE) == {"vm-2", "vm-3"}


def test_what_a_call_may_have_made_is_removed_too_but_is_not_ours_before_evs_took_it() -> None:
    call = Call("CreateEntitlement", HERE, frozenset({"vm-1"}), 0.0, 8.0, 9.0, "i")
    state = State(calls={"c": call})
    assert state.removable(HERE) == {"vm-1"}
    assert state.to_remove() == [HERE]
    assert state.owned(HERE) == frozenset()
    assert State(calls={"c": replace(call, taken=True)}).owned(HERE) == {"vm-1"}


def test_requests_in_the_order_of_their_issue() -> None:
    state = admitted(request("first", "20261123T100000Z"), request("second", "20261123T100001Z"))
    assert state.admit(request("second", "20261123T100001Z")) is state
    with pytest.raises(Overtaken):
        state.admit(request("first", "20261123T100000Z"))
    with pytest.raises(Overtaken):
        state.admit(request("never seen", "20261123T095959Z"))
    assert state.admit(request("same second", "20261123T100001Z")).requests["A"].request_id == "same second"
    assert state.admit(request("other", "20261123T095959Z", logical_id="B")).requests["B"].sequence == 3


def test_within_one_second_a_create_comes_before_an_update_and_that_before_a_delete() -> None:
    second = "20261123T100000Z"
    state = admitted(request("delete", second, kind="Delete"))
    for kind in ("Create", "Update"):
        with pytest.raises(Overtaken):
            state.admit(request(kind, second, kind=kind))
    state = admitted(request("update", second))
    with pytest.raises(Overtaken):
        state.admit(request("create", second, kind="Create"))
    assert state.admit(request("delete", second, kind="Delete")).sequence == 2


def test_deletes_of_different_ids_do_not_overtake_each_other() -> None:
    old = request("of old", "20261123T100005Z", kind="Delete", physical_id="old")
    older = request("of older", "20261123T100004Z", kind="Delete", physical_id="older")
    state = admitted(request("update", "20261123T100000Z"), old, older)
    assert {one.request_id for one in state.requests.values()} == {"of old", "of older"}
    with pytest.raises(Overtaken):
        state.admit(request("update", "20261123T100000Z"))
    again = state.admit(request("again", "20261123T100006Z", kind="Delete", physical_id="old"))
    assert {one.request_id for one in again.requests.values()} == {"again", "of older"}
    newest = again.admit(request("newest", "20261123T100007Z"))
    assert list(newest.requests) == ["A"]
    assert set(newest.requests["A"].before) == {"update", "of old", "of older", "again"}


@pytest.mark.parametrize(
    ("first", "second", "is_tied"),
    [
        ({}, {}, True),
        ({"issued": "20261123T101501Z"}, {}, None),
        ({}, {"issued": "20261123T101501Z"}, False),
        ({"issued": None}, {"issued": None}, False),
        ({}, {"is_back": True}, False),
        ({"type": "Create", "physical_id": ""}, {}, False),
    ],
)
def test_of_two_updates_of_one_second_it_is_not_certain_which_is_newer(
    first: dict[str, Any], second: dict[str, Any], is_tied: bool | None
) -> None:
    values = {"type": "Update", "logical_id": "A", "physical_id": "id", "issued": "20261123T101500Z"}
    state = State().admit(RequestRecord(**{**values, "request_id": "1", "sequence": 0, "answer_by": 9.0, **first}))
    record = RequestRecord(**{**values, "request_id": "2", "sequence": 0, "answer_by": 9.0, "arrived": 1.0, **second})
    if is_tied is None:
        with pytest.raises(Overtaken):
            state.admit(record)
    else:
        assert state.admit(record).requests["A"].is_tied is is_tied


def test_without_dates_the_order_of_arrival_counts() -> None:
    state = admitted(request("first", arrived=1.0), request("second", arrived=2.0))
    with pytest.raises(Overtaken):
        state.admit(request("first", arrived=3.0))
    with pytest.raises(Overtaken):
        state.admit(request("held up", arrived=1.5))
    third = state.admit(request("third", "20200101T000000Z", arrived=3.0))
    assert third.requests["A"].before == ("first", "second")


def test_what_is_remembered_is_bounded() -> None:
    state = State()
    for number in range(3 * REMEMBERED):
        state = state.admit(request(str(number), arrived=float(number)))
    assert len(state.requests["A"].before) == REMEMBERED
    for number in range(DROPPED + 5):
        live = DeclaredSet("A", HERE, frozenset({"vm-1"}), "r", 1, live=True)
        state = state.declare(str(number), live).drop([str(number)])
    assert len(state.dropped) == DROPPED
    assert state.dropped[-1] == str(DROPPED + 4)


def test_a_pending_set_is_not_remembered_and_does_not_put_out_what_is() -> None:
    """CloudFormation names none. Where it does, the ledger was lost, and the set's id is what proves the set."""
    live = DeclaredSet("A", HERE, frozenset({"vm-1"}), "r", 1, live=True)
    pending = DeclaredSet("A", HERE, frozenset({"vm-1"}), "r", 1)
    assert State().declare("x", pending).drop(["x"]).dropped == ()
    assert State().declare("x", live).drop(["x"]).declare("x", pending).drop(["x"]).dropped == ("x",)


def test_a_holding_without_anything_is_no_entry() -> None:
    state = State().hold(HERE, Holding(owned=frozenset({"vm-1"})))
    assert state.hold(HERE, state.holding(HERE).disown(frozenset({"vm-1"}))).holdings == {}


def test_adopting_marks_only_what_was_not_ours() -> None:
    holding = Holding(owned=frozenset({"vm-1"})).adopt(frozenset({"vm-1", "vm-2"}), Adoption("r", 5.0))
    assert holding.owned == {"vm-1", "vm-2"}
    assert holding.adopted.keys() == {"vm-2"}
    assert holding.disown(frozenset({"vm-2"})).adopted == {}
