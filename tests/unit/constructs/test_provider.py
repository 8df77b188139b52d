"""What the function is given: its settings, its permissions, and all of it for as long as a Delete needs it."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import CfnParameter, Environment, NestedStack, Stack, Validations
from cdk_nag import AwsSolutionsChecks

from evs_entitlements import environment_policy, provider

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.constructs.conftest import Synth

PROJECT = Path(__file__).resolve().parents[3]
SNAPSHOT = PROJECT / "tests" / "unit" / "snapshots" / "one_stack.template.json"
NESTED = "AWS::CloudFormation::Stack"
LOGICAL_ID = "EvsEntitlementsEnvabcde12345Cnctrabcde12345"


@pytest.fixture
def template(synth: Synth) -> dict[str, Any]:
    synth.declare(synth.stack, "Windows", "vm-1")
    synth.declare(synth.stack, "Other", "vm-1", environment_id="env-zzzzz99999")
    return synth.template()


def only(template: dict[str, Any], resource_type: str) -> Any:
    (resource,) = (one for one in template["Resources"].values() if one["Type"] == resource_type)
    return resource


def logical_ids(template: dict[str, Any], *types: str) -> set[str]:
    return {name for name, resource in template["Resources"].items() if resource["Type"] in types}


def statements(template: dict[str, Any]) -> list[dict[str, Any]]:
    """All statements of all policies, those inside of the role too."""
    documents = []
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        if resource["Type"] == "AWS::IAM::Policy":
            documents.append(properties["PolicyDocument"])
        documents += [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
    return [statement for document in documents for statement in document["Statement"]]


class TestFunction:
    def test_settings(self, template: dict[str, Any]) -> None:
        function = only(template, "AWS::Lambda::Function")["Properties"]
        expected = {
            "Runtime": "python3.14",
            "Architectures": ["arm64"],
            "Timeout": 900,
            "Handler": "lambda_handler.main.handler",
            "RecursiveLoop": "Allow",
        }
        assert expected.items() <= function.items()
        assert "ReservedConcurrentExecutions" not in function
        (table,) = logical_ids(template, "AWS::DynamoDB::Table")
        assert function["Environment"] == {"Variables": {"LEDGER_TABLE_NAME": {"Ref": table}}}

    def test_asynchronous_retries_stay_on_and_bounded(self, template: dict[str, Any]) -> None:
        config = only(template, "AWS::Lambda::EventInvokeConfig")["Properties"]
        assert (config["MaximumRetryAttempts"], config["MaximumEventAgeInSeconds"]) == (2, 3600)

    def test_log_group_is_its_own_with_retention(self, template: dict[str, Any]) -> None:
        (log_group,) = logical_ids(template, "AWS::Logs::LogGroup")
        assert template["Resources"][log_group]["Properties"]["RetentionInDays"] == 90
        assert only(template, "AWS::Lambda::Function")["Properties"]["LoggingConfig"] == {
            "LogGroup": {"Ref": log_group}
        }

    def test_ledger_is_on_demand_and_goes_with_the_stack(self, template: dict[str, Any]) -> None:
        table = only(template, "AWS::DynamoDB::Table")
        assert table["Properties"]["BillingMode"] == "PAY_PER_REQUEST"
        assert table["Properties"]["KeySchema"] == [{"AttributeName": "Id", "KeyType": "HASH"}]
        assert table["DeletionPolicy"] == "Delete"


class TestPermissions:
    def test_nothing_but_what_is_needed(self, template: dict[str, Any]) -> None:
        granted = {action for one in statements(template) for action in _listed(one["Action"])}
        assert granted == {
            "cloudformation:DescribeStackEvents",
            "cloudformation:DescribeStackResource",
            "cloudformation:DescribeStacks",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
            "evs:CreateEntitlement",
            "evs:DeleteEntitlement",
            "evs:ListEnvironmentConnectors",
            "evs:ListVmEntitlements",
            "lambda:InvokeFunction",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
        }
        assert "ManagedPolicyArns" not in only(template, "AWS::IAM::Role")["Properties"]

    def test_no_wildcard(self, template: dict[str, Any]) -> None:
        assert "*" not in json.dumps([one["Resource"] for one in statements(template)])

    def test_an_environment_policy_names_one_environment(self, template: dict[str, Any]) -> None:
        resources = [one["Resource"] for one in statements(template) if "evs:CreateEntitlement" in one["Action"]]
        assert sorted(resource["Fn::Join"][1][-1] for resource in resources) == [
            ":environment/env-abcde12345",
            ":environment/env-zzzzz99999",
        ]

    def test_a_token_means_the_environments_of_the_account_and_region(self, synth: Synth) -> None:
        environment = CfnParameter(synth.stack, "Environment").value_as_string
        synth.declare(synth.stack, "A", "vm-1", environment_id=environment)
        template = synth.template()
        (statement,) = (one for one in statements(template) if "evs:CreateEntitlement" in one["Action"])
        account = [{"Ref": "AWS::Region"}, ":", {"Ref": "AWS::AccountId"}]
        assert statement["Resource"]["Fn::Join"][1][3:] == [*account, ":environment/*"]

    def test_a_nested_stack_may_be_asked_about_as_may_those_that_it_is_in(self, synth: Synth) -> None:
        inner = NestedStack(NestedStack(synth.stack, "Outer"), "Inner")
        synth.declare(inner, "Windows", "vm-1")
        synth.template()
        (asked,) = self._asked_about(synth, inner)
        assert asked == [
            {"Ref": "AWS::StackId"},
            {"Ref": "referencetoStackOuterEF4A3262AWSStackId"},
            {"Ref": "referencetoStackAWSStackId"},
        ]
        # Each is the id of a stack itself, handed down from there; no wildcard, and no stack's own resource as its
        # parameter, which would be a cycle.
        outer = inner.nested_stack_parent
        assert outer is not None
        (given,) = (each["Properties"]["Parameters"] for each in synth.resources(NESTED, outer).values())
        assert (
            given.items()
            >= {
                "referencetoStackOuterEF4A3262AWSStackId": {"Ref": "AWS::StackId"},
                "referencetoStackAWSStackId": {"Ref": "referencetoStackAWSStackId"},
            }.items()
        )
        (given,) = (each["Properties"]["Parameters"] for each in synth.resources(NESTED).values())
        assert given["referencetoStackAWSStackId"] == {"Ref": "AWS::StackId"}

    def test_a_stack_that_is_not_nested_may_be_asked_about_alone(self, synth: Synth) -> None:
        synth.declare(synth.stack, "Windows", "vm-1")
        assert self._asked_about(synth, synth.stack) == [{"Ref": "AWS::StackId"}]

    def _asked_about(self, synth: Synth, stack: Stack) -> list[Any]:
        template = synth.template(stack)
        return [one["Resource"] for one in statements(template) if "cloudformation:DescribeStacks" in one["Action"]]

    def test_connectors_of_one_environment_share_its_policy(self, synth: Synth) -> None:
        synth.declare(synth.stack, "A", "vm-1")
        synth.declare(synth.stack, "B", "vm-2", connector_id="cnctr-zzzzz99999")
        template = synth.template()
        assert len([one for one in statements(template) if "evs:CreateEntitlement" in one["Action"]]) == 1


class TestDeletion:
    def test_each_set_goes_before_all_that_its_delete_needs(self, template: dict[str, Any]) -> None:
        needed = logical_ids(
            template,
            "AWS::Lambda::Function",
            "AWS::Lambda::EventInvokeConfig",
            "AWS::IAM::Role",
            "AWS::DynamoDB::Table",
            "AWS::Logs::LogGroup",
        ) | {name for name in template["Resources"] if "InvokePolicy" in name}
        sets = {"Envabcde12345": LOGICAL_ID, "Envzzzzz99999": "EvsEntitlementsEnvzzzzz99999Cnctrabcde12345"}
        for environment, name in sets.items():
            depends_on = set(template["Resources"][name]["DependsOn"])
            policies = {one for one in logical_ids(template, "AWS::IAM::Policy") if environment in one}
            assert depends_on == needed | policies
            assert len(policies) == 1

    def test_a_set_that_leaves_takes_only_its_own_policy_along(self, new_synth: Callable[..., Synth]) -> None:
        both, one = new_synth(), new_synth()
        for synth in (both, one):
            synth.declare(synth.stack, "A", "vm-1")
        both.declare(both.stack, "B", "vm-2", environment_id="env-zzzzz99999")
        before, after = both.template()["Resources"], one.template()["Resources"]
        assert all("Envzzzzz99999" in name for name in before.keys() - after.keys())
        assert {name: before[name] for name in after} == after


def test_one_stack_is_eight_resources(synth: Synth) -> None:
    synth.declare(synth.stack, "Windows", "vm-1")
    assert len(synth.template()["Resources"]) == 8


def test_template_is_the_stored_one(new_synth: Callable[..., Synth]) -> None:
    # With the flags of the app, which make CloudFormation's own rules for templates errors.
    synth = new_synth(json.loads((PROJECT / "cdk.json").read_text())["context"])
    synth.declare(synth.stack, "Windows", "vm-101", "vm-102")
    template = synth.template()
    only(template, "AWS::Lambda::Function")["Properties"]["Code"]["S3Key"] = "masked: the hash of the code"
    if os.environ.get("UPDATE_SNAPSHOTS") == "1":
        SNAPSHOT.write_text(json.dumps(template, indent=1) + "\n")
    assert template == json.loads(SNAPSHOT.read_text()), "if the change is meant: UPDATE_SNAPSHOTS=1"


@pytest.mark.parametrize("region", [None, "eu-central-1"])
def test_cdk_nag_finds_nothing_without_a_written_reason(synth: Synth, region: str | None) -> None:
    stack = Stack(synth.app, "Located", env=Environment(region=region, account=region and "111122223333"))
    synth.declare(stack, "A", "vm-1")
    synth.declare(stack, "B", "vm-1", environment_id=CfnParameter(stack, "Environment").value_as_string)
    Validations.of(synth.app).add_plugins(AwsSolutionsChecks(synth.app))
    synth.template(stack)


def test_cdk_nag_does_find_what_the_reasons_are_for(synth: Synth, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (provider, environment_policy):
        monkeypatch.setattr(module, "acknowledge", lambda *_: None)
    synth.declare(synth.stack, "A", "vm-1")
    synth.declare(synth.stack, "B", "vm-1", environment_id=CfnParameter(synth.stack, "Id").value_as_string)
    Validations.of(synth.app).add_plugins(AwsSolutionsChecks(synth.app))
    with pytest.raises(RuntimeError) as findings:
        synth.template()
    assert set(re.findall(r"AwsSolutions-[A-Z0-9]+", str(findings.value))) == {
        "AwsSolutions-DDB3",
        "AwsSolutions-IAM5",
    }


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
