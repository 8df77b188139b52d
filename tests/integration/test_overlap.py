"""Requests that overlap, come late, twice, or again after a kill: the ledger's fence decides."""

import threading
import time
from pathlib import Path

import pytest

from testing.receiver import Receiver
from tests.support.cloudformation import Stack
from tests.support.function import Lambda

#: AWS calls of an undisturbed Create or Update of new VMs: read, begin, list, claim, create, live; 0 is the answer. A
#: Delete has announce, delete and done instead of the last three. After one call is before the next, but for the first,
#: and for the one that changes EVS, which looks at the clock in between.
STEPS = [(number, "after") for number in (1, 2, 3, 4, 5, 6, 0)] + [(number, "before") for number in (1, 5)]


#: For how long a call of a dead or stopped process counts as under way, shortened: the same logic in less time.
QUICK = {
    "lost_lands_within": 6.0,
    "fault_lands_within": 6.0,
    "send_within_most": 2.0,
    "list_lag": 3.0,
}


@pytest.fixture(autouse=True)
def quick(stack: Stack) -> None:
    stack.patch.update(QUICK)


def ledger_agrees(stack: Stack, **holds: set[str]) -> None:
    """What is owned is held, what is held and ours is in a set."""
    from tests.support.ledger import read

    state = read(stack)
    connectors = state.holdings.keys() | {call.connector for call in state.calls.values()}
    for connector in connectors:
        held = set(stack.evs.held(connector.environment_id, connector.connector_id))
        assert state.owned(connector) == state.declared(connector)
        assert state.owned(connector) <= held


@pytest.mark.parametrize(("number", "when"), STEPS)
def test_a_create_that_is_stopped_anywhere_while_its_delete_runs(stack: Stack, number: int, when: str) -> None:
    stack.named["Windows"] = "made-up"
    older = stack.deliver(stack.event("Create", ["vm-101", "vm-102"]), at=(number, when, "SIGSTOP"))
    assert older.invocation.stopped()
    assert stack.delete("made-up", ["vm-101", "vm-102"])["Status"] == "SUCCESS"
    older.invocation.go_on()
    older.invocation.wait()
    assert len(older.puts) == (number == 0)
    assert stack.evs.held() == []
    ledger_agrees(stack)


@pytest.mark.parametrize(("number", "when"), STEPS)
def test_an_update_that_is_stopped_anywhere_while_the_rollback_runs(stack: Stack, number: int, when: str) -> None:
    before = stack.create(["vm-101", "vm-102"])
    physical_id = before["PhysicalResourceId"]
    older = stack.deliver(
        stack.event("Update", ["vm-102", "vm-103"], physical_id=physical_id), at=(number, when, "SIGSTOP")
    )
    assert older.invocation.stopped()
    assert stack.update(physical_id, ["vm-101", "vm-102"])["PhysicalResourceId"] == physical_id
    older.invocation.go_on()
    older.invocation.wait()
    assert len(older.puts) == (number == 0)
    assert stack.evs.held() == ["vm-101", "vm-102"]
    assert [call["vm_id"] for call in stack.evs.changes() if call["status"] == "DELETED"] in ([], ["vm-103"])
    ledger_agrees(stack)
    assert stack.delete(physical_id)["Status"] == "SUCCESS"
    assert stack.evs.held() == []


@pytest.mark.parametrize(("number", "when"), STEPS)
def test_a_delete_that_is_stopped_anywhere_while_a_vm_is_declared_again(stack: Stack, number: int, when: str) -> None:
    first = stack.create(["vm-101", "vm-102"])
    second = stack.update(first["PhysicalResourceId"], ["vm-102"])
    older = stack.deliver(
        stack.event("Delete", ["vm-101", "vm-102"], physical_id=first["PhysicalResourceId"]),
        at=(number, when, "SIGSTOP"),
    )
    assert older.invocation.stopped()
    third = stack.update(second["PhysicalResourceId"], ["vm-101", "vm-102", "vm-103"])
    assert third["Status"] == "SUCCESS"
    older.invocation.go_on()
    older.invocation.wait()
    assert len(older.puts) == (number == 0)
    assert stack.evs.held() == ["vm-101", "vm-102", "vm-103"]
    assert len(stack.evs.intervals("vm-102")) == 1
    assert stack.delete(second["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-101", "vm-102", "vm-103"]
    ledger_agrees(stack)


@pytest.mark.parametrize("request_type", ["Create", "Update", "Delete"])
@pytest.mark.parametrize(("number", "when"), STEPS)
def test_killed_anywhere_and_retried(stack: Stack, request_type: str, number: int, when: str) -> None:
    stack.evs.entitle(["vm-110"])
    before = stack.create(["vm-101", "vm-102"], logical_id="Windows" if request_type != "Create" else "Other")
    vm_ids = {"Create": ["vm-102", "vm-103"], "Update": ["vm-102", "vm-103"], "Delete": ["vm-101", "vm-102"]}
    physical_id = None if request_type == "Create" else before["PhysicalResourceId"]
    event = stack.event(request_type, vm_ids[request_type], physical_id=physical_id)
    killed = stack.deliver(event, at=(number, when, "SIGKILL"))
    assert killed.invocation.wait() == -9
    retried = stack.deliver(event)
    answer = retried.answer()
    assert answer["Status"] == "SUCCESS"
    assert len({put.body for put in retried.puts}) == 1
    expected = ["vm-110"] if request_type == "Delete" else ["vm-101", "vm-102", "vm-103", "vm-110"]
    assert stack.evs.held() == expected
    ledger_agrees(stack)


@pytest.mark.parametrize(("number", "when"), STEPS)
def test_a_create_that_is_killed_anywhere_and_never_retried(stack: Stack, number: int, when: str) -> None:
    stack.evs.entitle(["vm-110"])
    killed = stack.deliver(stack.event("Create", ["vm-101", "vm-102"]), at=(number, when, "SIGKILL"))
    killed.invocation.wait()
    stack.named["Windows"] = "made-up"
    assert stack.delete("made-up", ["vm-101", "vm-102"])["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-110"]
    ledger_agrees(stack)


@pytest.mark.parametrize("dated", [True, False])
def test_a_request_first_delivered_after_a_newer_one_begins_nothing(stack: Stack, dated: bool) -> None:
    late = stack.event("Update", ["vm-101", "vm-104"], physical_id="any") if dated else None
    created = stack.create(["vm-101", "vm-102"], issued="" if dated else None)
    if late is None:
        # Without a date the order of arrival counts, so only one that was seen before is known to be older.
        late = stack.event("Update", ["vm-104"], physical_id=created["PhysicalResourceId"], issued=None)
        stack.deliver(late, at=(2, "after", "SIGKILL")).invocation.wait()
        stack.update(created["PhysicalResourceId"], ["vm-101", "vm-102"], issued=None)
    stack.evs.clear_calls()
    stack.deliver(late).unanswered()
    assert stack.evs.calls() == []
    assert stack.evs.held() == ["vm-101", "vm-102"]


def test_a_request_past_its_deadline_begins_nothing(stack: Stack) -> None:
    event = stack.event("Create", ["vm-101"], issued="20200101T000000Z")
    assert stack.deliver(event).answer()["Status"] == "FAILED"
    assert stack.evs.calls() == []


@pytest.mark.parametrize("outcome", ["SUCCESS", "FAILED"])
@pytest.mark.parametrize("request_type", ["Create", "Update", "Delete"])
def test_delivered_twice_ends_the_same_and_says_the_same(stack: Stack, request_type: str, outcome: str) -> None:
    before = stack.create(["vm-101", "vm-102"])
    wrong = ["vm-201"] if outcome == "FAILED" and request_type != "Delete" else []
    if outcome == "FAILED" and request_type == "Delete":
        stack.evs.set(refuse_delete={"vm-101": "busy"})
    physical_id = None if request_type == "Create" else before["PhysicalResourceId"]
    logical_id = "Other" if request_type == "Create" else "Windows"
    event = stack.event(
        request_type, ["vm-101", "vm-103", *wrong], physical_id=physical_id, logical_id=logical_id, service_timeout=20
    )
    first = stack.deliver(event).answer()
    assert first["Status"] == outcome
    held = stack.evs.held()
    stack.evs.clear_calls()
    again = stack.deliver(event)
    again.invocation.wait()
    assert [put.answer for put in again.puts] == [first, first]
    assert stack.evs.calls() == []
    assert stack.evs.held() == held


@pytest.mark.parametrize("request_type", ["Create", "Delete"])
def test_delivered_twice_at_once(stack: Stack, request_type: str) -> None:
    stack.evs.set(create_latency=1.0, delete_latency=1.0)
    before = stack.create(["vm-101", "vm-102"])
    physical_id = before["PhysicalResourceId"] if request_type == "Delete" else None
    logical_id = "Windows" if request_type == "Delete" else "Other"
    event = stack.event(request_type, ["vm-101", "vm-103"], physical_id=physical_id, logical_id=logical_id)
    deliveries = [stack.deliver(event) for _ in range(3)]
    assert deliveries[0].answer()["Status"] == "SUCCESS"
    stack.settle()
    assert len({put.body for put in deliveries[0].puts}) == 1
    assert stack.evs.held() == ([] if request_type == "Delete" else ["vm-101", "vm-102", "vm-103"])
    ledger_agrees(stack)


def test_two_resources_of_a_stack_at_once_on_one_connector(big_stack: Stack) -> None:
    stack = big_stack
    stack.evs.set(create_latency=0.5)
    events = [
        stack.event("Create", [f"vm-{1001 + 20 * k + n}" for n in range(130)], logical_id=f"R{k}") for k in range(3)
    ]
    deliveries = [stack.deliver(event) for event in events]
    answers = [delivery.answer() for delivery in deliveries]
    assert {(answer["Status"], answer["Reason"]) for answer in answers} == {("SUCCESS", "")}
    assert len(stack.evs.held()) == 170
    ledger_agrees(stack)
    deletes = [
        stack.deliver(stack.event("Delete", ["vm-1"], logical_id=f"R{k}", physical_id=answer["PhysicalResourceId"]))
        for k, answer in enumerate(answers)
    ]
    assert {delivery.answer()["Status"] for delivery in deletes} == {"SUCCESS"}
    assert stack.evs.held() == []


def test_what_another_resource_created_between_our_two_looks_at_the_world_is_no_conflict(stack: Stack) -> None:
    second = stack.deliver(stack.event("Create", ["vm-101", "vm-102"], logical_id="Second"), at=(2, "after", "SIGSTOP"))
    assert second.invocation.stopped()
    assert stack.create(["vm-101", "vm-103"], logical_id="First")["Status"] == "SUCCESS"
    second.invocation.go_on()
    assert second.answer()["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-101", "vm-102", "vm-103"]
    ledger_agrees(stack)


def test_two_stacks_that_claim_one_vm_the_second_fails_and_names_it(
    stack: Stack, function: Lambda, receiver: Receiver, directory: Path
) -> None:
    other = Stack(function, receiver, directory)
    stack.create(["vm-101", "vm-102"])
    answer = other.create(["vm-102", "vm-103"])
    assert answer["Status"] == "FAILED"
    assert "vm-102" in answer["Reason"]
    assert "RETAIN" in answer["Reason"]
    assert stack.evs.held() == ["vm-101", "vm-102"]
    other.close()


def test_a_cancelled_request_that_still_waits_is_fenced_off(stack: Stack) -> None:
    stack.evs.set(create_latency=3.0)
    before = stack.create(["vm-101"])
    older = stack.deliver(
        stack.event("Update", ["vm-101", "vm-102", "vm-103"], physical_id=before["PhysicalResourceId"])
    )
    stack.wait_for("entitling 2 VMs")
    back = stack.update(before["PhysicalResourceId"], ["vm-101"])
    assert back["Status"] == "SUCCESS"
    older.unanswered()
    assert stack.evs.held() == ["vm-101"]
    ledger_agrees(stack)


def test_an_answer_that_is_still_being_sent_when_a_newer_request_comes_is_given_up(stack: Stack) -> None:
    stack.receiver.statuses[:] = [503] * 3
    older = stack.deliver(stack.event("Create", ["vm-101"]))
    stack.wait_for("the answer met HTTP 503")
    assert stack.deliver(stack.event("Delete", ["vm-101"], physical_id="made-up")).answer()["Status"] == "SUCCESS"
    stack.receiver.statuses.clear()
    older.unanswered()
    assert stack.evs.held() == []


@pytest.mark.parametrize("killed", [False, True])
def test_a_creation_still_in_the_air_is_awaited_by_the_delete_of_the_same_set_made_anew(
    stack: Stack, killed: bool
) -> None:
    hold = stack.evs.fault("hold", operations=["CreateEntitlement"])
    older = stack.deliver(stack.event("Create", ["vm-101", "vm-102"]))
    stack.evs.wait_held(hold)
    if killed:
        older.invocation.kill()
    # Else the call would land later than a lost one is waited for here.
    stack.patch["others_for"] = 1.0
    newer = stack.create(["vm-101", "vm-102"])
    assert newer["Status"] == "SUCCESS"
    release = threading.Timer(2.0, stack.evs.release, [hold])
    release.start()
    assert stack.delete(newer["PhysicalResourceId"])["Status"] == "SUCCESS"
    release.join()
    stack.settle()
    assert stack.evs.held() == []
    ledger_agrees(stack)


@pytest.mark.parametrize("killed", [False, True])
def test_a_deletion_still_in_the_air_is_awaited_so_that_it_hits_nobody_who_comes_next(
    stack: Stack, killed: bool
) -> None:
    created = stack.create(["vm-101", "vm-102"])
    hold = stack.evs.fault("hold", operations=["DeleteEntitlement"])
    older = stack.deliver(stack.event("Delete", ["vm-101"], physical_id=created["PhysicalResourceId"]))
    stack.evs.wait_held(hold)
    if killed:
        older.invocation.kill()
    release = threading.Timer(2.0, stack.evs.release, [hold])
    release.start()
    assert stack.delete(created["PhysicalResourceId"])["Status"] == "SUCCESS"
    stack.evs.entitle(["vm-101", "vm-102"])
    release.join()
    stack.settle()
    assert stack.evs.held() == ["vm-101", "vm-102"]


def test_a_process_held_up_between_ledger_and_call_does_not_call_any_more(stack: Stack) -> None:
    older = stack.deliver(stack.event("Create", ["vm-101", "vm-102"]), at=(4, "after", "SIGSTOP"))
    assert older.invocation.stopped()
    assert stack.create(["vm-101", "vm-102"])["Status"] == "SUCCESS"
    time.sleep(0.3)
    older.invocation.go_on()
    older.unanswered()
    assert len(stack.evs.calls("CreateEntitlement")) == 1
    ledger_agrees(stack)


def test_interleaved_by_threads_many_requests_of_one_resource(stack: Stack) -> None:
    """CloudFormation never does this to one resource, but the fence must hold."""
    stack.evs.set(create_latency=0.2)
    created = stack.create(["vm-101"])
    events = [
        stack.event("Update", ["vm-101", f"vm-{102 + n}"], physical_id=created["PhysicalResourceId"]) for n in range(8)
    ]
    threads = [threading.Thread(target=lambda e=event: stack.deliver(e).invocation.wait()) for event in events]
    for thread in reversed(threads):
        thread.start()
    for thread in threads:
        thread.join()
    back = stack.update(created["PhysicalResourceId"], ["vm-101"])
    assert back["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-101"]
    ledger_agrees(stack)
