"""CloudFormation's protocol: identity, order, the answer's form, and crhelper's ways that are closed."""

import json

import pytest

from lambda_handler.clock import Clock, answer_by, undo_time
from lambda_handler.cloudformation import (
    Answer,
    Request,
    Resource,
    body_of,
    failed_id,
    failed_request,
    is_set_id,
    set_id,
)
from lambda_handler.errors import HandOver
from lambda_handler.properties import Connector

HERE = Connector("env-abcde12345", "cnctr-abcde12345")
EVENT = {
    "RequestType": "Create", "RequestId": "r-1", "StackId": "arn:aws:cloudformation:eu-west-1:1:stack/s/1",
    "LogicalResourceId": "Windows", "ResourceProperties": {},
}  # fmt: skip


def request(query: str) -> Request:
    return Request.of({**EVENT, "ResponseURL": f"https://bucket.example/key?{query}"})


@pytest.mark.parametrize(
    ("query", "issued"),
    [
        ("X-Amz-Date=20261123T101500Z&X-Amz-Expires=7200&X-Amz-Signature=x", "20261123T101500Z"),
        ("x-amz-date=20261123T101500Z", "20261123T101500Z"),
        ("AWSAccessKeyId=x&Expires=1893456000&Signature=y", None),
        ("X-Amz-Date=yesterday", None),
        ("", None),
    ],
)
def test_when_a_request_was_issued(query, issued):
    assert request(query).issued == issued


def test_a_request_without_a_date_was_issued_when_it_arrived():
    assert request("").issued_at(5.0) == 5.0
    assert request("X-Amz-Date=19700101T000100Z").issued_at(1e9) == 60.0
    assert request("X-Amz-Date=20991231T000000Z").issued_at(5.0) == 5.0


def test_the_same_set_has_the_same_id_and_no_other():
    ids = {
        set_id(logical_id, connector, frozenset(vm_ids))
        for logical_id in ("A", "B")
        for connector in (HERE, Connector("env-abcde12345", "cnctr-fghij67890"))
        for vm_ids in (["vm-1", "vm-2"], ["vm-12"], ["vm-1"])
    }
    assert len(ids) == 12
    assert all(map(is_set_id, ids))
    assert set_id("A", HERE, frozenset(["vm-1", "vm-2"])) == set_id("A", HERE, frozenset(["vm-2", "vm-1"]))


def test_the_id_of_a_failed_create_is_no_sets():
    assert failed_request(failed_id(7, "r-1")) == (7, "r-1")
    assert not is_set_id(failed_id(7, "r-1"))
    assert failed_request("made-up-by-cloudformation") is None


@pytest.mark.parametrize("reason", ["x" * 10_000, "\U0001f600" * 3000, 'ä"\\' * 2000, ""])
def test_an_answer_fits(reason):
    answer = {"Status": "FAILED", "PhysicalResourceId": "p" * 200, "StackId": "s" * 300, "Reason": reason}
    body = body_of(answer)
    assert len(body) <= 4096
    told = json.loads(body)["Reason"]
    assert told == reason or told.endswith("...")
    assert len(body) > 3000 or told == reason


def test_a_reason_is_bounded_where_it_is_made():
    assert len(Answer("FAILED", "id", "x" * 10_000).reason) <= 2400


def test_crhelpers_clients_timer_polling_and_random_ids_are_out():
    resource = Resource(lambda *_: None, lambda _: Clock(lambda: 900_000), lambda *_: None, lambda: False)
    for client in ("_lambda_client", "_events_client", "_logs_client"):
        assert not hasattr(resource, client)
    resource._set_timeout()
    assert resource._timer is None
    assert not resource._poll_enabled()
    assert resource._sleep_on_delete == 0
    assert resource.generate_physical_id({"RequestId": "r"}) == resource.generate_physical_id({"RequestId": "r"})
    for polling in (resource._setup_polling, resource._remove_polling):
        with pytest.raises(NotImplementedError):
            polling()


@pytest.mark.parametrize("timeout", [30, 60, 600, 3600])
def test_creating_undoing_and_answering_each_have_their_time(timeout):
    last = answer_by(1000.0, timeout)
    assert 1000 + timeout * 0.85 < last < 1000 + timeout
    assert 1000 + timeout * 0.5 < last - undo_time(timeout) < last


def test_no_step_begins_that_the_function_could_not_finish():
    left = 30.0
    clock = Clock(lambda: int(left * 1000), sleep=lambda _: None)
    clock.room_for_a_call()
    clock.pause(10)
    left = 12.0
    with pytest.raises(HandOver):
        clock.room_for_a_call()
    with pytest.raises(HandOver):
        clock.pause(1)
    clock.closing()
    clock.room_for_a_call()
    left = 4.9
    with pytest.raises(HandOver):
        clock.room_for_a_call()
