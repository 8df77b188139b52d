"""Delete and undo: what is owned and in no set is removed; nothing else ever is."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.cloudformation import CONNECTOR, ENVIRONMENT, Stack


def deletes(stack: Stack) -> list[list[str]]:
    return [call["members"]["vmIds"] for call in stack.evs.calls("DeleteEntitlement")]


def test_delete_removes_the_set_and_nothing_else(stack: Stack) -> None:
    stack.evs.entitle(["vm-110"])
    created = stack.create(["vm-101", "vm-102"])
    assert stack.delete(created["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-110"]


def test_delete_waits_until_nothing_is_held(stack: Stack) -> None:
    stack.evs.set(delete_latency=2.0)
    created = stack.create(["vm-101", "vm-102"])
    assert stack.delete(created["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == []


def test_delete_takes_the_time_of_its_calls(stack: Stack) -> None:
    created = stack.create(["vm-101"])
    began = time.monotonic()
    assert stack.delete(created["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("what", ["environment", "connector", "vm", "entitlement"])
def test_delete_succeeds_where_everything_is_gone(stack: Stack, what: str) -> None:
    created = stack.create(["vm-101", "vm-102"])
    match what:
        case "environment":
            stack.evs.by_hand("remove_environment", ENVIRONMENT)
        case "connector":
            stack.evs.by_hand("remove_connector", CONNECTOR)
        case "vm":
            stack.evs.by_hand("remove_vm", "vm-101")
        case "entitlement":
            stack.evs.remove(["vm-101"])
    assert stack.delete(created["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == []


@pytest.mark.parametrize("status", ["ENTITLEMENT_REMOVED", "CREATE_FAILED"])
@pytest.mark.parametrize("refused", [False, True])
def test_what_evs_removed_is_deleted_too_and_a_refusal_is_no_error(stack: Stack, status: str, refused: bool) -> None:
    created = stack.create(["vm-101", "vm-102"])
    stack.evs.by_hand("set_status", ["vm-101"], status)
    if refused:
        stack.patch["refused_for"] = 5.0
        stack.evs.set(refuse_delete={"vm-101": "not entitled"})
    answer = stack.delete(created["PhysicalResourceId"])
    assert answer["Status"] == "SUCCESS"
    assert stack.evs.held() == []
    assert any("vm-101" in vm_ids for vm_ids in deletes(stack))


@pytest.mark.parametrize("named", [True, False])
def test_one_refused_vm_of_a_batch_holds_up_no_other(stack: Stack, named: bool) -> None:
    vm_ids = [f"vm-{number}" for number in range(101, 111)]
    created = stack.create(vm_ids)
    stack.evs.set(refuse_delete={"vm-105": "busy"}, refusals_name_vm=named)
    delivery = stack.deliver(stack.event("Delete", vm_ids, physical_id=created["PhysicalResourceId"]))
    ends = time.monotonic() + 20
    while stack.evs.held() != ["vm-105"]:
        assert time.monotonic() < ends
        time.sleep(0.1)
    stack.evs.set(refuse_delete={})
    assert delivery.answer()["Status"] == "SUCCESS"
    assert stack.evs.held() == []


def test_a_refusal_that_lasts_fails_by_name_and_the_next_delete_goes_on(stack: Stack) -> None:
    created = stack.create(["vm-101", "vm-102"])
    stack.evs.set(refuse_delete={"vm-101": "busy"})
    answer = stack.delete(created["PhysicalResourceId"], service_timeout=30)
    assert answer["Status"] == "FAILED"
    assert "vm-101" in answer["Reason"]
    assert stack.evs.held() == ["vm-101"]
    stack.evs.set(refuse_delete={})
    assert stack.delete(created["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == []


def test_creating_rows_are_awaited_before_they_are_deleted(stack: Stack) -> None:
    stack.evs.set(create_latency=3.0, refuse_delete_while_creating=True)
    creating = stack.deliver(stack.event("Create", ["vm-101", "vm-102"]))
    stack.wait_for("entitling 2 VMs")
    time.sleep(0.3)
    stack.named.clear()
    answer = stack.delete("made-up-by-cloudformation", ["vm-101", "vm-102"])
    assert answer["Status"] == "SUCCESS"
    assert stack.evs.held() == []
    creating.unanswered()


def test_the_old_set_of_an_update_is_removed_but_for_what_the_new_one_declares(stack: Stack) -> None:
    first = stack.create(["vm-101", "vm-102", "vm-103"])
    second = stack.update(first["PhysicalResourceId"], ["vm-102", "vm-103", "vm-104"])
    assert stack.evs.held() == ["vm-101", "vm-102", "vm-103", "vm-104"]
    assert stack.delete(first["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-102", "vm-103", "vm-104"]
    assert deletes(stack) == [["vm-101"]]
    assert stack.delete(second["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == []


@pytest.mark.parametrize("update_back", [True, False])
def test_a_rollback_with_or_without_an_update_back_ends_in_the_old_set(stack: Stack, update_back: bool) -> None:
    first = stack.create(["vm-101", "vm-102"])
    second = stack.update(first["PhysicalResourceId"], ["vm-102", "vm-103"])
    stack.status = "UPDATE_ROLLBACK_IN_PROGRESS"
    if update_back:
        back = stack.update(second["PhysicalResourceId"], ["vm-101", "vm-102"])
        assert back["PhysicalResourceId"] == first["PhysicalResourceId"]
    stack.named["Windows"] = first["PhysicalResourceId"]
    assert stack.delete(second["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-101", "vm-102"]
    changes = [change["vm_id"] for change in stack.evs.changes() if change["status"] == "DELETED"]
    assert changes == ["vm-103"]


# --- ids that no set has -------------------------------------------------------------------------------------------


def test_an_id_made_up_for_a_create_that_never_answered(stack: Stack) -> None:
    stack.receiver.statuses[:] = [403]
    delivery = stack.deliver(stack.event("Create", ["vm-101"]))
    assert delivery.invocation.wait() == 0
    assert stack.evs.held() == ["vm-101"]
    stack.named["Windows"] = "made-up"
    assert stack.delete("made-up", ["vm-101"])["Status"] == "SUCCESS"
    assert stack.evs.held() == []


def test_without_rollback_the_delete_of_a_failed_create_leaves_the_successful_one(stack: Stack) -> None:
    failed = stack.create(["vm-101", "vm-201"])
    assert failed["Status"] == "FAILED"
    created = stack.create(["vm-101", "vm-102"])
    assert created["Status"] == "SUCCESS"
    assert stack.delete(failed["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-101", "vm-102"]
    made_up = stack.delete("made-up", ["vm-101"])
    assert made_up["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-101", "vm-102"]
    assert stack.delete(created["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == []


def test_where_cloudformation_cannot_be_asked_nothing_is_removed(stack: Stack) -> None:
    created = stack.create(["vm-101"])
    stack.denied.add("DescribeStackResource")
    answer = stack.deliver(stack.begun(stack.event("Delete", ["vm-101"], physical_id="made-up"))).answer()
    assert answer["Status"] == "FAILED"
    assert "cloudformation:DescribeStackResource" in answer["Reason"]
    assert stack.evs.held() == ["vm-101"]
    assert stack.delete(created["PhysicalResourceId"])["Status"] == "SUCCESS"


def test_a_clean_up_that_was_skipped_is_made_up_for_when_the_stack_goes(stack: Stack) -> None:
    first = stack.create(["vm-101", "vm-102"])
    second = stack.update(first["PhysicalResourceId"], ["vm-102"])
    third = stack.update(second["PhysicalResourceId"], ["vm-102", "vm-103"])
    # CloudFormation never got through with the Deletes of the first and the second.
    stack.status = "DELETE_IN_PROGRESS"
    assert stack.delete(third["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == []


def test_a_clean_up_that_never_came_is_made_up_for_by_the_next_update(stack: Stack) -> None:
    first = stack.create(["vm-101", "vm-102"])
    second = stack.update(first["PhysicalResourceId"], ["vm-102"])
    stack.reached("UPDATE_COMPLETE")
    assert stack.update(second["PhysicalResourceId"], ["vm-102", "vm-103"])["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-102", "vm-103"]


@pytest.mark.parametrize("update_back", [True, False])
def test_without_rollback_updates_leave_what_the_stack_may_still_be_rolled_back_to(
    stack: Stack, update_back: bool
) -> None:
    first = stack.create(["vm-101", "vm-102"])
    stack.reached("CREATE_COMPLETE")
    # A neighbour fails, rollback is off, and the next update goes on from the second set.
    second = stack.update(first["PhysicalResourceId"], ["vm-102", "vm-103"])
    stack.reached("UPDATE_FAILED")
    third = stack.update(second["PhysicalResourceId"], ["vm-104"])
    stack.reached("UPDATE_FAILED")
    assert stack.evs.held() == ["vm-101", "vm-102", "vm-103", "vm-104"]
    # Now it is rolled back to the last state in which all was well.
    stack.reached("UPDATE_ROLLBACK_IN_PROGRESS")
    if update_back:
        back = stack.update(third["PhysicalResourceId"], ["vm-101", "vm-102"])
        assert back["PhysicalResourceId"] == first["PhysicalResourceId"]
    stack.named["Windows"] = first["PhysicalResourceId"]
    for former in (third, second):
        assert stack.delete(former["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-101", "vm-102"]
    assert {change["vm_id"] for change in stack.evs.changes() if change["status"] == "DELETED"} == {"vm-103", "vm-104"}


@pytest.mark.parametrize("why", ["nested", "DescribeStackResource", "DescribeStackEvents"])
def test_where_it_is_not_certain_an_update_leaves_a_former_set(stack: Stack, why: str) -> None:
    first = stack.create(["vm-101"])
    second = stack.update(first["PhysicalResourceId"], ["vm-102"])
    stack.reached("UPDATE_COMPLETE")
    if why == "nested":
        stack.parent_id = "arn:aws:cloudformation:us-east-1:000000000000:stack/parent/1"
    else:
        stack.denied.add(why)
    event = stack.event("Update", ["vm-102", "vm-103"], physical_id=second["PhysicalResourceId"])
    assert stack.deliver(stack.begun(event)).answer()["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-101", "vm-102", "vm-103"]


def test_the_set_of_an_update_whose_answer_was_lost_goes_with_the_next_update(stack: Stack) -> None:
    first = stack.create(["vm-101"])
    stack.receiver.statuses[:] = [403]
    lost = stack.deliver(stack.event("Update", ["vm-101", "vm-102"], physical_id=first["PhysicalResourceId"]))
    assert lost.invocation.wait() == 0
    back = stack.update(first["PhysicalResourceId"], ["vm-101"])
    assert back["PhysicalResourceId"] == first["PhysicalResourceId"]
    assert stack.evs.held() == ["vm-101"]


def test_what_a_retained_resource_left_is_kept_when_the_resource_comes_back(stack: Stack) -> None:
    # DeletionPolicy Retain: the resource left the template and no Delete came.
    kept = stack.create(["vm-101", "vm-102"])
    again = stack.create(["vm-102", "vm-103"])
    assert again["Status"] == "SUCCESS"
    more = stack.update(again["PhysicalResourceId"], ["vm-103"])
    assert stack.delete(again["PhysicalResourceId"])["Status"] == "SUCCESS"
    stack.status = "DELETE_IN_PROGRESS"
    assert stack.delete(more["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-101", "vm-102"]
    assert kept["Status"] == "SUCCESS"


# --- adopted -------------------------------------------------------------------------------------------------------


def adopted(stack: Stack) -> dict[str, Any]:
    stack.evs.entitle(["vm-110"])
    answer = stack.create(["vm-101", "vm-110"], AdoptExisting="true")
    assert answer["Status"] == "SUCCESS"
    return answer


def test_adopted_and_completed_is_removed(stack: Stack) -> None:
    answer = adopted(stack)
    stack.reached("CREATE_COMPLETE")
    stack.reached("DELETE_IN_PROGRESS")
    assert stack.delete(answer["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == []


@pytest.mark.parametrize("status", ["ROLLBACK_IN_PROGRESS", "DELETE_IN_PROGRESS", "UPDATE_ROLLBACK_IN_PROGRESS"])
def test_adopted_by_an_operation_that_did_not_complete_is_given_back(stack: Stack, status: str) -> None:
    stack.events.append(("UPDATE_COMPLETE", datetime.now(UTC) - timedelta(hours=1)))
    answer = adopted(stack)
    stack.reached(status)
    assert stack.delete(answer["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-110"]
    assert "given back" in stack.log.read_text()
    assert [vm_ids for vm_ids in deletes(stack) if "vm-110" in vm_ids] == []


def test_adopted_so_long_ago_that_cloudformation_has_forgotten_is_removed(stack: Stack) -> None:
    answer = adopted(stack)
    stack.patch["stack_history"] = 0.0
    stack.reached("DELETE_IN_PROGRESS")
    assert stack.delete(answer["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == []


@pytest.mark.parametrize("why", ["nested", "DescribeStacks", "DescribeStackEvents"])
def test_adopted_is_given_back_where_nothing_is_certain(stack: Stack, why: str) -> None:
    answer = adopted(stack)
    stack.reached("CREATE_COMPLETE")
    stack.reached("DELETE_IN_PROGRESS")
    if why == "nested":
        stack.parent_id = "arn:aws:cloudformation:us-east-1:000000000000:stack/parent/1"
    else:
        stack.denied.add(why)
    event = stack.event("Delete", ["vm-101", "vm-110"], physical_id=answer["PhysicalResourceId"])
    assert stack.deliver(stack.begun(event)).answer()["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-110"]


# --- the ledger's table --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_without_its_table_a_create_or_update_fails_before_any_change(stack: Stack, request_type: str) -> None:
    before = stack.create(["vm-101"])
    stack.database.delete_table(TableName=stack.table)
    stack.evs.clear_calls()
    physical_id = before["PhysicalResourceId"] if request_type == "Update" else None
    answer = stack.deliver(stack.event(request_type, ["vm-101", "vm-102"], physical_id=physical_id)).answer()
    assert answer["Status"] == "FAILED"
    assert stack.table in answer["Reason"]
    assert stack.evs.calls() == []


def test_without_its_table_a_delete_falls_back_to_its_properties(stack: Stack) -> None:
    stack.evs.entitle(["vm-110"])
    created = stack.create(["vm-101", "vm-102"])
    stack.database.delete_table(TableName=stack.table)
    assert stack.delete(created["PhysicalResourceId"], ["vm-101", "vm-102"])["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-110"]


def test_without_its_table_the_delete_of_a_failed_create_removes_nothing(stack: Stack) -> None:
    stack.evs.entitle(["vm-110"])
    failed = stack.create(["vm-110"])
    stack.database.delete_table(TableName=stack.table)
    assert stack.delete(failed["PhysicalResourceId"], ["vm-110"])["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-110"]


def test_without_its_table_the_delete_of_a_create_that_never_answered_removes_nothing_and_says_so(stack: Stack) -> None:
    stack.evs.entitle(["vm-110"])
    stack.database.delete_table(TableName=stack.table)
    stack.named["Windows"] = "made-up"
    answer = stack.delete("made-up", ["vm-101", "vm-110"])
    assert answer["Status"] == "FAILED"
    assert "vm-110" in answer["Reason"]
    assert "vm-101" not in answer["Reason"]
    assert stack.evs.held() == ["vm-110"]
    stack.evs.remove(["vm-110"])
    assert stack.delete("made-up", ["vm-101", "vm-110"])["Status"] == "SUCCESS"


def test_when_the_table_goes_in_the_midst_of_a_create_what_it_made_is_removed(stack: Stack) -> None:
    stack.evs.entitle(["vm-110"])
    created = stack.create(["vm-101"])
    stack.evs.set(create_latency=2.0)
    vm_ids, physical_id = ["vm-101", "vm-102", "vm-110"], created["PhysicalResourceId"]
    delivery = stack.deliver(stack.event("Update", vm_ids, physical_id=physical_id, AdoptExisting="true"))
    stack.wait_for("entitling 1 VM")
    time.sleep(0.5)
    stack.database.delete_table(TableName=stack.table)
    answer = delivery.answer()
    assert answer["Status"] == "FAILED"
    assert stack.table in answer["Reason"]
    assert "1 VM removed again" in answer["Reason"]
    assert stack.evs.held() == ["vm-101", "vm-110"]
