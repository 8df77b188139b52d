"""The stored form of the ledger: a contract between versions."""

import base64
import json
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handler.errors import LedgerFailure
from lambda_handler.ledger.packing import packed_body, packed_call, unpacked
from lambda_handler.ledger.records import Adoption, Call, DeclaredSet, Holding, RequestRecord
from lambda_handler.ledger.state import State
from lambda_handler.values import Connector

HERE = Connector("env-abcde12345", "cnctr-abcde12345")
THERE = Connector("env-abcde12345", "cnctr-fghij67890")
#: Written by the first version. It is read for ever.
GOLDEN_CALL = (
    '{"operation":"CreateEntitlement","connector":"env-abcde12345/cnctr-abcde12345","vmIds":"104",'
    '"leftAt":1795600000.5,"landsBy":1795600052.5,"until":1795600117.5,"invocation":"a1b2c3d4e5f6","renewed":"104"}'
)


def golden() -> State:
    record = RequestRecord(
        "Update",
        "request-2",
        "Windows",
        "env-abcde12345/cnctr-abcde12345/0123",
        "20261126T100000Z",
        2,
        1795603540.0,
        1795600000.0,
        "a1b2c3d4e5f6",
        ("request-1",),
        None,
        {"status": "SUCCESS", "physicalId": "p"},
        1,
        0,
    )
    return State(
        sequence=2,
        claims=3,
        requests={"Windows": record},
        sets={
            "live": DeclaredSet("Windows", HERE, frozenset({"vm-101", "vm-102"}), "request-1", 1, 1795500000.0, True),
            "kept": DeclaredSet("Old", THERE, frozenset({"vm-0103"}), "request-0", 0, 0.0, True, True, True),
        },
        holdings={
            HERE: Holding(frozenset({"vm-101", "vm-102"}), {"vm-102": Adoption("request-1", 1795500000.0)}),
            THERE: Holding(frozenset({"vm-0103"})),
        },
        calls={
            "c-1": Call(
                "CreateEntitlement",
                HERE,
                frozenset({"vm-104"}),
                1795600000.5,
                1795600052.5,
                1795600117.5,
                "a1b2c3d4e5f6",
                renewed=frozenset({"vm-104"}),
            )
        },
        dropped=("env-abcde12345/cnctr-abcde12345/gone",),
    )


def read(state: State) -> State:
    return unpacked(packed_body(state), {key: packed_call(one) for key, one in state.calls.items()}, state.claims)


def test_the_first_versions_ledger_is_read(request: pytest.FixtureRequest) -> None:
    path = request.path.parent / "ledger-form-1.txt"
    assert unpacked(base64.b64decode(path.read_text()), {"c-1": GOLDEN_CALL}, 3) == golden()
    assert packed_call(golden().calls["c-1"]) == GOLDEN_CALL


vm_ids = st.frozensets(
    st.one_of(st.integers(0, 10**7).map(lambda n: f"vm-{n}"), st.from_regex(r"vm-0[0-9]{1,5}", fullmatch=True)),
    max_size=60,
)
some_calls = st.builds(
    Call,
    st.sampled_from(["CreateEntitlement", "DeleteEntitlement"]),
    st.sampled_from([HERE, THERE]),
    vm_ids,
    st.floats(0, 1e10),
    st.floats(0, 1e10),
    st.floats(0, 1e10),
    st.text(max_size=12),
    st.booleans(),
    vm_ids,
)
holdings = st.builds(
    Holding,
    vm_ids,
    st.dictionaries(st.sampled_from(["vm-1", "vm-02"]), st.builds(Adoption, st.text(max_size=5), st.floats(0, 1e10))),
)


@given(holdings, vm_ids, st.booleans(), st.dictionaries(st.text(min_size=1, max_size=5), some_calls, max_size=3))
def test_what_is_written_is_what_is_read(holding: Holding, declared: Any, live: bool, calls: dict[str, Call]) -> None:
    state = State(sequence=3, claims=7, holdings={HERE: holding}, calls=calls, dropped=("x",))
    state = state.declare("id", DeclaredSet("A", THERE, declared, "r", 1, live=live, kept=not live))
    state = state.admit(RequestRecord("Update", "r", "A", "id", "20261123T100000Z", 0, 12.5, 1.0))
    state = state.record("A", answer={"status": "FAILED"}, failing="why", hand_overs_failed=1)
    assert read(state) == state


def changed(**fields: Any) -> bytes:
    document = json.loads(zlib.decompress(packed_body(golden())))
    return zlib.compress(json.dumps({**document, **fields}).encode())


def test_fields_of_a_neighbouring_version_are_read_over_and_kept() -> None:
    state = unpacked(changed(form=2, notes={"a": 1}), {}, 3)
    assert state.extra == {"notes": {"a": 1}}
    assert json.loads(zlib.decompress(packed_body(state)))["notes"] == {"a": 1}
    document = json.loads(zlib.decompress(packed_body(golden())))
    for part in ("requests", "sets", "holdings"):
        for entry in document[part].values():
            entry["added"] = "by a newer version"
    assert unpacked(zlib.compress(json.dumps(document).encode()), {}, 3).sets == golden().sets


def test_a_form_that_this_version_cannot_follow_is_named() -> None:
    with pytest.raises(LedgerFailure, match="newer version of evs-entitlements wrote it, in form 7"):
        unpacked(changed(form=7, readableBy=7), {}, 3)


@pytest.mark.parametrize(
    "body", [b"", b"garbage", zlib.compress(b"[]"), zlib.compress(b"{}"), zlib.compress(b'{"form":1,"readableBy":1}')]
)
def test_damage_is_said_and_nothing_is_guessed(body: bytes) -> None:
    with pytest.raises(LedgerFailure, match="what it holds can't be read"):
        unpacked(body, {}, 0)


def test_ten_thousand_vms_several_times_over_fit_an_item() -> None:
    ids = frozenset(f"vm-{n * 97 + 1_000_000}" for n in range(10_000))
    state = State(holdings={HERE: Holding(owned=ids)})
    for number in range(4):
        less = frozenset(sorted(ids)[number:])
        state = state.declare(str(number), DeclaredSet("A", HERE, less, "r", number))
    ordered = sorted(ids)
    calls = [
        Call("DeleteEntitlement", HERE, frozenset(ordered[start : start + 100]), 1.0, 2.0, 2.0, "i", taken=True)
        for start in range(0, 10_000, 100)
    ]
    assert len(packed_body(state)) + sum(len(packed_call(one)) for one in calls) < 200_000
