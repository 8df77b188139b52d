"""The function's role: each of its statements is needed, and without it a deployment ends in a way that says so.

Also what only needs patience: a creation that takes far longer than the function may run. All of it waits more than
it works, so all stacks are deployed at once, and the tests look at what came of them.
"""

import json
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import pytest

from local_aws.launcher import ACCOUNT
from testing.cdk import Done
from testing.observed import changing_calls, without_permission
from tests.e2e.conftest import Cloud
from tests.e2e.stacks import ENVIRONMENT, Variant

#: Seconds that an operation may take. AccessDenied is ridden out for 15 s of them.
TIMEOUT = 180
#: A function's shortest timeout that will do, one minute of creation with it, and one that it can't outlive by itself.
FUNCTION_TIMEOUT = 30
LONG_CREATION, CREATION = 60, 35


@dataclass
class Outcome:
    """What came of one stack, step by step."""

    steps: list[Done] = field(default_factory=list)
    held: list[list[str]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def note(self, cloud: Cloud, done: Done, *vm_ids: str) -> None:
        self.steps.append(done)
        self.held.append([vm_id for vm_id in cloud.held() if vm_id in vm_ids])
        self.calls = changing_calls(cloud.aws, vm_ids, since=0)


def said(cloud: Cloud, variant: Variant) -> list[str]:
    return [line for line in cloud.aws.function_logs() if f"/{variant.name}/" in line]


def create_without(action: str, vm_id: str) -> Callable[[Cloud], Outcome]:
    def case(cloud: Cloud) -> Outcome:
        outcome = Outcome()
        variant = Variant(cloud.name(), [vm_id], timeout=TIMEOUT, forbidden=[action])
        outcome.note(cloud, cloud.deploy(variant), vm_id)
        return outcome

    return case


def delete_without_permission(cloud: Cloud) -> Outcome:
    outcome = Outcome()
    variant = Variant(cloud.name(), ["vm-103"], timeout=TIMEOUT, forbidden=["evs:DeleteEntitlement"])
    outcome.note(cloud, cloud.deploy(variant), "vm-103")
    outcome.note(cloud, cloud.destroy(variant), "vm-103")
    return outcome


def clean_up_without_permission(cloud: Cloud) -> Outcome:
    outcome = Outcome()
    mine = ("vm-111", "vm-112", "vm-113")
    variant = Variant(cloud.name(), ["vm-111", "vm-112"], timeout=TIMEOUT)
    outcome.note(cloud, cloud.deploy(variant), *mine)
    with without_permission(cloud.aws, variant.name, "evs:DeleteEntitlement"):
        outcome.note(cloud, cloud.deploy(replace(variant, vm_ids=["vm-111"])), *mine)
    outcome.note(cloud, cloud.deploy(replace(variant, vm_ids=["vm-111", "vm-113"])), *mine)
    return outcome


def adopt_without_looking_at_the_stack(cloud: Cloud) -> Outcome:
    outcome = Outcome()
    cloud.evs.entitle(["vm-108"])
    forbidden = [f"cloudformation:Describe{what}" for what in ("Stacks", "StackEvents", "StackResource")]
    variant = Variant(cloud.name(), ["vm-108"], adopt_existing=True, timeout=TIMEOUT, forbidden=forbidden)
    outcome.note(cloud, cloud.deploy(variant), "vm-108")
    outcome.note(cloud, cloud.destroy(variant), "vm-108")
    return outcome


def outlive_without_invoking_itself(cloud: Cloud) -> Outcome:
    outcome = Outcome()
    # It ends in doubt as long as it rides the refusal out, here longer than one invocation.
    variant = Variant(
        cloud.name(),
        ["vm-116"],
        timeout=240,
        function_timeout=FUNCTION_TIMEOUT,
        forbidden=["lambda:InvokeFunction"],
        denied_for=75,
    )
    outcome.note(cloud, cloud.deploy(variant), "vm-116")
    outcome.said = said(cloud, variant)
    return outcome


def may_log(cloud: Cloud) -> Outcome:
    """Ask IAM itself: the local Lambda delivers what a function writes without asking whether its role may."""
    outcome = Outcome()
    for forbidden in ([], ["logs:CreateLogStream", "logs:PutLogEvents"]):
        variant = Variant(cloud.name(), ["vm-109"], forbidden=forbidden)
        outcome.note(cloud, cloud.deploy(variant), "vm-109")
        outcome.said.append(json.dumps(log_decisions(cloud, variant.name)))
        cloud.destroy(variant)
    return outcome


def log_decisions(cloud: Cloud, stack_name: str) -> dict[str, str]:
    client = cloud.aws.boto3_client("cloudformation")
    resources = client.describe_stack_resources(StackName=stack_name)["StackResources"]
    ids = {item["ResourceType"]: item["PhysicalResourceId"] for item in resources}
    role = f"arn:aws:iam::{ACCOUNT}:role/{ids['AWS::IAM::Role']}"
    stream = f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:{ids['AWS::Logs::LogGroup']}:log-stream:today"
    answer = cloud.aws.boto3_client("iam").simulate_principal_policy(
        PolicySourceArn=role,
        ResourceArns=[stream],
        ActionNames=["logs:CreateLogStream", "logs:PutLogEvents", "logs:CreateLogGroup"],
    )
    return {result["EvalActionName"]: result["EvalDecision"] for result in answer["EvaluationResults"]}


def outlive_the_function(cloud: Cloud) -> Outcome:
    outcome = Outcome()
    variant = Variant(cloud.name(), ["vm-107"], timeout=600, function_timeout=FUNCTION_TIMEOUT)
    outcome.note(cloud, cloud.deploy(variant), "vm-107")
    outcome.said = said(cloud, variant)
    outcome.note(cloud, cloud.destroy(variant), "vm-107")
    return outcome


CASES: dict[str, Callable[[Cloud], Outcome]] = {
    "outlive": outlive_the_function,
    "evs:ListVmEntitlements": create_without("evs:ListVmEntitlements", "vm-101"),
    "evs:CreateEntitlement": create_without("evs:CreateEntitlement", "vm-102"),
    "dynamodb:GetItem": create_without("dynamodb:GetItem", "vm-104"),
    "dynamodb:PutItem": create_without("dynamodb:PutItem", "vm-105"),
    "logs": may_log,
    "evs:DeleteEntitlement": delete_without_permission,
    "clean-up": clean_up_without_permission,
    "cloudformation": adopt_without_looking_at_the_stack,
    "lambda:InvokeFunction": outlive_without_invoking_itself,
}


@pytest.fixture(scope="module")
def outcomes(bootstrapped: Cloud) -> dict[str, Future[Outcome]]:
    bootstrapped.evs.reset()
    bootstrapped.evs.set(create_latency_by_vm={"vm-107": LONG_CREATION, "vm-116": CREATION})
    with ThreadPoolExecutor(len(CASES)) as pool:
        return {name: pool.submit(case, bootstrapped) for name, case in CASES.items()}


Outcomes = dict[str, Future[Outcome]]


@pytest.mark.parametrize("action", ["evs:ListVmEntitlements", "evs:CreateEntitlement"])
def test_a_create_without_a_permission_of_evs_fails_and_names_it(outcomes: Outcomes, action: str) -> None:
    outcome = outcomes[action].result()
    [deploy] = outcome.steps
    assert deploy.exit_code != 0
    assert f"{action}: AccessDeniedException" in deploy.words
    assert ENVIRONMENT in deploy.words
    assert outcome.held == [[]]


@pytest.mark.parametrize("action", ["dynamodb:GetItem", "dynamodb:PutItem"])
def test_a_create_without_a_permission_of_the_ledger_fails_before_evs_is_changed(
    outcomes: Outcomes, action: str
) -> None:
    outcome = outcomes[action].result()
    [deploy] = outcome.steps
    assert deploy.exit_code != 0
    assert f"{action}: AccessDeniedException" in deploy.words
    assert "the ledger, DynamoDB table" in deploy.words
    assert outcome.calls == []


def test_a_deletion_of_the_stack_without_delete_entitlement_fails_and_names_it(outcomes: Outcomes) -> None:
    outcome = outcomes["evs:DeleteEntitlement"].result()
    deploy, destroy = outcome.steps
    assert deploy.exit_code == 0
    assert destroy.exit_code != 0
    assert "evs:DeleteEntitlement: AccessDeniedException" in destroy.words
    assert "vm-103" in destroy.words
    assert outcome.held == [["vm-103"], ["vm-103"]]


def test_what_a_clean_up_could_not_remove_the_next_deployment_removes(outcomes: Outcomes) -> None:
    outcome = outcomes["clean-up"].result()
    assert [step.exit_code for step in outcome.steps] == [0, 0, 0]
    assert "DELETE_FAILED" in outcome.steps[1].words
    assert outcome.held == [["vm-111", "vm-112"], ["vm-111", "vm-112"], ["vm-111", "vm-113"]]


def test_an_adopted_vm_is_left_entitled_when_the_stack_cannot_be_looked_at(outcomes: Outcomes) -> None:
    # With the permission it is removed with the stack: test_moving.py.
    outcome = outcomes["cloudformation"].result()
    assert [step.exit_code for step in outcome.steps] == [0, 0]
    assert outcome.held == [["vm-108"], ["vm-108"]]
    assert outcome.calls == []


def test_a_function_that_may_not_invoke_itself_is_saved_by_the_retry_of_lambda(outcomes: Outcomes) -> None:
    outcome = outcomes["lambda:InvokeFunction"].result()
    assert outcome.steps[0].exit_code == 0
    assert outcome.held == [["vm-116"]]
    assert any("lambda:InvokeFunction: AccessDeniedException" in line for line in outcome.said)
    # It ended with an error, and Lambda began it again.
    assert any("Traceback" in line for line in outcome.said)


def test_the_role_may_write_to_its_own_log_group_and_not_make_one(outcomes: Outcomes) -> None:
    with_it, without_it = (json.loads(said) for said in outcomes["logs"].result().said)
    assert with_it == {
        "logs:CreateLogStream": "allowed",
        "logs:PutLogEvents": "allowed",
        "logs:CreateLogGroup": "implicitDeny",
    }
    assert set(without_it.values()) == {"implicitDeny"}


def test_a_creation_that_takes_twice_as_long_as_the_function_may_run(outcomes: Outcomes) -> None:
    outcome = outcomes["outlive"].result()
    deploy, destroy = outcome.steps
    assert deploy.exit_code == 0, deploy.output
    assert LONG_CREATION < deploy.seconds < LONG_CREATION + 60
    assert destroy.exit_code == 0
    assert outcome.held == [["vm-107"], []]
    assert outcome.calls == ["CreateEntitlement vm-107", "DeleteEntitlement vm-107"]
    assert not any("Traceback" in line for line in outcome.said)
    assert sum("going on in a fresh invocation" in line for line in outcome.said) >= LONG_CREATION // FUNCTION_TIMEOUT
