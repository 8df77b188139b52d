"""Work that takes longer than the function may run goes on in fresh invocations, up to ServiceTimeout."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.cloudformation import Stack


def test_creation_outlives_the_function(stack: Stack) -> None:
    stack.evs.set(create_latency=40.0)
    began = time.monotonic()
    delivery = stack.deliver(stack.event("Create", ["vm-101", "vm-102"]), timeout=30)
    assert delivery.answer(120)["Status"] == "SUCCESS"
    assert 40 <= time.monotonic() - began < 55
    assert len(stack.continuations) >= 2
    assert delivery.invocation.exit_code == 0
    assert all(invocation.wait() == 0 for invocation in stack.continuations)
    assert len(stack.evs.calls("CreateEntitlement")) == 1
    assert "OldResourceProperties" not in stack.continuations[0].event


def test_removal_outlives_the_function(stack: Stack) -> None:
    stack.evs.set(delete_latency=25.0)
    created = stack.create(["vm-101"])
    delivery = stack.deliver(stack.event("Delete", ["vm-101"], physical_id=created["PhysicalResourceId"]), timeout=30)
    assert delivery.answer(120)["Status"] == "SUCCESS"
    assert stack.continuations
    assert stack.evs.held() == []


@pytest.mark.parametrize(("request_type", "service_timeout"), [("Create", 60), ("Update", 60), ("Create", 30)])
def test_at_the_deadline_it_fails_in_time_and_is_undone(stack: Stack, request_type: str, service_timeout: int) -> None:
    before = stack.create(["vm-101"])
    stack.evs.set(create_latency=0.0, create_latency_by_vm={"vm-103": 600.0})
    physical_id = before["PhysicalResourceId"] if request_type == "Update" else None
    logical_id = "Windows" if request_type == "Update" else "Late"
    event = stack.event(
        request_type,
        ["vm-102", "vm-103"],
        physical_id=physical_id,
        logical_id=logical_id,
        service_timeout=service_timeout,
    )
    began = time.monotonic()
    answer = stack.deliver(event, timeout=30).answer(80)
    assert time.monotonic() - began < service_timeout
    assert answer["Status"] == "FAILED"
    assert "vm-103" in answer["Reason"]
    assert "CREATING" in answer["Reason"]
    assert "vm-102" not in answer["Reason"]
    assert stack.evs.held() == ["vm-101"]
    assert len(stack.evs.calls(vm_id="vm-101")) == 1


@pytest.mark.parametrize("operation", ["ListVmEntitlements", "CreateEntitlement"])
def test_calls_that_hang_do_not_hold_up_the_answer(stack: Stack, operation: str) -> None:
    """One that is begun just before the deadline, and awaited for long, would be the end of it."""
    stack.evs.fault("hang", operations=[operation], count=None, seconds=40)
    began = time.monotonic()
    answer = stack.create(["vm-101"], service_timeout=30)
    assert time.monotonic() - began < 30
    assert answer["Status"] == "FAILED"
    assert f"evs:{operation}" in answer["Reason"]


@pytest.mark.parametrize("looks", [0, 1], ids=["before creation", "while it is CREATING"])
def test_a_pause_that_evs_asks_for_outlasts_the_invocation_too(stack: Stack, looks: int) -> None:
    """A fresh invocation each time, which asks at once and is throttled again, would be a storm."""
    stack.evs.set(create_latency=0.5 * looks)
    stack.evs.fault("throttle", operations=["ListVmEntitlements"], count=2, after_calls=looks, retry_after_seconds=18)
    began = time.monotonic()
    answer = stack.deliver(stack.event("Create", ["vm-101"]), timeout=30).answer(90)
    assert answer["Status"] == "SUCCESS", answer
    assert 36 <= time.monotonic() - began < 50
    # Two that are throttled, the plan's, and one that shows what EVS has answered.
    assert len(stack.evs.calls("ListVmEntitlements")) == 4
    assert 2 <= len(stack.continuations) <= 4


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_where_no_fresh_invocation_can_go_on_the_request_fails_and_the_next_one_removes(
    stack: Stack, request_type: str
) -> None:
    def ago(seconds: float) -> str:
        return (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y%m%dT%H%M%SZ")

    before = stack.create(["vm-101"], issued=ago(200))
    stack.evs.set(create_latency=40.0)
    stack.denied.add("InvokeFunction")
    given = {"Create": {"logical_id": "Other"}, "Update": {"physical_id": before["PhysicalResourceId"]}}[request_type]
    event = stack.event(request_type, ["vm-101", "vm-102"], issued=ago(80), **given)
    delivery = stack.deliver(event, timeout=30)
    answer = delivery.answer(40)
    assert answer["Status"] == "FAILED"
    assert "lambda:InvokeFunction" in answer["Reason"]
    assert delivery.invocation.wait() == 0
    assert not stack.continuations
    stack.denied.clear()
    stack.evs.by_hand("set_status", ["vm-102"], "CREATED", pinned=False)
    if request_type == "Create":
        assert stack.delete(answer["PhysicalResourceId"], logical_id="Other")["Status"] == "SUCCESS"
    else:
        assert stack.update(answer["PhysicalResourceId"], ["vm-101"])["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-101"]
    assert len(stack.evs.calls(vm_id="vm-101")) == 1


def test_an_undo_goes_on_in_a_fresh_invocation(stack: Stack) -> None:
    stack.evs.set(create_latency=0.0, create_latency_by_vm={"vm-102": 25.0}, refuse_delete_while_creating=True)
    delivery = stack.deliver(stack.event("Create", ["vm-101", "vm-102", "vm-201"]), timeout=30)
    answer = delivery.answer(120)
    assert answer["Status"] == "FAILED"
    assert "vm-201" in answer["Reason"]
    assert "vm-102" not in answer["Reason"]
    assert stack.continuations
    assert stack.evs.held() == []


def test_an_invocation_that_goes_on_is_fenced_off_too(stack: Stack) -> None:
    stack.evs.set(create_latency=60.0)
    older = stack.deliver(stack.event("Create", ["vm-101"]), timeout=30)
    ends = time.monotonic() + 40
    while not stack.continuations:
        assert time.monotonic() < ends
        time.sleep(0.1)
    stack.named["Windows"] = "made-up"
    stack.evs.set(create_latency=0.0)
    stack.evs.by_hand("set_status", ["vm-101"], "CREATED", pinned=False)
    assert stack.delete("made-up", ["vm-101"])["Status"] == "SUCCESS"
    for invocation in stack.continuations:
        invocation.wait()
    assert older.puts == [] or older.puts[0].answer["Status"] == "SUCCESS"
    assert stack.evs.held() == []
