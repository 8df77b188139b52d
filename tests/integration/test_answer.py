"""The answer: PUT once, checked, retried; and crhelper's own ways out of the picture."""

import json
import time
from typing import Any

import pytest

from tests.support.cloudformation import CONNECTOR, ENVIRONMENT, Delivery, Stack


@pytest.mark.parametrize("statuses", [[503], [500, 502, 503], [0], [0, 503, 429]])
def test_an_answer_that_meets_trouble_is_sent_again(stack: Stack, statuses: Any) -> None:
    stack.receiver.statuses[:] = statuses
    delivery = stack.deliver(stack.event("Create", ["vm-101"]))
    assert delivery.answer()["Status"] == "SUCCESS"
    assert len(delivery.puts) == 1


@pytest.mark.parametrize("status", [400, 403, 404])
def test_an_answer_that_is_refused_is_given_up(stack: Stack, status: int) -> None:
    stack.receiver.statuses[:] = [status, 200]
    delivery = stack.deliver(stack.event("Create", ["vm-101"]))
    assert delivery.invocation.wait() == 0
    assert delivery.puts == []
    assert stack.receiver.statuses == [200]


def test_the_form_of_the_answer(stack: Stack) -> None:
    delivery = stack.deliver(stack.event("Create", ["vm-101"]))
    answer = delivery.answer()
    (put,) = delivery.puts
    assert put.headers["Content-Type"] == ""
    names = {"Status", "PhysicalResourceId", "StackId", "RequestId", "LogicalResourceId", "Reason", "Data"}
    assert set(answer) == names
    assert answer["Data"] == {"Count": "1", "Added": "1"}
    for name in ("StackId", "RequestId", "LogicalResourceId"):
        assert answer[name] == delivery.event[name]


def test_a_reason_that_is_all_umlauts_fits(stack: Stack) -> None:
    stack.evs.set(refuse_create={f"vm-{n}": "ä" * 400 + "\U0001f600" * 200 for n in range(101, 121)})
    delivery = stack.deliver(stack.event("Create", [f"vm-{n}" for n in range(101, 121)]))
    assert delivery.answer()["Status"] == "FAILED"
    assert len(delivery.puts[0].body) <= 4096


def test_the_answer_outlives_the_invocation(stack: Stack) -> None:
    stack.receiver.statuses[:] = [503] * 12
    delivery = stack.deliver(stack.event("Create", ["vm-101"]), timeout=30)
    assert delivery.answer(90)["Status"] == "SUCCESS"
    assert stack.continuations
    assert len(delivery.puts) == 1


def test_no_second_answer_near_the_end_of_the_function(stack: Stack) -> None:
    """crhelper's timer answers FAILED with an empty id half a second before the end."""
    stack.evs.set(create_latency=14.0)
    delivery = stack.deliver(stack.event("Create", ["vm-101"]), timeout=30)
    assert delivery.answer(90)["Status"] == "SUCCESS"
    time.sleep(1)
    assert len(delivery.puts) == 1


def test_an_unexpected_error_is_answered_and_undone(stack: Stack) -> None:
    event = stack.event("Create", ["vm-101"])
    delivery = stack.deliver(event, at=(5, "after", "raise"))
    answer = delivery.answer()
    assert answer["Status"] == "FAILED"
    assert "unexpected error" in answer["Reason"]
    assert stack.evs.held() == []


def test_an_error_while_an_error_is_handled_is_answered(stack: Stack) -> None:
    delivery = stack.deliver(stack.event("Create", ["vm-101", "vm-201"]), at=(9, "before", "raise"))
    answer = delivery.answer()
    assert answer["Status"] == "FAILED"
    assert "vm-201" in answer["Reason"]
    assert "unexpected error" in answer["Reason"]
    assert stack.delete(answer["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == []


def test_an_event_of_an_unknown_type_is_answered(stack: Stack) -> None:
    event = stack.event("Create", ["vm-101"])
    event["RequestType"] = "Inspect"
    assert stack.deliver(event).answer()["Status"] == "FAILED"


def test_no_client_of_crhelpers_and_no_polling(stack: Stack) -> None:
    """Its clients are made at import time, its polling makes EventBridge rules and permissions."""
    created = stack.create(["vm-101"])
    lines = [json.loads(line) for line in stack.log.read_text().splitlines()]
    assert lines
    assert not [line for line in lines if "polling" in str(line).lower() or "pid1" in str(line)]
    assert stack.delete(created["PhysicalResourceId"])["Status"] == "SUCCESS"


def test_logs_are_one_json_object_a_line(stack: Stack) -> None:
    answered = stack.create(["vm-101", "vm-201"])
    lines = stack.log.read_text().splitlines()
    for line in lines:
        assert {"timestamp", "level", "message", "RequestId", "LogicalResourceId", "StackId"} <= json.loads(line).keys()
    assert answered["RequestId"] in lines[0]


def test_progress_is_logged_while_waiting(big_stack: Stack) -> None:
    stack = big_stack
    stack.evs.set(create_latency=[10.0, 13.0])
    assert stack.create([f"vm-{n}" for n in range(1001, 1251)])["Status"] == "SUCCESS"
    assert "of 250 created" in stack.log.read_text()


@pytest.mark.parametrize("level", ["DEBUG"])
def test_no_secret_in_any_log_line_at_any_level(stack: Stack, level: str) -> None:
    def check(event: dict[str, Any], **job: Any) -> Delivery:
        delivery = stack.deliver(event, LOG_LEVEL=level, **job)
        delivery.invocation.wait()
        token = delivery.token
        for invocation in stack.continuations:
            invocation.wait()
        text = stack.log.read_text()
        assert text
        for secret in ("signature" + token, "tokentokentoken", "sessiontokensessiontoken", event["ResponseURL"]):
            assert secret not in text
        return delivery

    stack.patch["lost_lands_within"] = 3.0
    created = check(stack.event("Create", ["vm-101"])).answer()
    check(stack.event("Update", ["vm-101", "vm-201"], physical_id=created["PhysicalResourceId"]))
    stack.evs.set(create_latency=16.0)
    check(stack.event("Create", ["vm-102"], logical_id="Long"), timeout=30)
    assert stack.continuations
    stack.receiver.statuses[:] = [0, 503, 403]
    check(stack.event("Delete", ["vm-101"], physical_id=created["PhysicalResourceId"]))
    check(stack.event("Delete", ["vm-101"], physical_id="made-up", issued=None))
    check(stack.event("Create", ["vm-103"], logical_id="Bad"), at=(4, "after", "raise"))
    broken = stack.event("Create", ["vm-103"], logical_id="Worse")
    broken["ResponseURL"] = broken["ResponseURL"].replace("https://localhost", "https://nowhere.invalid")
    stack.deliver(broken, LOG_LEVEL=level, at=(0, "before", "raise")).invocation.wait()
    assert broken["ResponseURL"].partition("?")[2] not in stack.log.read_text()


def test_each_call_that_evs_took_is_logged_with_its_vms(stack: Stack) -> None:
    first = stack.create(["vm-101", "vm-102"])
    stack.update(first["PhysicalResourceId"], ["vm-102", "vm-103"])
    stack.delete(first["PhysicalResourceId"], ["vm-101", "vm-102"])
    text = stack.log.read_text()
    where = f"{ENVIRONMENT}/{CONNECTOR}"
    taken = [json.loads(line)["message"] for line in text.splitlines() if "Entitlement at" in line]
    assert taken == [
        f"CreateEntitlement at {where}: vm-101, vm-102",
        f"CreateEntitlement at {where}: vm-103",
        f"DeleteEntitlement at {where}: vm-101",
    ]
