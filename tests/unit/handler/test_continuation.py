"""What one invocation tells the next."""

import json
from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st

from lambda_handler.continuation import EVENT_BYTES, KEY, Continuation
from lambda_handler.evs.listing import NotFoundSince, PartialLook
from lambda_handler.evs.rows import Row, Status
from lambda_handler.steps.carried import Carried
from lambda_handler.values import Connector

HERE = Connector("env-abcde12345", "cnctr-abcde12345")
THERE = Connector("env-abcde12345", "cnctr-fghij67890")
EVENT = {"RequestType": "Create", "ResponseURL": "https://bucket.example/key", "OldResourceProperties": {"VmIds": []}}
vm_ids = st.integers(1, 10**6).map(lambda n: f"vm-{n}")


def carried(failed: dict[str, str], times: dict[str, float]) -> Carried:
    """Return one in which nothing is as it is at first."""
    return Carried(
        failed=failed,
        called_for_all=True,
        refused_since=times,
        times_taken={vm_id: number % 3 for number, vm_id in enumerate(times)} | {"vm-7": 2},
        singled_out=[4, 1],
        doubted_since=times | {"vm-8": 2.0},
        not_found=NotFoundSince(THERE, 4.5, 2),
        all_refused_since={HERE: 6.5},
        under_way=times,
        left_out=frozenset({"vm-1"}),
        ended=frozenset({"vm-2"}),
        list_refused_since={HERE: 6.0},
        connector_asked=True,
        connector_wrong="ill",
        missed={HERE: dict.fromkeys(times, (4.0, 2)) | {"vm-7": (3.5, 1)}, THERE: {"vm-7": (3.5, 1)}},
        missed_claims=3,
        removing={HERE: (2.5, 9.0), THERE: (3.25, 9.0)},
        events_cut_short={"stack": 2},
        undone_since=0.0,
        deleted_unseen=times | {"vm-9": 1.5},
    )


@given(st.dictionaries(vm_ids, st.sampled_from(["A: a", "A: a", "B: b"])), st.dictionaries(vm_ids, st.floats(0, 1e9)))
def test_it_is_read_as_it_was_written(failed: dict[str, str], times: dict[str, float]) -> None:
    look = PartialLook(HERE, 5.0, "token", 3, {"vm-1": Row("vm-1", Status.UNKNOWN, "SUSPENDED", 4.5, 4.5, "E", "m")}, 2)
    before = Continuation(
        2, 1.0, 9.0, 7.0, {"list": 3.0}, NotFoundSince(HERE, 5.0, 2), look, carried(failed, times), 8.0
    )
    event = json.loads(before.payload(EVENT))
    assert Continuation.of(event, 100.0, 200.0) == before
    assert "OldResourceProperties" not in event
    assert event["ResponseURL"] == EVENT["ResponseURL"]


def test_the_test_above_hands_on_each_attribute() -> None:
    """One that is new and is not handed on would begin anew in each invocation."""
    given, first = carried({"vm-1": "A: a"}, {"vm-1": 1.0}), Carried()
    assert [one.name for one in fields(Carried) if getattr(given, one.name) == getattr(first, one.name)] == []


def test_one_of_an_older_version_is_read() -> None:
    """That version says neither how many answers a NotFound has had, nor what it does not know."""
    event = json.loads(Continuation(2, 1.0, 9.0, not_found=NotFoundSince(HERE, 5.0, 2)).payload(EVENT))
    kept = {"Number", "Began", "AnswerBy", "ResumeAt", "TroubleSince", "Failed", "CalledForAll", "RefusedSince", "Look"}
    older = {key: value for key, value in event[KEY].items() if key in kept} | {"NotFound": [str(HERE), 5.0]}
    read = Continuation.of({**EVENT, KEY: {**older, "ListRefusedSince": 4.0}}, 100.0, 200.0)
    assert read == Continuation(2, 1.0, 9.0, not_found=NotFoundSince(HERE, 5.0, 1))


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


def test_what_ten_thousand_vms_have_learnt_fits() -> None:
    """Half of them were made, the others are refused, each began at a time of its own."""
    numbers = [100_000 + number * 37 for number in range(10_000)]
    event = {**EVENT, "ResourceProperties": {"VmIds": [f"vm-{number}" for number in numbers]}}
    carried = Carried(
        failed={f"vm-{number}": "A: refused" for number in numbers[::2]},
        times_taken={f"vm-{number}": 1 for number in numbers[1::2]},
    )
    starts = {number: 1e9 + number * 1.25 for number in numbers}
    rows = {f"vm-{n}": Row(f"vm-{n}", Status.CREATED, "CREATED", began, began) for n, began in starts.items()}
    now = Continuation(2, 1.0, 9.0, look=PartialLook(HERE, 5.0, "token", 99, rows), carried=carried)
    payload = now.payload(event)
    assert len(payload) <= EVENT_BYTES
    assert Continuation.of(json.loads(payload), 0.0, 0.0) == now


def test_a_look_that_does_not_fit_is_left_out() -> None:
    rows = {f"vm-{n**3}": Row(f"vm-{n**3}", Status.CREATED, "CREATED", n**4.0) for n in range(1, 40_000)}
    payload = Continuation(2, 1.0, 9.0, look=PartialLook(HERE, 5.0, "token", 400, rows)).payload(EVENT)
    assert len(payload) <= EVENT_BYTES
    assert Continuation.of(json.loads(payload), 0.0, 0.0) == Continuation(2, 1.0, 9.0)


def test_what_the_request_has_made_is_left_out_where_it_does_not_fit() -> None:
    """The ledger knows it; the fresh invocation has to be invoked."""
    carried = Carried(failed={"vm-1": "A: a"}, times_taken={f"vm-{number**3}": 1 for number in range(1, 60_000)})
    payload = Continuation(2, 1.0, 9.0, carried=carried).payload(EVENT)
    assert len(payload) <= EVENT_BYTES
    assert Continuation.of(json.loads(payload), 0.0, 0.0).carried == Carried(failed={"vm-1": "A: a"})
