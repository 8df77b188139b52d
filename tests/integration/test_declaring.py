"""Create and Update: what is declared becomes entitled, or the request fails and nothing has changed."""

import time
from typing import Any

import pytest

from tests.support.cloudformation import CONNECTOR, OTHER_CONNECTOR, Stack

MANY = [f"vm-{number}" for number in range(1001, 1251)]


def mutations(stack: Stack) -> list[tuple[str, list[str]]]:
    return [
        (call["operation"], call["members"]["vmIds"])
        for call in stack.evs.calls()
        if call["operation"] in ("CreateEntitlement", "DeleteEntitlement")
    ]


@pytest.mark.parametrize(
    ("properties", "said"),
    [
        ({"VmIds": None}, "VmIds is missing"),
        ({"VmIds": []}, "VmIds: got an empty list"),
        ({"VmIds": "vm-101"}, "VmIds: got 'vm-101', expected a list"),
        ({"VmIds": ["vm-101", "i-0abc"]}, "VmIds: got 'i-0abc', expected vm-[0-9]+"),
        ({"VmIds": ["vm-101\n"]}, "VmIds: got 'vm-101\\n'"),
        ({"VmIds": [["vm-101"], {"a": "b"}]}, "VmIds: got {'a': 'b'}"),
        ({"EnvironmentId": None}, "EnvironmentId is missing"),
        ({"EnvironmentId": "env-1"}, "EnvironmentId: got 'env-1', expected env-[a-zA-Z0-9]{10}"),
        ({"ConnectorId": ["cnctr-abcde12345"]}, "ConnectorId: got ['cnctr-abcde12345'], expected cnctr-"),
        ({"AdoptExisting": "maybe"}, "AdoptExisting: got 'maybe', expected true or false"),
    ],
)
@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_a_wrong_property_fails_by_name_without_any_call(
    stack: Stack, request_type: str, properties: dict[str, Any], said: str
) -> None:
    event = stack.event(request_type, physical_id="before" if request_type == "Update" else None)
    event["ResourceProperties"].update(properties)
    event["ResourceProperties"] = {k: v for k, v in event["ResourceProperties"].items() if v is not None}
    if "VmIds" not in properties:
        event["ResourceProperties"]["VmIds"] = ["vm-101"]
    answer = stack.deliver(event).answer()
    assert answer["Status"] == "FAILED"
    assert said in answer["Reason"]
    assert stack.evs.calls() == []
    if request_type == "Update":
        assert answer["PhysicalResourceId"] == "before"


def test_a_delete_of_a_create_with_wrong_properties_succeeds(stack: Stack) -> None:
    failed = stack.create("vm-101")
    assert stack.delete(failed["PhysicalResourceId"], "vm-101")["Status"] == "SUCCESS"
    assert mutations(stack) == []


def test_nested_lists_are_flattened_and_duplicates_are_one(stack: Stack) -> None:
    created = stack.create(["vm-101", ["vm-102", ["vm-101"]], "vm-102"])
    assert created["Status"] == "SUCCESS"
    assert mutations(stack) == [("CreateEntitlement", ["vm-101", "vm-102"])]


def test_the_id_depends_on_the_set_alone(stack: Stack) -> None:
    created = stack.create(["vm-101", "vm-102"])
    stack.evs.clear_calls()
    again = stack.update(created["PhysicalResourceId"], ["vm-102", "vm-101"], AdoptExisting="true")
    assert again["Status"] == "SUCCESS"
    assert again["PhysicalResourceId"] == created["PhysicalResourceId"]
    assert stack.evs.calls() == []


@pytest.mark.parametrize("status", ["CREATING", "CREATED", "AT_RISK", "ENTITLEMENT_REMOVED"])
def test_an_entitlement_of_somebody_else_is_a_conflict_and_nothing_changes(stack: Stack, status: str) -> None:
    stack.evs.entitle(["vm-102"])
    if status != "CREATED":
        stack.evs.by_hand("set_status", ["vm-102"], status)
    answer = stack.create(["vm-101", "vm-102"])
    assert answer["Status"] == "FAILED"
    assert "vm-102" in answer["Reason"]
    assert "vm-101" not in answer["Reason"]
    assert "AdoptExisting" in answer["Reason"]
    assert mutations(stack) == []
    assert stack.delete(answer["PhysicalResourceId"], ["vm-101", "vm-102"])["Status"] == "SUCCESS"
    assert mutations(stack) == []


@pytest.mark.parametrize("status", ["CREATED", "AT_RISK", "ENTITLEMENT_REMOVED"])
def test_adopting_takes_over_without_a_call(stack: Stack, status: str) -> None:
    stack.evs.entitle(["vm-102"])
    if status != "CREATED":
        stack.evs.by_hand("set_status", ["vm-102"], status)
    answer = stack.create(["vm-101", "vm-102"], AdoptExisting="true")
    assert answer["Status"] == "SUCCESS"
    assert mutations(stack) == [("CreateEntitlement", ["vm-101"])]


@pytest.mark.parametrize(
    ("where", "named"),
    [
        ({"environment": "env-0000000000"}, "environment env-0000000000"),
        ({"connector": "cnctr-0000000000"}, "connector cnctr-0000000000"),
    ],
)
def test_an_unknown_environment_or_connector_is_named(stack: Stack, where: Any, named: str) -> None:
    answer = stack.create(["vm-101"], **where)
    assert answer["Status"] == "FAILED"
    assert named in answer["Reason"]
    assert stack.delete(answer["PhysicalResourceId"], ["vm-101"], **where)["Status"] == "SUCCESS"


def test_batches_of_100_and_pages(big_stack: Stack) -> None:
    stack = big_stack
    created = stack.create(MANY)
    assert created["Status"] == "SUCCESS"
    assert [len(vm_ids) for _, vm_ids in mutations(stack)] == [100, 100, 50]
    assert stack.evs.held() == MANY
    stack.evs.clear_calls()
    updated = stack.update(created["PhysicalResourceId"], [*MANY[1:], "vm-101"])
    assert updated["Status"] == "SUCCESS"
    assert mutations(stack) == [("CreateEntitlement", ["vm-101"])]
    assert stack.delete(created["PhysicalResourceId"], MANY)["Status"] == "SUCCESS"
    assert mutations(stack)[1:] == [("DeleteEntitlement", [MANY[0]])]
    assert stack.delete(updated["PhysicalResourceId"], MANY)["Status"] == "SUCCESS"
    assert stack.evs.held() == []


def test_success_waits_until_every_new_vm_is_created(stack: Stack) -> None:
    stack.evs.set(create_latency=0.5, create_latency_by_vm={"vm-103": 2.5})
    answer = stack.create(["vm-101", "vm-102", "vm-103"])
    assert answer["Status"] == "SUCCESS"
    assert {row["status"] for row in stack.evs.rows()} == {"CREATED"}


def test_at_risk_counts_as_created(stack: Stack) -> None:
    stack.evs.set(create_latency=1.5)
    delivery = stack.deliver(stack.event("Create", ["vm-101"]))
    ends = time.monotonic() + 20
    while not stack.evs.rows():
        assert time.monotonic() < ends
        time.sleep(0.05)
    stack.evs.by_hand("set_connector", CONNECTOR, reachable=False)
    assert delivery.answer()["Status"] == "SUCCESS"


def test_held_vms_of_ours_see_no_call(stack: Stack) -> None:
    created = stack.create(["vm-101", "vm-102"])
    stack.evs.clear_calls()
    stack.update(created["PhysicalResourceId"], ["vm-101", "vm-102", "vm-103"])
    assert mutations(stack) == [("CreateEntitlement", ["vm-103"])]


@pytest.mark.parametrize("fate", ["ENTITLEMENT_REMOVED", "CREATE_FAILED", "DELETED", "vanish"])
def test_what_was_ours_and_got_lost_is_created_again(stack: Stack, fate: str) -> None:
    created = stack.create(["vm-101", "vm-102"])
    if fate == "vanish":
        stack.evs.by_hand("vanish", ["vm-101"])
    else:
        stack.evs.by_hand("set_status", ["vm-101"], fate)
    updated = stack.update(created["PhysicalResourceId"], ["vm-101", "vm-102", "vm-103"])
    assert updated["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-101", "vm-102", "vm-103"]


@pytest.mark.parametrize("how", ["refused", "refused without a name", "failed"])
def test_a_request_never_fails_for_what_was_ours_before(stack: Stack, how: str) -> None:
    created = stack.create(["vm-101", "vm-102"])
    stack.evs.by_hand("vanish", ["vm-101"])
    if how == "failed":
        stack.evs.set(fail_create={"vm-101": "VM_NOT_FOUND"})
    else:
        stack.evs.set(refuse_create={"vm-101": "no"}, refusals_name_vm=how == "refused")
    updated = stack.update(created["PhysicalResourceId"], ["vm-101", "vm-102", "vm-103"])
    assert updated["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-102", "vm-103"]
    assert "vm-101" in stack.log.read_text()


@pytest.mark.parametrize("request_type", ["Create", "Update"])
def test_failed_vms_are_reported_and_everything_of_the_request_is_undone(stack: Stack, request_type: str) -> None:
    before = stack.create(["vm-101", "vm-102"], logical_id="Before")
    vm_ids = ["vm-102", "vm-103", "vm-201", "vm-303"]
    stack.evs.set(create_latency=1.0)
    stack.evs.clear_calls()
    physical_id = before["PhysicalResourceId"] if request_type == "Update" else None
    logical_id = "Before" if request_type == "Update" else "Windows"
    event = stack.event(request_type, vm_ids, physical_id=physical_id, logical_id=logical_id)
    answer = stack.deliver(event).answer()
    assert answer["Status"] == "FAILED"
    for said in ("2 of", "vm-201", "UNSUPPORTED_GUEST_OS", "vm-303", "VM_DISCONNECTED", "invocation-"):
        assert said in answer["Reason"]
    assert "vm-102" not in answer["Reason"]
    assert stack.evs.held() == ["vm-101", "vm-102"]
    assert stack.evs.calls(vm_id="vm-101") == stack.evs.calls(vm_id="vm-102") == []
    if request_type == "Update":
        assert answer["PhysicalResourceId"] == physical_id
    else:
        assert stack.delete(answer["PhysicalResourceId"], vm_ids)["Status"] == "SUCCESS"
    assert stack.delete(before["PhysicalResourceId"], logical_id="Before")["Status"] == "SUCCESS"
    assert stack.evs.held() == []


@pytest.mark.parametrize("named", [True, False])
def test_refused_vms_are_found_out_one_by_one(big_stack: Stack, named: bool) -> None:
    stack = big_stack
    stack.evs.set(refuse_create={"vm-1007": "not this one", "vm-1100": "nor this"}, refusals_name_vm=named)
    answer = stack.create(MANY)
    assert answer["Status"] == "FAILED"
    assert "2 of 250 VMs" in answer["Reason"]
    assert "vm-1007" in answer["Reason"]
    assert "vm-1100" in answer["Reason"]
    assert stack.evs.held() == []


def test_nothing_turns_created_after_the_answer(stack: Stack) -> None:
    stack.evs.set(create_latency=0.0, create_latency_by_vm={"vm-101": 4.0}, refuse_delete_while_creating=True)
    answer = stack.create(["vm-101", "vm-102", "vm-201"])
    assert answer["Status"] == "FAILED"
    assert stack.evs.held() == []
    assert {row["status"] for row in stack.evs.rows()} <= {"CREATE_FAILED"}


def test_a_failed_update_gives_back_what_it_would_adopt(stack: Stack) -> None:
    stack.evs.entitle(["vm-105"])
    created = stack.create(["vm-101"])
    answer = stack.update(created["PhysicalResourceId"], ["vm-101", "vm-105", "vm-201"], AdoptExisting="true")
    assert answer["Status"] == "FAILED"
    assert stack.evs.held() == ["vm-101", "vm-105"]
    assert "given back, left entitled: vm-105" in stack.log.read_text()
    assert stack.delete(created["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-105"]


def test_replacement_on_another_connector(stack: Stack) -> None:
    created = stack.create(["vm-101", "vm-102"])
    replaced = stack.update(created["PhysicalResourceId"], ["vm-101", "vm-102"], connector=OTHER_CONNECTOR)
    assert replaced["Status"] == "SUCCESS"
    assert replaced["PhysicalResourceId"] != created["PhysicalResourceId"]
    assert stack.evs.held(connector_id=CONNECTOR) == stack.evs.held(connector_id=OTHER_CONNECTOR)
    assert stack.delete(created["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held(connector_id=CONNECTOR) == []
    assert stack.evs.held(connector_id=OTHER_CONNECTOR) == ["vm-101", "vm-102"]
    assert stack.delete(replaced["PhysicalResourceId"], connector=OTHER_CONNECTOR)["Status"] == "SUCCESS"
    assert stack.evs.held() == []


def test_a_rolled_back_replacement_leaves_the_old_connector_alone(stack: Stack) -> None:
    created = stack.create(["vm-101"])
    replaced = stack.update(created["PhysicalResourceId"], ["vm-101"], connector=OTHER_CONNECTOR)
    stack.status = "UPDATE_ROLLBACK_IN_PROGRESS"
    back = stack.update(replaced["PhysicalResourceId"], ["vm-101"])
    assert back["PhysicalResourceId"] == created["PhysicalResourceId"]
    assert stack.delete(replaced["PhysicalResourceId"], connector=OTHER_CONNECTOR)["Status"] == "SUCCESS"
    assert stack.evs.held(connector_id=CONNECTOR) == ["vm-101"]
    assert stack.evs.held(connector_id=OTHER_CONNECTOR) == []


def test_several_rows_of_a_vm_a_held_one_counts(stack: Stack) -> None:
    stack.evs.set(keep_former_rows=True, shuffle_rows=True)
    for _ in range(3):
        created = stack.create(["vm-101", "vm-102"])
        assert created["Status"] == "SUCCESS"
        assert stack.delete(created["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert stack.evs.held() == []
    assert len(stack.evs.rows()) == 6


def test_a_vm_that_two_resources_declare_stays_until_both_are_gone(stack: Stack) -> None:
    first = stack.create(["vm-101", "vm-102"], logical_id="First")
    second = stack.create(["vm-102", "vm-103"], logical_id="Second")
    assert stack.delete(first["PhysicalResourceId"], logical_id="First")["Status"] == "SUCCESS"
    assert stack.evs.held() == ["vm-102", "vm-103"]
    assert stack.delete(second["PhysicalResourceId"], logical_id="Second")["Status"] == "SUCCESS"
    assert stack.evs.held() == []


def test_a_literal_that_becomes_a_token_changes_the_logical_id_and_no_entitlement(stack: Stack) -> None:
    literal = stack.create(["vm-101", "vm-102"], logical_id="Literal")
    stack.evs.clear_calls()
    token = stack.create(["vm-101", "vm-102"], logical_id="Token")
    assert token["Status"] == "SUCCESS"
    assert stack.delete(literal["PhysicalResourceId"], logical_id="Literal")["Status"] == "SUCCESS"
    assert mutations(stack) == []
    assert stack.delete(token["PhysicalResourceId"], logical_id="Token")["Status"] == "SUCCESS"
    assert stack.evs.held() == []


def test_5000_failures_fit_an_answer(big_stack: Stack) -> None:
    stack = big_stack
    vm_ids = [f"vm-{number}" for number in range(50_001, 55_001)]
    event = stack.event("Create", vm_ids)
    delivery = stack.deliver(event)
    answer = delivery.answer(120)
    assert answer["Status"] == "FAILED"
    assert "5,000 of 5,000 VMs" in answer["Reason"]
    assert "vm-50001" in answer["Reason"]
    assert stack.evs.held() == []
