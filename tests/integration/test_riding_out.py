"""Throttling, 5xx, lost connections and answers, policies on their way: the end state and the answer are right."""

import time
from typing import Any

import pytest

from tests.support.cloudformation import Stack
from tests.support.database import Database

VMS = [f"vm-{number}" for number in range(1001, 1231)]
OPERATIONS = ["CreateEntitlement", "ListVmEntitlements", "DeleteEntitlement"]


def whole_life(stack: Stack) -> None:
    created = stack.create(VMS)
    assert created["Status"] == "SUCCESS", created
    assert stack.evs.held() == VMS
    assert stack.delete(created["PhysicalResourceId"], VMS)["Status"] == "SUCCESS"
    assert stack.evs.held() == []


@pytest.mark.parametrize("already_entitled", ["return", "refuse"])
@pytest.mark.parametrize("effect", ["throttle", "error", "close_before", "close_after"])
def test_a_fault_at_every_operation(big_stack: Stack, effect: str, already_entitled: str) -> None:
    stack = big_stack
    stack.evs.set(already_entitled=already_entitled, unentitled_delete="refuse", create_latency=0.3)
    for operation in OPERATIONS:
        stack.evs.fault(effect, operations=[operation], count=2)
        stack.evs.fault(effect, operations=[operation], count=2, after_calls=3)
    whole_life(stack)
    assert sum(rule["applied"] for rule in stack.evs.faults()) >= 8


def test_a_lost_answer_does_not_double_the_request(stack: Stack) -> None:
    stack.evs.set(already_entitled="refuse")
    stack.evs.fault("close_after", operations=["CreateEntitlement"])
    created = stack.create(["vm-101", "vm-102"])
    assert created["Status"] == "SUCCESS"
    assert [call["done"] for call in stack.evs.calls("CreateEntitlement")] == [True]


@pytest.mark.parametrize("refusals_name_vm", [True, False])
def test_a_lost_answer_and_a_list_that_lags_are_ridden_out(stack: Stack, refusals_name_vm: bool) -> None:
    """EVS refuses the second call for what the first one did, and the list doesn't show it yet."""
    looks = {"vm-101": 2, "vm-102": 2}
    stack.evs.set(already_entitled="refuse", refusals_name_vm=refusals_name_vm, hide_rows=looks)
    stack.evs.fault("close_after", operations=["CreateEntitlement"])
    created = stack.create(["vm-101", "vm-102"])
    assert created["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-101", "vm-102"]
    done, *refused = [call["done"] for call in stack.evs.calls("CreateEntitlement")]
    assert done
    assert 2 <= len(refused) <= 3
    assert not any(refused)


def test_a_lost_answer_does_not_excuse_a_vm_that_is_refused(stack: Stack) -> None:
    stack.patch["lost_lands_within"] = 20.0
    stack.patch["list_lag"] = 5.0
    stack.evs.set(refuse_create={"vm-102": "not this one"})
    stack.evs.fault("close_before", operations=["CreateEntitlement"])
    answer = stack.create(["vm-101", "vm-102"])
    assert answer["Status"] == "FAILED"
    assert "vm-102: ValidationException" in answer["Reason"]
    assert stack.evs.held() == []


def test_throttled_with_a_time_to_wait(stack: Stack) -> None:
    stack.evs.fault("throttle", operations=["CreateEntitlement"], count=1, retry_after_seconds=3)
    began = time.monotonic()
    assert stack.create(["vm-101"])["Status"] == "SUCCESS"
    assert time.monotonic() - began >= 3


def test_throttled_for_longer_than_seconds(stack: Stack) -> None:
    stack.evs.fault("throttle", operations=["CreateEntitlement"], count=8)
    assert stack.create(["vm-101"])["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-101"]


def test_evs_out_of_reach_until_the_deadline_fails_and_says_so(stack: Stack) -> None:
    stack.evs.fault("error", operations=["CreateEntitlement"], count=None, status=503, code="ServiceUnavailable")
    answer = stack.create(["vm-101"], service_timeout=30)
    assert answer["Status"] == "FAILED"
    assert "evs:CreateEntitlement" in answer["Reason"]
    assert "ServiceUnavailable" in answer["Reason"]
    assert stack.evs.held() == []


def test_access_denied_that_heals(stack: Stack) -> None:
    stack.evs.fault("access_denied", operations=["CreateEntitlement", "ListVmEntitlements"], count=4)
    assert stack.create(["vm-101"])["Status"] == "SUCCESS"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_access_denied_that_stays_is_reported_with_its_action(stack: Stack, operation: Any) -> None:
    created = stack.create(["vm-101"])
    stack.evs.fault("access_denied", operations=[operation], count=None)
    request_type = "Delete" if operation == "DeleteEntitlement" else "Update"
    event = stack.event(request_type, ["vm-102"], physical_id=created["PhysicalResourceId"])
    answer = stack.deliver(stack.begun(event)).answer()
    assert answer["Status"] == "FAILED"
    assert f"evs:{operation}" in answer["Reason"]
    assert stack.evs.held() == ["vm-101"]


def test_access_denied_is_ridden_out_for_a_minute_or_so(stack: Stack) -> None:
    stack.evs.fault("access_denied", operations=["ListVmEntitlements"], count=None)
    event = stack.event("Create", ["vm-101"])
    began = time.monotonic()
    answer = stack.deliver(stack.begun(event, seconds=68)).answer()
    assert answer["Status"] == "FAILED"
    assert 4 < time.monotonic() - began < 20


def test_a_vm_that_another_request_of_ours_has_entitled_meanwhile(stack: Stack) -> None:
    stack.evs.set(already_entitled="refuse")
    hold = stack.evs.fault("hold", operations=["CreateEntitlement"], vm_ids=["vm-103"])
    first = stack.deliver(stack.event("Create", ["vm-101", "vm-102", "vm-103"], logical_id="First"))
    stack.evs.wait_held(hold)
    second = stack.deliver(stack.event("Create", ["vm-101", "vm-102"], logical_id="Second"))
    assert second.answer()["Status"] == "SUCCESS"
    stack.evs.release(hold)
    assert first.answer()["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-101", "vm-102", "vm-103"]


def test_a_vm_that_somebody_else_has_entitled_meanwhile_is_not_taken(stack: Stack) -> None:
    stack.evs.set(already_entitled="refuse")
    hold = stack.evs.fault("hold", operations=["CreateEntitlement"])
    delivery = stack.deliver(stack.event("Create", ["vm-101", "vm-102"]))
    stack.evs.wait_held(hold)
    stack.evs.entitle(["vm-102"])
    stack.evs.release(hold)
    answer = delivery.answer()
    assert answer["Status"] == "FAILED"
    assert "vm-102" in answer["Reason"]
    assert stack.evs.held() == ["vm-102"]


def test_with_adopt_existing_a_vm_that_somebody_else_has_entitled_meanwhile_is_adopted(stack: Stack) -> None:
    stack.evs.set(already_entitled="refuse")
    hold = stack.evs.fault("hold", operations=["CreateEntitlement"])
    delivery = stack.deliver(stack.event("Create", ["vm-101", "vm-102"], AdoptExisting="true"))
    stack.evs.wait_held(hold)
    stack.evs.entitle(["vm-102"])
    stack.evs.release(hold)
    answer = delivery.answer()
    assert answer["Status"] == "SUCCESS"
    # Adopted, so that a rollback gives it back.
    stack.reached("ROLLBACK_IN_PROGRESS")
    assert stack.delete(answer["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-102"]


def test_a_row_that_vanishes_while_it_is_awaited_is_created_again(stack: Stack) -> None:
    stack.patch["list_lag"] = 5.0
    stack.evs.set(create_latency=600.0)
    delivery = stack.deliver(stack.event("Create", ["vm-101", "vm-102"]))
    stack.wait_for("entitling 2 VMs")
    time.sleep(0.5)
    stack.evs.set(create_latency=0.0)
    stack.evs.by_hand("vanish", ["vm-101"])
    stack.evs.by_hand("set_status", ["vm-102"], "CREATED")
    assert delivery.answer()["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-101", "vm-102"]


@pytest.mark.parametrize("effect", ["throttle", "error", "close_after"])
def test_faults_during_an_undo(stack: Stack, effect: str) -> None:
    stack.evs.fault(effect, operations=["DeleteEntitlement"], count=3)
    answer = stack.create(["vm-101", "vm-201"])
    assert answer["Status"] == "FAILED"
    assert stack.evs.held() == []


def test_what_an_undo_could_not_remove_the_next_delete_does(stack: Stack) -> None:
    stack.evs.set(refuse_delete={"vm-101": "busy"})
    answer = stack.create(["vm-101", "vm-201"], service_timeout=30)
    assert answer["Status"] == "FAILED"
    assert "vm-201" in answer["Reason"]
    assert "left to the next request: vm-101" in answer["Reason"]
    assert stack.evs.held() == ["vm-101"]
    stack.evs.set(refuse_delete={})
    assert stack.delete(answer["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == []


@pytest.mark.parametrize(
    ("status", "body"),
    [(502, "<html>Bad Gateway</html>"), (500, '{"__type": "InternalServerException"}'), (200, "what?"), (200, "<a/>")],
)
def test_answers_that_are_none_of_the_services_are_ridden_out(stack: Stack, status: int, body: str) -> None:
    stack.evs.entitle(["vm-110"])
    created = stack.create(["vm-101", "vm-110"], AdoptExisting="true")
    stack.reached("CREATE_COMPLETE")
    stack.reached("DELETE_IN_PROGRESS")
    stack.broken += [(status, body)] * 2
    assert stack.delete(created["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.broken == []
    assert stack.evs.held() == []


# --- the ledger ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", ["ProvisionedThroughputExceededException", "InternalServerError", "close_after"])
def test_a_ledger_in_trouble_is_ridden_out(stack: Stack, database: Database, error: str) -> None:
    for operation in ("GetItem", "PutItem"):
        database.fail(operation, error, count=2)
        database.fail(operation, error, count=1, after=3)
    created = stack.create(["vm-101", "vm-102"])
    assert created["Status"] == "SUCCESS"
    database.fail("PutItem", error, count=2, after=1)
    assert stack.delete(created["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == []
    assert database.failed >= 5


def test_a_ledger_that_seems_empty_for_a_moment_is_not_believed(stack: Stack, database: Database) -> None:
    created = stack.create(["vm-101", "vm-102"])
    for after in (0, 1):
        database.fail("GetItem", "empty", count=1, after=after)
    stack.evs.set(delete_latency=1.5)
    assert stack.delete(created["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert database.failed == 2
    assert stack.evs.held() == []


@pytest.mark.parametrize("request_type", ["Create", "Update", "Delete"])
def test_a_ledger_out_of_reach_fails_before_any_change(stack: Stack, database: Database, request_type: str) -> None:
    created = stack.create(["vm-101"])
    database.fail("GetItem", "InternalServerError", count=None)
    stack.evs.clear_calls()
    physical_id = None if request_type == "Create" else created["PhysicalResourceId"]
    event = stack.event(request_type, ["vm-101", "vm-102"], physical_id=physical_id, service_timeout=25)
    answer = stack.deliver(event).answer()
    assert answer["Status"] == "FAILED"
    assert stack.table in answer["Reason"]
    assert stack.evs.calls() == []


def test_a_ledger_that_fails_halfway_loses_nothing(stack: Stack, database: Database) -> None:
    for operation in ("PutItem", "UpdateItem"):
        database.fail(operation, "InternalServerError", count=None, after=1)
    answer = stack.create(["vm-101"], service_timeout=25)
    assert answer["Status"] == "FAILED"
    assert stack.table in answer["Reason"]
    database.heal()
    assert stack.delete(answer["PhysicalResourceId"], ["vm-101"])["Status"] == "SUCCESS"
    assert stack.evs.held() == []
