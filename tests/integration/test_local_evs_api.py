"""The local EVS API as a real boto3 client sees it: limits, refusals, latency."""

from __future__ import annotations

import http.client
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local_aws import EvsApi, Settings, World, healthy_inventory
from local_aws.evs_api.hand import Hand
from local_aws.evs_api.operations import OPERATIONS
from tests.support.evs_api import PLACE, Clock, client_of, refusal, statuses

# What the service refuses.


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"vmIds": []}, "vmIds"),
        ({"vmIds": [f"vm-{number}" for number in range(101)]}, "vmIds"),
        ({"vmIds": ["vm-1x1"]}, "vmIds.0"),
        ({"vmIds": ["vm-101", "i-0123456789"]}, "vmIds.1"),
        ({"vmIds": None}, "vmIds"),
        ({"environmentId": "env-abc"}, "environmentId"),
        ({"connectorId": "cnctr-abcde12345x"}, "connectorId"),
        ({"entitlementType": "WINDOWS_CLIENT"}, "entitlementType"),
    ],
)
def test_a_malformed_request_is_refused_and_its_member_is_named(evs: Any, members: Any, field: str) -> None:
    given = {**PLACE, "vmIds": ["vm-101"], **members}
    answer = refusal(evs.create_entitlement, **{k: v for k, v in given.items() if v is not None})
    assert answer["Error"]["Code"] == "ValidationException"
    assert answer["reason"] == "fieldValidationFailed"
    assert [item["name"] for item in answer["fieldList"]] == [field]
    assert statuses(evs) == {}


@pytest.mark.parametrize(
    ("members", "kind"),
    [({"environmentId": "env-0000000000"}, "Environment"), ({"connectorId": "cnctr-0000000000"}, "Connector")],
)
def test_an_unknown_environment_or_connector_is_named(evs: Any, members: dict[str, str], kind: str) -> None:
    for call, more in (
        (evs.list_vm_entitlements, {}),
        (evs.create_entitlement, {"vmIds": ["vm-101"]}),
        (evs.delete_entitlement, {"vmIds": ["vm-101"]}),
    ):
        answer = refusal(call, **{**PLACE, **more, **members})
        assert answer["Error"]["Code"] == "ResourceNotFoundException"
        assert answer["resourceType"] == kind
        assert answer["resourceId"] in members.values()


def test_a_connector_of_another_environment_is_not_found(evs: Any) -> None:
    answer = refusal(evs.list_vm_entitlements, **{**PLACE, "connectorId": "cnctr-zyxwv98765"})
    assert answer["resourceId"] == "cnctr-zyxwv98765"


@pytest.mark.parametrize("change", [{"state": "UPDATING"}, {"reachable": False}, {"type": "SDDC_MANAGER"}])
def test_a_connector_that_cannot_entitle_is_refused(evs: Any, api: EvsApi, change: dict[str, Any]) -> None:
    api.hand.set_connector("cnctr-abcde12345", **change)
    answer = refusal(evs.create_entitlement, **PLACE, vmIds=["vm-101"])
    assert "cnctr-abcde12345" in answer["Error"]["Message"]


def test_what_is_not_served_is_an_unknown_operation(evs: Any) -> None:
    answer = refusal(evs.delete_environment, environmentId="env-abcde12345")
    assert answer["Error"]["Code"] == "UnknownOperationException"


@pytest.mark.parametrize(
    ("headers", "body", "code"),
    [
        ({}, "{}", "MissingAuthenticationTokenException"),
        ({"Authorization": "Basic dGVzdA=="}, "{}", "IncompleteSignatureException"),
    ],
)
def test_unsigned_requests_are_refused(api: EvsApi, headers: dict[str, str], body: str, code: str) -> None:
    target = {"X-Amz-Target": "AmazonElasticVMwareService.ListVmEntitlements"}
    connection = http.client.HTTPConnection(api.url.removeprefix("http://"))
    connection.request("POST", "/", body, {**target, **headers})
    response = connection.getresponse()
    assert (response.status, json.loads(response.read())["__type"].rpartition("#")[2]) == (400, code)
    connection.close()


def test_an_old_signature_is_refused(evs: Any, api: EvsApi, clock: Clock) -> None:
    api.world.change_settings(check_clock_skew=True)
    evs.list_vm_entitlements(**PLACE)
    clock.pass_seconds(301)
    answer = refusal(evs.list_vm_entitlements, **PLACE)
    assert answer["Error"]["Code"] == "InvalidSignatureException"
    assert "Signature expired" in answer["Error"]["Message"]


# Entitlements come and go.


def test_an_entitlement_is_creating_and_then_created(evs: Any, clock: Clock) -> None:
    created = evs.create_entitlement(**PLACE, vmIds=["vm-102", "vm-101", "vm-102"])["entitlements"]
    assert [(row["vmId"], row["status"]) for row in created] == [("vm-102", "CREATING"), ("vm-101", "CREATING")]
    clock.pass_seconds(9.9)
    assert statuses(evs) == {"vm-102": "CREATING", "vm-101": "CREATING"}
    clock.pass_seconds(0.2)
    rows = evs.list_vm_entitlements(**PLACE)["entitlements"]
    assert {row["status"] for row in rows} == {"CREATED"}
    assert datetime.now(UTC) - rows[0]["startedAt"] < timedelta(minutes=1)
    assert rows[0]["vmName"] == "dc02.corp.example.com"


@pytest.mark.parametrize(
    ("vm_id", "code"),
    [
        ("vm-201", "UNSUPPORTED_GUEST_OS"),
        ("vm-301", "UNSUPPORTED_GUEST_OS"),
        ("vm-302", "UNSUPPORTED_GUEST_OS"),
        ("vm-303", "VM_DISCONNECTED"),
        ("vm-304", "VM_ORPHANED"),
        ("vm-305", "VM_INACCESSIBLE"),
        ("vm-401", "VM_NOT_FOUND"),
        ("vm-999", "VM_NOT_FOUND"),
    ],
)
def test_a_vm_that_cannot_be_entitled_fails_late(evs: Any, clock: Clock, vm_id: str, code: str) -> None:
    evs.create_entitlement(**PLACE, vmIds=[vm_id, "vm-306"])
    clock.pass_seconds(11)
    good, bad = sorted(evs.list_vm_entitlements(**PLACE)["entitlements"], key=lambda row: row["vmId"] == vm_id)
    assert (bad["status"], bad["errorDetail"]["errorCode"]) == ("CREATE_FAILED", code)
    assert vm_id in bad["errorDetail"]["errorMessage"]
    assert good["status"] == "CREATED", "a powered off VM can be entitled"
    again = evs.create_entitlement(**PLACE, vmIds=[vm_id])["entitlements"]
    assert [row["status"] for row in again] == ["CREATING"]


def test_delete_ends_it_at_once_or_later(evs: Any, api: EvsApi, clock: Clock) -> None:
    evs.create_entitlement(**PLACE, vmIds=["vm-101", "vm-102"])
    clock.pass_seconds(11)
    gone = evs.delete_entitlement(**PLACE, vmIds=["vm-101", "vm-120"])["entitlements"]
    assert [(row["vmId"], row["status"]) for row in gone] == [("vm-101", "DELETED")]
    assert statuses(evs) == {"vm-102": "CREATED"}
    api.world.change_settings(delete_latency=5)
    evs.delete_entitlement(**PLACE, vmIds=["vm-102"])
    clock.pass_seconds(4)
    assert statuses(evs) == {"vm-102": "CREATED"}
    clock.pass_seconds(1)
    assert statuses(evs) == {}


def test_licensed_intervals_have_no_gap_that_was_not_there(evs: Any, api: EvsApi, clock: Clock) -> None:
    begin = clock.time
    evs.create_entitlement(**PLACE, vmIds=["vm-101"])
    clock.pass_seconds(60)
    evs.delete_entitlement(**PLACE, vmIds=["vm-101"])
    evs.create_entitlement(**PLACE, vmIds=["vm-101"])
    clock.pass_seconds(60)
    spans = [(since - begin, until and until - begin) for since, until in api.world.intervals("vm-101")]
    assert [span for item in spans for span in item] == pytest.approx([10, 60, 70, None])


def test_a_vm_that_is_held_is_returned_or_refused(evs: Any, api: EvsApi, clock: Clock) -> None:
    evs.create_entitlement(**PLACE, vmIds=["vm-101"])
    clock.pass_seconds(11)
    rows = evs.create_entitlement(**PLACE, vmIds=["vm-101", "vm-102"])["entitlements"]
    assert [row["status"] for row in rows] == ["CREATED", "CREATING"]
    api.world.change_settings(already_entitled="refuse")
    answer = refusal(evs.create_entitlement, **PLACE, vmIds=["vm-103", "vm-101"])
    assert answer["fieldList"][0]["name"] == "vmIds"
    assert "vm-101" in answer["Error"]["Message"]
    assert "vm-103" not in statuses(evs)


def test_refusals_of_single_vms_refuse_the_whole_call(evs: Any, api: EvsApi, clock: Clock) -> None:
    evs.create_entitlement(**PLACE, vmIds=["vm-101", "vm-102"])
    api.world.change_settings(refuse_delete_while_creating=True, unentitled_delete="refuse")
    assert "CREATING" in refusal(evs.delete_entitlement, **PLACE, vmIds=["vm-101"])["Error"]["Message"]
    clock.pass_seconds(11)
    assert "vm-120" in str(refusal(evs.delete_entitlement, **PLACE, vmIds=["vm-101", "vm-120"]))
    api.world.change_settings(refuse_delete={"vm-102": "in use"}, refuse_create={"vm-103": "no capacity"})
    assert "vm-102: in use" in str(refusal(evs.delete_entitlement, **PLACE, vmIds=["vm-101", "vm-102"]))
    assert "vm-103" in str(refusal(evs.create_entitlement, **PLACE, vmIds=["vm-103"]))
    api.world.change_settings(refusals_name_vm=False)
    answer = refusal(evs.delete_entitlement, **PLACE, vmIds=["vm-101", "vm-102"])
    assert "vm-" not in answer["Error"]["Message"]
    assert "fieldList" not in answer
    assert set(statuses(evs)) == {"vm-101", "vm-102"}


def test_former_rows_can_stay_in_any_order(evs: Any, api: EvsApi, clock: Clock) -> None:
    api.world.change_settings(keep_former_rows=True, shuffle_rows=True, create_latency=0)
    for _ in range(3):
        evs.create_entitlement(**PLACE, vmIds=["vm-101"])
        evs.delete_entitlement(**PLACE, vmIds=["vm-101"])
    evs.create_entitlement(**PLACE, vmIds=["vm-101"])
    rows = evs.list_vm_entitlements(**PLACE)["entitlements"]
    assert sorted(row["status"] for row in rows) == ["CREATED", "DELETED", "DELETED", "DELETED"]
    paged = [evs.list_vm_entitlements(**PLACE, maxResults=3)]
    paged.append(evs.list_vm_entitlements(**PLACE, nextToken=paged[0]["nextToken"]))
    assert [row for page in paged for row in page["entitlements"]] == rows


def test_an_unreachable_connector_puts_at_risk_removes_and_heals(evs: Any, api: EvsApi, clock: Clock) -> None:
    evs.create_entitlement(**PLACE, vmIds=["vm-101"])
    clock.pass_seconds(11)
    api.hand.set_connector("cnctr-abcde12345", reachable=False)
    assert statuses(evs) == {"vm-101": "AT_RISK"}
    connector = evs.list_environment_connectors(environmentId="env-abcde12345")["connectors"][0]
    assert (connector["status"], connector["checks"][0]["result"]) == ("FAILED", "FAILED")
    clock.pass_seconds(8 * 3600)
    assert statuses(evs) == {"vm-101": "ENTITLEMENT_REMOVED"}
    api.hand.set_connector("cnctr-abcde12345", reachable=True)
    assert statuses(evs) == {"vm-101": "CREATED"}


def test_a_vm_that_no_longer_complies_is_removed_and_restored(evs: Any, api: EvsApi, clock: Clock) -> None:
    evs.create_entitlement(**PLACE, vmIds=["vm-101", "vm-102"])
    clock.pass_seconds(11)
    api.hand.set_vm("vm-101", connection_state="disconnected")
    assert statuses(evs) == {"vm-101": "ENTITLEMENT_REMOVED", "vm-102": "CREATED"}
    api.hand.set_vm("vm-101", connection_state="connected")
    assert statuses(evs)["vm-101"] == "CREATED"
    api.hand.vanish(["vm-102"])
    assert statuses(evs) == {"vm-101": "CREATED"}


# Pages, and the places where entitlements live.


def test_pages_hold_a_hundred_rows_and_their_tokens_are_their_own(clock: Clock) -> None:
    world = World(healthy_inventory(250), Settings(check_clock_skew=False), clock=clock)
    Hand(world).entitle([f"vm-{number}" for number in range(1001, 1251)])
    with EvsApi(world=world) as api:
        evs = client_of(api)
        pages = list(evs.get_paginator("list_vm_entitlements").paginate(**PLACE))
        assert [len(page["entitlements"]) for page in pages] == [100, 100, 50]
        assert len({row["vmId"] for page in pages for row in page["entitlements"]}) == 250
        token = pages[0]["nextToken"]
        other = {**PLACE, "connectorId": "cnctr-fghij67890"}
        for wrong in ({**PLACE, "nextToken": "xyz"}, {**other, "nextToken": token}):
            answer = refusal(evs.list_vm_entitlements, **wrong)
            assert answer["fieldList"][0]["name"] == "nextToken"
        assert refusal(evs.list_vm_entitlements, **PLACE, maxResults=101)["fieldList"][0]["name"] == "maxResults"


def test_ten_thousand_vms_are_listed_quickly(clock: Clock) -> None:
    world = World(healthy_inventory(10_000), clock=clock)
    Hand(world).entitle([f"vm-{number}" for number in range(1001, 11_001)])
    members: dict[str, Any] = dict(PLACE)
    # Of client and service together: what else the machine does must not decide.
    begin, rows = time.process_time(), 0
    while True:
        with world.locked():
            answer = OPERATIONS["ListVmEntitlements"](world, members)
        rows += len(answer["entitlements"])
        if not answer["nextToken"]:
            break
        members["nextToken"] = answer["nextToken"]
    assert rows == 10_000
    assert (time.process_time() - begin) / 100 < 0.05, "seconds of a core a page"


def test_environments_and_connectors_are_described(evs: Any) -> None:
    summaries = evs.list_environments()["environmentSummaries"]
    assert [item["environmentId"] for item in summaries] == ["env-abcde12345", "env-zyxwv98765"]
    environment = evs.get_environment(environmentId="env-abcde12345")["environment"]
    assert environment["environmentArn"].endswith(":environment/env-abcde12345")
    connectors = evs.list_environment_connectors(environmentId="env-abcde12345")["connectors"]
    assert [item["connectorId"] for item in connectors] == ["cnctr-abcde12345", "cnctr-fghij67890"]
    assert {item["state"] for item in connectors} == {"ACTIVE"}
