"""Faults of the local EVS API, and the controls that reach it from another process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from local_aws import EvsApi, EvsControl, FaultRule, World
from local_aws.evs_api import ApiError, ControlError
from local_aws.evs_api.operations import OPERATIONS
from tests.support.evs_api import PLACE, Clock, client_of, refusal, statuses

# Faults.


def test_throttling_says_when_to_come_back(evs: Any, control: EvsControl) -> None:
    control.fault("throttle", operations=["ListVmEntitlements"], after_calls=1, count=2, retry_after_seconds=3)
    outcomes = []
    for _ in range(4):
        try:
            evs.list_vm_entitlements(**PLACE)
        except ClientError as error:
            outcomes.append((error.response["Error"]["Code"], error.response["retryAfterSeconds"]))
        else:
            outcomes.append(("ok", 0))
    assert outcomes == [("ok", 0), ("ThrottlingException", 3), ("ThrottlingException", 3), ("ok", 0)]


def test_errors_of_the_service_have_its_status(evs: Any, control: EvsControl) -> None:
    control.fault("error")
    control.fault("error", code="ServiceUnavailable", status=503)
    for code, status in (("InternalServerException", 500), ("ServiceUnavailable", 503)):
        answer = refusal(evs.list_vm_entitlements, **PLACE)
        assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (code, status)


@pytest.mark.parametrize(("effect", "held"), [("close_before", []), ("close_after", ["vm-101"])])
def test_an_answer_is_lost_before_or_after_the_work(evs: Any, control: EvsControl, effect: str, held: Any) -> None:
    control.fault(effect, vm_ids=["vm-101"])
    with pytest.raises(BotoCoreError):
        evs.create_entitlement(**PLACE, vmIds=["vm-101"])
    assert control.held() == held
    (call,) = control.calls("CreateEntitlement", "vm-101")
    assert (call["outcome"], call["done"]) == (effect.replace("_", "d "), bool(held))


def test_boto3_rides_out_a_lost_answer(api: EvsApi, control: EvsControl) -> None:
    control.fault("close_after")
    evs = client_of(api, retries={"total_max_attempts": 3})
    rows = evs.create_entitlement(**PLACE, vmIds=["vm-101"])["entitlements"]
    assert [row["status"] for row in rows] == ["CREATING"]
    assert [call["outcome"] for call in control.calls()] == ["closed after", "ok"]


def test_a_call_can_be_held_while_others_go_on(evs: Any, control: EvsControl) -> None:
    rule = control.fault("hold", operations=["CreateEntitlement"], when="after")
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(evs.create_entitlement, **PLACE, vmIds=["vm-101"])
        assert control.wait_held(rule) == [1]
        evs.delete_entitlement(**PLACE, vmIds=["vm-101"])
        assert not first.done()
        assert control.release(rule) == 1
        assert first.result(10)["entitlements"][0]["vmId"] == "vm-101"
    assert control.held() == []


def test_a_call_that_hangs_outlasts_the_client(api: EvsApi, control: EvsControl) -> None:
    control.fault("hang", seconds=0.6, when="after", operations=["CreateEntitlement"])
    evs = client_of(api, read_timeout=0.2)
    with pytest.raises(BotoCoreError):
        evs.create_entitlement(**PLACE, vmIds=["vm-101"])
    assert control.held() == ["vm-101"]


def test_a_call_that_was_held_up_does_nothing_after_a_reset(evs: Any, control: EvsControl) -> None:
    rule = control.fault("hold", operations=["CreateEntitlement"])
    with ThreadPoolExecutor(1) as pool:
        held_up = pool.submit(evs.create_entitlement, **PLACE, vmIds=["vm-101"])
        control.wait_held(rule)
        control.reset()
        with pytest.raises(BotoCoreError):
            held_up.result(10)
    assert control.held() == []


def test_probability_is_drawn_from_a_seed(evs: Any, control: EvsControl) -> None:
    def outcomes() -> list[str]:
        control.clear_calls()
        control.clear_faults(seed=7)
        control.fault("throttle", count=None, probability=0.5)
        for _ in range(12):
            try:
                evs.list_vm_entitlements(**PLACE)
            except ClientError:
                continue
        return [call["outcome"] for call in control.calls()]

    first = outcomes()
    assert set(first) == {"ok", "ThrottlingException"}
    assert outcomes() == first


def test_access_can_be_denied_without_iam(evs: Any, control: EvsControl) -> None:
    control.fault("access_denied", operations=["CreateEntitlement"])
    answer = refusal(evs.create_entitlement, **PLACE, vmIds=["vm-101"])
    assert answer["Error"]["Code"] == "AccessDeniedException"
    assert "not authorized to perform: evs:CreateEntitlement on resource: arn:aws:evs:" in str(answer["Error"])


# Controls.


def test_controls_reach_everything_from_another_process(evs: Any, control: EvsControl) -> None:
    assert control.healthy()
    assert control.set(create_latency=[0, 0])["create_latency"] == [0, 0]
    assert control.settings()["create_latency"] == [0, 0]
    control.entitle(["vm-105"], connector_id="cnctr-fghij67890")
    control.entitle(["vm-101", "vm-102"])
    control.remove(["vm-102"])
    assert control.held() == ["vm-101", "vm-105"]
    assert control.held(connector_id="cnctr-fghij67890") == ["vm-105"]
    control.by_hand("set_status", ["vm-101"], "ENTITLEMENT_REMOVED", error_code="VM_DISCONNECTED")
    assert statuses(evs) == {"vm-101": "ENTITLEMENT_REMOVED"}
    control.by_hand("remove_connector", "cnctr-fghij67890")
    assert [row["vmId"] for row in control.rows()] == ["vm-101"]
    assert [change["status"] for change in control.changes() if change["vm_id"] == "vm-102"][-1] == "GONE"
    assert len(control.inventory()["connectors"]) == 2
    control.add_fault(FaultRule("throttle", count=3))
    assert control.faults()[0]["count"] == 3
    control.reset()
    assert (control.rows(), control.faults(), len(control.inventory()["connectors"])) == ([], [], 3)
    assert control.settings()["create_latency"] == 10


@pytest.mark.parametrize(
    "wrong",
    [
        lambda control: control.set(latency=1),
        lambda control: control.set(create_latency=-1),
        lambda control: control.fault("explode"),
        lambda control: control.fault("throttle", operations="ListVmEntitlements"),
        lambda control: control.by_hand("reset"),
        lambda control: control.by_hand("set_connector", "cnctr-0000000000", reachable=True),
    ],
)
def test_wrong_controls_are_refused_with_a_reason(control: EvsControl, wrong: Callable[..., Any]) -> None:
    with pytest.raises(ControlError, match="error"):
        wrong(control)


def test_a_world_is_usable_without_http(clock: Clock) -> None:
    world = World(clock=clock)
    with pytest.raises(ApiError, match="ResourceNotFoundException"), world.locked():
        OPERATIONS["GetEnvironment"](world, {"environmentId": "env-0000000000"})


def test_many_callers_at_once_lose_nothing(api: EvsApi, control: EvsControl) -> None:
    barrier = threading.Barrier(8)

    def entitle(number: int) -> None:
        evs = client_of(api)
        barrier.wait(10)
        for step in range(5):
            evs.create_entitlement(**PLACE, vmIds=[f"vm-{1000 + number * 5 + step}"])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(entitle, range(8)))
    assert len(control.held()) == 40
    assert sorted(call["number"] for call in control.calls()) == list(range(1, 41))
