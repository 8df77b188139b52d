"""The function alone: what makes it known, whom it serves, and what is refused."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import App, CfnParameter, Environment, Stack, Validations
from aws_cdk.assertions import Annotations, Match
from aws_cdk.aws_lambda import Architecture
from cdk_nag import AwsSolutionsChecks

from evs_entitlements import EntitlementProvider
from tests.unit.constructs.conftest import ENVIRONMENT
from tests.unit.constructs.test_provider import logical_ids, only, statements

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.constructs.conftest import Synth

OTHER = "env-zyxwv98765"
ASKS = "cloudformation:DescribeStacks"


def provider(synth: Synth, **given: Any) -> EntitlementProvider:
    return EntitlementProvider(synth.stack, "Provider", **{"environment_ids": [ENVIRONMENT], **given})


def asked_about(template: dict[str, Any]) -> list[Any]:
    (statement,) = (one for one in statements(template) if ASKS in one["Action"])
    found: list[Any] = statement["Resource"]
    return found


class TestMadeKnown:
    def test_by_an_output_that_is_exported_and_by_a_parameter(self, synth: Synth) -> None:
        provider(synth)
        template = synth.template()
        (function,) = logical_ids(template, "AWS::Lambda::Function")
        output = template["Outputs"]["ServiceToken"]
        assert output["Value"] == {"Fn::GetAtt": [function, "Arn"]}
        assert output["Export"] == {"Name": "Stack-ServiceToken"}
        parameter = only(template, "AWS::SSM::Parameter")
        assert parameter["Properties"]["Name"] == "/Stack/ServiceToken"
        assert parameter["Properties"]["Value"] == {"Fn::GetAtt": [function, "Arn"]}

    def test_the_parameter_comes_after_all_that_the_function_needs(self, synth: Synth) -> None:
        provider(synth)
        template = synth.template()
        policies = logical_ids(template, "AWS::IAM::Policy")
        assert policies <= set(only(template, "AWS::SSM::Parameter")["DependsOn"])

    def test_service_token_is_the_functions_arn(self, synth: Synth) -> None:
        token = provider(synth).service_token
        assert synth.stack.resolve(token)["Fn::GetAtt"][1] == "Arn"


class TestServes:
    def test_the_given_environments_and_no_other(self, synth: Synth) -> None:
        provider(synth, environment_ids=[OTHER, ENVIRONMENT, OTHER])
        granted = [one["Resource"] for one in statements(synth.template()) if "evs:CreateEntitlement" in one["Action"]]
        assert sorted(one["Fn::Join"][1][-1] for one in granted) == [
            f":environment/{ENVIRONMENT}",
            f":environment/{OTHER}",
        ]

    def test_any_environment_where_one_is_a_token(self, synth: Synth) -> None:
        provider(synth, environment_ids=[CfnParameter(synth.stack, "Id").value_as_string])
        granted = [one["Resource"] for one in statements(synth.template()) if "evs:CreateEntitlement" in one["Action"]]
        assert [one["Fn::Join"][1][-1] for one in granted] == [":environment/*"]

    def test_stacks_of_the_account_and_region_by_default(self, synth: Synth) -> None:
        provider(synth)
        own, others = asked_about(synth.template())
        assert own == {"Ref": "AWS::StackId"}
        assert "".join(one if isinstance(one, str) else one["Ref"] for one in others["Fn::Join"][1]) == (
            "arn:AWS::Partition:cloudformation:AWS::Region:AWS::AccountId:stack/*"
        )

    def test_stacks_of_the_given_names(self, synth: Synth) -> None:
        provider(synth, stack_names=["Licences-*", "Prod?"])
        _, *others = asked_about(synth.template())
        assert [one["Fn::Join"][1][-1] for one in others] == [":stack/Licences-*/*", ":stack/Prod?/*"]

    def test_the_function_asks_first_as_other_stacks_use_it(self, synth: Synth) -> None:
        provider(synth)
        variables = only(synth.template(), "AWS::Lambda::Function")["Properties"]["Environment"]["Variables"]
        assert variables["SHARED_BY_STACKS"] == "true"

    def test_entitlements_of_the_same_stack_use_the_same_function(self, synth: Synth) -> None:
        provider(synth, environment_ids=[ENVIRONMENT, OTHER])
        synth.declare(synth.stack, "Windows", "vm-1")
        template = synth.template()
        assert len(logical_ids(template, "AWS::Lambda::Function")) == 1
        assert len(logical_ids(template, "AWS::IAM::Policy")) == 3

    def test_the_function_stays_when_the_last_declaration_of_its_stack_goes(self, synth: Synth) -> None:
        provider(synth)
        synth.declare(synth.stack, "Windows", "vm-1")
        synth.stack.node.try_remove_child("Windows")
        template = synth.template()
        assert logical_ids(template, "AWS::Lambda::Function")
        assert not logical_ids(template, "Custom::EvsWindowsServerEntitlements")

    def test_a_name_of_its_own(self, synth: Synth) -> None:
        provider(synth, function_name="Entitlements")
        assert only(synth.template(), "AWS::Lambda::Function")["Properties"]["FunctionName"] == "Entitlements"


class TestProtection:
    WARNING = Match.string_like_regexp("no termination protection")

    def test_a_stack_without_it_is_warned_of(self, synth: Synth) -> None:
        provider(synth)
        assert len(Annotations.from_stack(synth.stack).find_warning("*", self.WARNING)) == 1

    def test_a_stack_with_it_is_not(self, synth: Synth) -> None:
        stack = Stack(synth.app, "Protected", termination_protection=True)
        EntitlementProvider(stack, "Provider", environment_ids=[ENVIRONMENT])
        assert Annotations.from_stack(stack).find_warning("*", Match.any_value()) == []


class TestRefused:
    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ({"environment_ids": []}, "environment_ids: got an empty list"),
            ({"environment_ids": ["env-1"]}, "environment_ids: got 'env-1'"),
            ({"environment_ids": ENVIRONMENT}, "environment_ids: got 'env-abcde12345', expected a list"),
            ({"stack_names": []}, "stack_names: got an empty list"),
            ({"stack_names": ["a/b"]}, "stack_names: got 'a/b'"),
            ({"stack_names": "Licences"}, "stack_names: got 'Licences', expected a list"),
            ({"stack_names": [1]}, "stack_names: got 1"),
            ({"function_name": "a b"}, "function_name: got 'a b'"),
            ({"memory": 1}, "memory: got a setting of this name, expected one of architecture, vpc"),
        ],
    )
    def test_a_wrong_value_is_named(self, synth: Synth, given: dict[str, Any], message: str) -> None:
        with pytest.raises((ValueError, TypeError), match=re.escape(message)):
            provider(synth, **given)
        assert "Resources" not in synth.template()

    def test_a_second_one_in_a_stack(self, synth: Synth) -> None:
        provider(synth)
        with pytest.raises(ValueError, match="which is made already"):
            EntitlementProvider(synth.stack, "Second", environment_ids=[OTHER])

    def test_one_after_a_declaration(self, synth: Synth) -> None:
        synth.declare(synth.stack, "Windows", "vm-1")
        with pytest.raises(ValueError, match="Stack/Provider: got settings of the function of Stack, which is made"):
            provider(synth)

    def test_settings_in_two_places(self, synth: Synth) -> None:
        EntitlementProvider.configure(synth.stack, architecture=Architecture.X86_64)
        with pytest.raises(ValueError, match="a second time"):
            provider(synth, architecture=Architecture.ARM_64)


@pytest.mark.parametrize(
    ("region", "partition", "suffix"),
    [
        ("eu-central-1", "aws", "amazonaws.com"),
        ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
    ],
)
@pytest.mark.parametrize("is_shared", [True, False])
def test_partitions(new_synth: Callable[..., Synth], region: str, partition: str, suffix: str, is_shared: bool) -> None:
    """Every ARN is of the region's partition, and none is spelt with another's."""
    synth = new_synth({"@aws-cdk/core:enablePartitionLiterals": True})
    stack = Stack(synth.app, "Located", env=Environment(region=region, account="111122223333"))
    if is_shared:
        EntitlementProvider(stack, "Provider", environment_ids=[ENVIRONMENT])
    else:
        synth.declare(stack, "Windows", "vm-1")
    template = synth.template(stack)
    written = json.dumps(template)
    arns = set(re.findall(r"arn:([^:\"]*):", written))
    assert arns == {partition}
    assert f"arn:{partition}:evs:{region}:111122223333:environment/{ENVIRONMENT}" in written
    assert stack.resolve(stack.url_suffix) in (suffix, {"Ref": "AWS::URLSuffix"})
    trust = only(template, "AWS::IAM::Role")["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]
    # The same in all three: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
    assert trust == {"Service": "lambda.amazonaws.com"}


def test_partitions_where_the_region_is_not_known(synth: Synth) -> None:
    provider(synth)
    assert '"arn:aws' not in json.dumps(synth.template())


@pytest.mark.parametrize("names", [["*"], ["Licences-*"]])
@pytest.mark.parametrize("region", [None, "eu-central-1"])
def test_cdk_nag_finds_nothing_without_a_written_reason(tmp_path: Path, names: list[str], region: str | None) -> None:
    app = App(outdir=str(tmp_path), analytics_reporting=False)
    env = Environment(region=region, account=region and "111122223333")
    stack = Stack(app, "Stack", env=env, termination_protection=True)
    EntitlementProvider(stack, "Provider", environment_ids=[ENVIRONMENT], stack_names=names)
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    app.synth()
