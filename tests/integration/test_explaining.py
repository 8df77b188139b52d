"""Real answers of EVS about a connector: a failure says what is wrong with it, and nothing depends on that."""

import re
import time

import pytest

from tests.support.cloudformation import CONNECTOR, ENVIRONMENT, OTHER_CONNECTOR, Stack

QUESTION = "ListEnvironmentConnectors"
FAILED_CHECK = rf"onnector {CONNECTOR}: check VCENTER_REACHABILITY is FAILED since \d{{4}}-\d\d-\d\d \d\d:\d\d UTC"


@pytest.fixture(autouse=True)
def _clean(stack: Stack) -> None:
    stack.evs.clear_calls()


def test_a_create_at_a_connector_that_is_out_of_reach(stack: Stack) -> None:
    stack.evs.by_hand("set_connector", CONNECTOR, reachable=False)
    answer = stack.create(["vm-101", "vm-102"])
    assert answer["Status"] == "FAILED"
    assert "vm-101" in answer["Reason"]
    assert re.search(FAILED_CHECK, answer["Reason"])
    assert "(log stream" in answer["Reason"]
    assert stack.evs.held() == []
    assert [call["operation"] for call in stack.evs.calls(QUESTION)] == [QUESTION]
    assert sum("failed; connector" in str(line["message"]) for line in stack.invocations[-1].lines()) == 1


def test_a_create_at_a_connector_of_another_type_names_the_right_one(stack: Stack) -> None:
    stack.evs.by_hand("set_connector", CONNECTOR, type="SDDC_MANAGER")
    began = time.monotonic()
    answer = stack.create(["vm-101"])
    assert time.monotonic() - began < 10
    assert answer["Status"] == "FAILED"
    assert (
        f"onnector {CONNECTOR}: its type is SDDC_MANAGER, and entitlements need one of type VCENTER" in answer["Reason"]
    )
    assert f"of type VCENTER the environment has {OTHER_CONNECTOR}" in answer["Reason"]


def test_a_connector_that_the_environment_does_not_have(stack: Stack) -> None:
    answer = stack.create(["vm-101"], ConnectorId="cnctr-unknown123")
    assert answer["Status"] == "FAILED"
    assert "was not found in region us-east-1 of account 000000000000" in answer["Reason"]
    assert f"onnector cnctr-unknown123 is not one of environment {ENVIRONMENT}" in answer["Reason"]


def test_what_goes_well_asks_nothing(stack: Stack) -> None:
    created = stack.create(["vm-101"])
    assert created["Status"] == "SUCCESS"
    assert stack.delete(created["PhysicalResourceId"], ["vm-101"])["Status"] == "SUCCESS"
    assert stack.evs.calls(QUESTION) == []


@pytest.mark.parametrize("effect", ["access_denied", "throttle", "error", "close_before", "hang"])
def test_a_question_that_fails_changes_nothing(stack: Stack, effect: str) -> None:
    more = {"seconds": 40} if effect == "hang" else {}
    stack.evs.fault(effect, operations=[QUESTION], count=None, **more)
    stack.evs.set(refuse_create={"vm-102": "not this one"})
    began = time.monotonic()
    answer = stack.create(["vm-101", "vm-102"], service_timeout=60)
    assert time.monotonic() - began < 30
    assert answer["Status"] == "FAILED"
    assert "1 of 2 VMs could not be entitled: vm-102" in answer["Reason"]
    assert "onnector" not in answer["Reason"]
    assert stack.evs.held() == []
    assert [rule["applied"] for rule in stack.evs.faults()] == [1]


def test_a_create_that_waits_says_once_what_for(stack: Stack) -> None:
    stack.evs.set(create_latency=80.0)
    delivery = stack.deliver(stack.event("Create", ["vm-101"]), timeout=30)
    stack.wait_for("entitling 1 VM")
    time.sleep(1)
    stack.evs.by_hand("set_connector", CONNECTOR, reachable=False)
    assert delivery.answer(150)["Status"] == "SUCCESS"
    said = [str(line["message"]) for each in stack.invocations for line in each.lines()]
    [waiting] = [message for message in dict.fromkeys(said) if message.startswith("waiting; ")]
    assert re.search(FAILED_CHECK, waiting)
    assert len(stack.evs.calls(QUESTION)) == 1
