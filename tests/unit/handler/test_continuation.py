"""What one invocation tells the next."""

import json

from hypothesis import given
from hypothesis import strategies as st

from lambda_handler.continuation import EVENT_BYTES, KEY, Continuation
from lambda_handler.evs.listing import NotFoundSince, PartialLook
from lambda_handler.evs.rows import Row, Status
from lambda_handler.values import Connector

HERE = Connector("env-abcde12345", "cnctr-abcde12345")
THERE = Connector("env-abcde12345", "cnctr-fghij67890")
EVENT = {"RequestType": "Create", "ResponseURL": "https://bucket.example/key", "OldResourceProperties": {"VmIds": []}}
vm_ids = st.integers(1, 10**6).map(lambda n: f"vm-{n}")


@given(st.dictionaries(vm_ids, st.sampled_from(["A: a", "A: a", "B: b"])), st.dictionaries(vm_ids, st.floats(0, 1e9)))
def test_it_is_read_as_it_was_written(failed: dict[str, str], refused: dict[str, float]) -> None:
    look = PartialLook(HERE, 5.0, "token", 3, {"vm-1": Row("vm-1", Status.UNKNOWN, "SUSPENDED", 4.5, 4.5, "E", "m")})
    before = Continuation(
        2, 1.0, 9.0, 7.0, {"list": 3.0}, failed, True, refused, 6.0, NotFoundSince(HERE, 5.0), look, True, "ill",
        {HERE: dict.fromkeys(refused, (4.0, 2)) | {"vm-7": (3.5, 1)}, THERE: {"vm-7": (3.5, 1)}},
        5, 8.0,
    )  # fmt: skip
    event = json.loads(before.payload(EVENT))
    assert Continuation.of(event, 100.0, 200.0) == before
    assert "OldResourceProperties" not in event
    assert event["ResponseURL"] == EVENT["ResponseURL"]


def test_an_event_of_cloudformations_has_none() -> None:
    assert Continuation.of(EVENT, 100.0, 200.0) == Continuation(1, 100.0, 200.0)
    assert Continuation.of(EVENT, 100.0, 200.0, 90.0).sent == 90.0


def test_of_an_event_by_a_version_that_did_not_write_it_is_not_known_when_it_was_sent() -> None:
    event = json.loads(Continuation(2, 1.0, 9.0, sent=80.0).payload(EVENT))
    del event[KEY]["Sent"]
    assert Continuation.of(event, 100.0, 200.0, 90.0).sent is None


def test_a_look_of_ten_thousand_rows_fits() -> None:
    rows = {f"vm-{n}": Row(f"vm-{n}", Status.CREATED, "CREATED", 1e9 + n // 100 + 0.5) for n in range(10_000)}
    payload = Continuation(2, 1.0, 9.0, look=PartialLook(HERE, 5.0, "token", 99, rows)).payload(EVENT)
    assert len(payload) < EVENT_BYTES / 2


def test_a_look_that_is_too_large_begins_anew() -> None:
    rows = {f"vm-{n}": Row(f"vm-{n}", Status.CREATED, "CREATED", 1e9 + n * 1.25) for n in range(10_000)}
    payload = Continuation(2, 1.0, 9.0, look=PartialLook(HERE, 5.0, "token", 99, rows)).payload(EVENT)
    assert len(payload) <= EVENT_BYTES
    assert json.loads(payload)[KEY]["Look"] is None
