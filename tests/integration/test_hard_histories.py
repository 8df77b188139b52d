"""Histories that were once, or could easily be, got wrong."""

import time
from typing import Any

import pytest

from tests.support.cloudformation import CONNECTOR, OTHER_CONNECTOR, Stack
from tests.support.database import Database

VMS = ["vm-101", "vm-102"]


# --- retained, and declared again ----------------------------------------------------------------------------------


def test_a_failed_re_creation_leaves_what_was_retained(stack: Stack) -> None:
    stack.create(VMS)
    failed = stack.create(["vm-102", "vm-103", "vm-201"])
    assert failed["Status"] == "FAILED"
    assert stack.delete(failed["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == VMS


@pytest.mark.parametrize(("end", "held"), [("ROLLBACK", VMS), ("COMPLETE", [])])
def test_the_retained_set_declared_again_is_retained_until_that_has_completed(
    stack: Stack, end: str, held: list[str]
) -> None:
    stack.create(VMS)
    again = stack.create(VMS)
    assert again["Status"] == "SUCCESS"
    if end == "ROLLBACK":
        stack.reached("UPDATE_ROLLBACK_IN_PROGRESS")
    else:
        stack.reached("UPDATE_COMPLETE")
        stack.reached("DELETE_IN_PROGRESS")
    assert stack.delete(again["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == held


def test_what_is_declared_again_of_a_retained_set_is_managed_again_and_the_rest_is_not(stack: Stack) -> None:
    stack.create([*VMS, "vm-103"])
    again = stack.create(VMS)
    stack.reached("UPDATE_COMPLETE")
    less = stack.update(again["PhysicalResourceId"], ["vm-101"])
    assert stack.delete(again["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-101", "vm-103"]
    stack.reached("DELETE_IN_PROGRESS")
    assert stack.delete(less["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-103"]


# --- answers that were never heard ---------------------------------------------------------------------------------


def test_an_update_that_was_never_heard_and_the_stack_goes(stack: Stack) -> None:
    first = stack.create(["vm-101"])
    stack.receiver.statuses[:] = [403]
    event = stack.event("Update", ["vm-101", "vm-102"], physical_id=first["PhysicalResourceId"])
    stack.deliver(event).invocation.wait()
    assert stack.evs.held() == VMS
    stack.status = "DELETE_IN_PROGRESS"
    assert stack.delete(first["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == []


def test_a_create_that_became_live_though_its_write_seemed_to_fail(stack: Stack, database: Database) -> None:
    # The first PutItem takes the fence, the second makes the set live.
    database.fail("PutItem", "close_after", count=1, after=1)
    database.fail("GetItem", "InternalServerError", count=None, after=1)
    failed = stack.create(["vm-101"], service_timeout=25)
    assert failed["Status"] == "FAILED"
    database.heal()
    stack.named["Windows"] = failed["PhysicalResourceId"]
    assert stack.delete(failed["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == []


@pytest.mark.parametrize("second", [["vm-102", "vm-103"], ["vm-101", "vm-102"], ["vm-201"]])
def test_an_ignored_answer_of_a_cancelled_create_without_rollback(stack: Stack, second: list[str]) -> None:
    # S3 took the answer, CloudFormation had given the Create up, and made an id up. Rollback is off.
    stack.reached("UPDATE_IN_PROGRESS")
    assert stack.deliver(stack.event("Create", VMS)).answer()["Status"] == "SUCCESS"
    stack.names("Windows", "made-up")
    stack.reached("UPDATE_FAILED")
    stack.reached("UPDATE_IN_PROGRESS")
    again = stack.create(second)
    if again["Status"] == "FAILED":
        assert stack.delete(again["PhysicalResourceId"], second)["Status"] == "SUCCESS"
    stack.status = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
    assert stack.delete("made-up", VMS)["Status"] == "SUCCESS"
    assert stack.evs.held() == (second if again["Status"] == "SUCCESS" else [])
    if again["Status"] == "SUCCESS":
        stack.status = "DELETE_IN_PROGRESS"
        assert stack.delete(again["PhysicalResourceId"], second)["Status"] == "SUCCESS"
        assert stack.evs.held() == []


def test_an_ignored_answer_of_a_set_that_was_there_before(stack: Stack) -> None:
    before = stack.create(VMS)
    assert stack.delete(before["PhysicalResourceId"], VMS)["Status"] == "SUCCESS"
    ignored = stack.deliver(stack.event("Create", VMS)).answer()
    assert ignored["PhysicalResourceId"] == before["PhysicalResourceId"]
    assert stack.create(["vm-102"])["Status"] == "SUCCESS"
    assert stack.delete("made-up", VMS)["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-102"]


def test_an_ignored_answer_whose_clean_up_never_came_goes_with_the_stack(stack: Stack) -> None:
    stack.deliver(stack.event("Create", VMS)).answer()
    again = stack.create(["vm-102", "vm-103"])
    stack.status = "DELETE_IN_PROGRESS"
    assert stack.delete(again["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == []


def test_where_the_events_cannot_be_read_what_may_have_been_retained_is_kept(stack: Stack) -> None:
    stack.deliver(stack.event("Create", VMS)).answer()
    stack.denied.add("DescribeStackEvents")
    again = stack.deliver(stack.begun(stack.event("Create", ["vm-103"]))).answer()
    stack.names("Windows", again["PhysicalResourceId"])
    assert stack.deliver(stack.begun(stack.event("Delete", VMS, physical_id="made-up"))).answer()["Status"] == "SUCCESS"
    assert stack.evs.held() == [*VMS, "vm-103"]
    # Whoever may ask again finds out.
    stack.denied.clear()
    assert stack.delete("made-up", VMS)["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-103"]


# --- EVS at its worst ----------------------------------------------------------------------------------------------


def test_a_deletion_that_finds_something_unknown_missing_is_looked_into(stack: Stack) -> None:
    created = stack.create(VMS)
    stack.evs.fault(
        "error",
        operations=["DeleteEntitlement"],
        count=3,
        code="ResourceNotFoundException",
        status=400,
        message="gone?",
    )
    assert stack.delete(created["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == []


@pytest.mark.parametrize("count", [3, 250])
def test_a_vm_that_a_list_passes_over_once_is_removed_all_the_same(big_stack: Stack, count: int) -> None:
    stack = big_stack
    stack.patch["list_lag"] = 0.1
    vm_ids = [f"vm-{number}" for number in range(1001, 1001 + count)]
    created = stack.create(vm_ids)
    # As if rows had moved up while the first look read the list.
    stack.evs.set(hide_rows={vm_ids[-1]: 1})
    assert stack.delete(created["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == []


def test_a_list_that_lags_behind_a_creation_and_then_its_removal(stack: Stack) -> None:
    stack.evs.set(create_latency=1.5, hide_rows={"vm-101": 3, "vm-102": 1})
    created = stack.create(VMS)
    assert created["Status"] == "SUCCESS"
    assert len(stack.evs.calls("CreateEntitlement")) == 1
    stack.evs.set(hide_rows={"vm-101": 2})
    assert stack.delete(created["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == []


def test_page_tokens_that_lead_to_the_list_as_it_was(big_stack: Stack) -> None:
    stack = big_stack
    stack.patch["look_anew"] = 3.0
    stack.evs.set(freeze_pages=True, create_latency=[1.0, 6.0])
    began = time.monotonic()
    assert stack.create([f"vm-{number}" for number in range(1001, 1251)])["Status"] == "SUCCESS"
    assert time.monotonic() - began < 25


def test_a_page_token_that_ages_while_a_list_is_read(big_stack: Stack) -> None:
    stack = big_stack
    vm_ids = [f"vm-{number}" for number in range(1001, 1251)]
    assert stack.create(vm_ids)["Status"] == "SUCCESS"
    stack.evs.fault(
        "error",
        operations=["ListVmEntitlements"],
        after_calls=1,
        count=1,
        code="ValidationException",
        status=400,
        message="The pagination token has expired.",
    )
    assert stack.create(["vm-101"], logical_id="Other")["Status"] == "SUCCESS"


@pytest.mark.parametrize("message", ["vm-103 was not found", "Some virtual machine was not found"])
def test_a_creation_that_finds_a_vm_missing_names_that_vm_not_the_environment(stack: Stack, message: str) -> None:
    stack.evs.fault(
        "error",
        operations=["CreateEntitlement"],
        vm_ids=["vm-103"],
        count=None,
        code="ResourceNotFoundException",
        status=400,
        message=message,
    )
    answer = stack.create([*VMS, "vm-103"])
    assert answer["Status"] == "FAILED"
    assert "1 of 3 VMs could not be entitled: vm-103: ResourceNotFoundException" in answer["Reason"]
    assert stack.evs.held() == []


def test_a_refused_vm_is_found_without_reading_a_long_list_at_each_step(big_stack: Stack) -> None:
    stack = big_stack
    others = [f"vm-{number}" for number in range(2001, 2501)]
    stack.evs.entitle(others)
    stack.evs.set(refuse_create={"vm-1050": "no"}, refusals_name_vm=False)
    answer = stack.create([f"vm-{number}" for number in range(1001, 1101)])
    assert "vm-1050: ValidationException" in answer["Reason"]
    assert stack.evs.held() == others
    creates = len(stack.evs.calls("CreateEntitlement"))
    looks = len(stack.evs.calls("ListVmEntitlements")) / 6
    assert creates > 10
    assert looks <= 6


def test_refusals_that_name_one_vm_each_are_not_followed_for_ever(big_stack: Stack) -> None:
    stack = big_stack
    vm_ids = [f"vm-{number}" for number in range(1001, 1201)]
    for vm_id in vm_ids:
        stack.evs.fault(
            "error",
            operations=["CreateEntitlement"],
            vm_ids=[vm_id],
            count=None,
            code="ResourceNotFoundException",
            status=400,
            message=f"{vm_id} was not found",
        )
    answer = stack.create(vm_ids)
    assert "50 of 200 VMs could not be entitled (150 not tried)" in answer["Reason"]
    assert len(stack.evs.calls("CreateEntitlement")) == 50


def test_hundreds_of_refused_vms_and_a_short_function_are_answered_in_time(big_stack: Stack) -> None:
    stack = big_stack
    vm_ids = [f"vm-{number}" for number in range(1001, 1401)]
    stack.evs.set(refuse_create=dict.fromkeys(vm_ids, "no"), refusals_name_vm=False)
    began = time.monotonic()
    answer = stack.deliver(stack.event("Create", vm_ids, service_timeout=60), timeout=30).answer(70)
    assert time.monotonic() - began < 60
    assert answer["Status"] == "FAILED"
    assert "of 400 VMs could not be entitled" in answer["Reason"]
    assert "not tried" in answer["Reason"]
    assert stack.evs.held() == []


def test_throttled_creation_backs_off(stack: Stack) -> None:
    stack.evs.fault("throttle", operations=["CreateEntitlement"], count=None)
    answer = stack.create(["vm-101"], service_timeout=30)
    assert answer["Status"] == "FAILED"
    assert len(stack.evs.calls("CreateEntitlement")) < 15


def test_what_somebody_else_entitled_meanwhile_stays_theirs_through_a_hand_over(stack: Stack) -> None:
    stack.evs.set(already_entitled="refuse", create_latency=20.0)
    hold = stack.evs.fault("hold", operations=["CreateEntitlement"])
    delivery = stack.deliver(stack.event("Create", VMS), timeout=30)
    stack.evs.wait_held(hold)
    stack.evs.entitle(["vm-102"])
    stack.evs.release(hold)
    answer = delivery.answer(90)
    assert stack.continuations
    assert answer["Status"] == "FAILED"
    assert "vm-102" in answer["Reason"]
    assert stack.evs.held() == ["vm-102"]
    assert stack.delete(answer["PhysicalResourceId"], VMS)["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-102"]


@pytest.mark.parametrize(
    "others", [["vm-101"], [f"vm-{number}" for number in range(1001, 1151)]], ids=["page", "pages"]
)
def test_what_failed_before_a_hand_over_is_reported_after_it_and_not_tried_again(stack: Stack, others: Any) -> None:
    """Of several pages, a look ends at the first that shows a VM CREATING, so that the failure may go unseen."""
    # After that the list shows what became of each call.
    stack.patch["list_lag"] = 5.0
    stack.evs.set(create_latency=32.0, create_latency_by_vm={"vm-201": 0.5})
    delivery = stack.deliver(stack.event("Create", [*others, "vm-201"]), timeout=40)
    answer = delivery.answer(90)
    assert stack.continuations[0].event["Continuation"]["CalledForAll"]
    assert answer["Status"] == "FAILED"
    assert "vm-201" in answer["Reason"]
    assert len([call for call in stack.evs.calls("CreateEntitlement") if "vm-201" in call["members"]["vmIds"]]) == 1
    assert stack.evs.held() == []


# --- neighbours ----------------------------------------------------------------------------------------------------


def test_what_another_resource_could_not_remove_does_not_fail_this_ones_delete(stack: Stack) -> None:
    stack.create(["vm-105"], logical_id="Keeps")
    first = stack.create(VMS, logical_id="Stuck")
    here = stack.create(["vm-103"], logical_id="Other", connector=OTHER_CONNECTOR)
    stack.evs.set(refuse_delete={"vm-101": "busy"})
    event = stack.event("Delete", VMS, logical_id="Stuck", physical_id=first["PhysicalResourceId"], service_timeout=25)
    assert stack.deliver(event).answer()["Status"] == "FAILED"
    event = stack.event(
        "Delete",
        ["vm-103"],
        logical_id="Other",
        physical_id=here["PhysicalResourceId"],
        connector=OTHER_CONNECTOR,
        service_timeout=25,
    )
    assert stack.deliver(event).answer()["Status"] == "SUCCESS"
    assert stack.evs.held(connector_id=OTHER_CONNECTOR) == []
    assert stack.evs.held(connector_id=CONNECTOR) == ["vm-101", "vm-105"]


@pytest.mark.parametrize("request_type", ["Create", "Delete"])
def test_a_ledger_that_refuses_access_is_named(stack: Stack, database: Database, request_type: str) -> None:
    created = stack.create(["vm-101"])
    database.fail("GetItem", "AccessDeniedException", count=None)
    stack.evs.clear_calls()
    physical_id = None if request_type == "Create" else created["PhysicalResourceId"]
    event = stack.begun(stack.event(request_type, ["vm-101"], physical_id=physical_id))
    answer = stack.deliver(event).answer()
    assert answer["Status"] == "FAILED"
    assert stack.table in answer["Reason"]
    assert "dynamodb:GetItem" in answer["Reason"]
    assert stack.evs.calls() == []


def test_without_its_table_a_clean_up_does_not_hit_the_set_that_replaced_it(stack: Stack) -> None:
    first = stack.create(VMS)
    stack.update(first["PhysicalResourceId"], ["vm-102", "vm-103"])
    stack.database.delete_table(TableName=stack.table)
    answer = stack.delete(first["PhysicalResourceId"], VMS)
    assert answer["Status"] == "FAILED"
    assert stack.table in answer["Reason"]
    assert stack.evs.held() == ["vm-101", "vm-102", "vm-103"]
