"""What other constructs get of a set: its number of VMs, its id, and the permission to look at it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import Acknowledgment, CfnOutput, CfnParameter, NestedStack, Stack, Token, Validations
from aws_cdk import aws_iam as iam
from cdk_nag import AwsSolutionsChecks

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.constructs.conftest import Synth

LOGICAL_ID = "EvsEntitlementsEnvabcde12345Cnctrabcde12345"
LEDGER = "EvsEntitlementsProviderLedger"


def role(scope: Any) -> iam.Role:
    return iam.Role(scope, "Reader", assumed_by=iam.AccountRootPrincipal())


def reader_policy(template: dict[str, Any]) -> list[dict[str, Any]]:
    [policy] = [one for name, one in template["Resources"].items() if name.startswith("ReaderDefaultPolicy")]
    statements: list[dict[str, Any]] = policy["Properties"]["PolicyDocument"]["Statement"]
    return statements


def arn(service: str, resource: Any, *, region: bool = True) -> dict[str, Any]:
    begin = ["arn:", {"Ref": "AWS::Partition"}, f":{service}:", {"Ref": "AWS::Region"}, ":", {"Ref": "AWS::AccountId"}]
    rest = resource if isinstance(resource, list) else [resource]
    return {"Fn::Join": ["", [*begin, f":{rest[0]}", *rest[1:]]]}


def test_count_and_physical_id_are_attributes_of_the_sets_resource(synth: Synth) -> None:
    one = synth.declare(synth.stack, "One", "vm-1")
    other = synth.declare(synth.stack, "Other", "vm-2")
    for name, each in (("One", one), ("Other", other)):
        assert Token.is_unresolved(each.count)
        assert isinstance(each.count, float)
        CfnOutput(synth.stack, f"CountOf{name}", value=Token.as_string(each.count))
        CfnOutput(synth.stack, f"IdOf{name}", value=each.physical_id)
    outputs = synth.template()["Outputs"]
    for name in ("One", "Other"):
        assert outputs[f"CountOf{name}"]["Value"] == {"Fn::GetAtt": [LOGICAL_ID, "Count"]}
        assert outputs[f"IdOf{name}"]["Value"] == {"Ref": LOGICAL_ID}


def test_a_reader_may_look_and_change_nothing(synth: Synth) -> None:
    entitlements = synth.declare(synth.stack, "Windows", "vm-1")
    grant = entitlements.grant_read(role(synth.stack))
    assert isinstance(grant, iam.Grant)
    assert grant.success
    evs, stack, ledger = reader_policy(synth.template())
    assert (evs["Action"], evs["Resource"]) == (
        ["evs:ListEnvironmentConnectors", "evs:ListVmEntitlements"],
        arn("evs", "environment/env-abcde12345"),
    )
    assert (stack["Action"], stack["Resource"]) == (
        ["cloudformation:DescribeStacks", "cloudformation:ListStackResources"],
        arn("cloudformation", "stack/Stack/*"),
    )
    assert ledger["Action"] == "dynamodb:GetItem"
    assert ledger["Resource"]["Fn::GetAtt"][0].startswith(LEDGER)
    assert {one["Effect"] for one in (evs, stack, ledger)} == {"Allow"}


def test_a_dependency_on_the_grant_is_one_on_the_policy(synth: Synth) -> None:
    entitlements = synth.declare(synth.stack, "Windows", "vm-1")
    output = iam.User(synth.stack, "After")
    entitlements.grant_read(role(synth.stack)).apply_before(output)
    [user] = synth.resources("AWS::IAM::User").values()
    assert any(name.startswith("ReaderDefaultPolicy") for name in user["DependsOn"])


def test_an_environment_that_is_a_token_is_granted_as_such(synth: Synth) -> None:
    parameter = CfnParameter(synth.stack, "Environment")
    entitlements = synth.declare(synth.stack, "Windows", "vm-1", environment_id=parameter.value_as_string)
    entitlements.grant_read(role(synth.stack))
    evs, _, _ = reader_policy(synth.template())
    assert evs["Resource"] == arn("evs", ["environment/", {"Ref": "Environment"}])


def test_a_reader_of_another_stack(synth: Synth) -> None:
    entitlements = synth.declare(synth.stack, "Windows", "vm-1")
    other = Stack(synth.app, "Readers")
    entitlements.grant_read(role(other))
    _, stack, ledger = reader_policy(synth.template(other))
    assert stack["Resource"] == arn("cloudformation", "stack/Stack/*")
    assert LEDGER in ledger["Resource"]["Fn::ImportValue"]


def test_a_set_of_a_nested_stack(synth: Synth) -> None:
    nested = NestedStack(synth.stack, "Nested")
    synth.declare(nested, "Windows", "vm-1").grant_read(role(nested))
    _, stack, ledger = reader_policy(synth.template(nested))
    # The name that CloudFormation gives the nested stack.
    assert stack["Resource"] == arn("cloudformation", ["stack/", {"Ref": "AWS::StackName"}, "/*"])
    assert ledger["Resource"]["Fn::GetAtt"][0].startswith(LEDGER)


def test_an_imported_role_gets_a_policy_of_its_own(synth: Synth) -> None:
    entitlements = synth.declare(synth.stack, "Windows", "vm-1")
    imported = iam.Role.from_role_arn(synth.stack, "Imported", "arn:aws:iam::000000000000:role/reader")
    entitlements.grant_read(imported)
    assert any(name.startswith("ImportedPolicy") for name in synth.resources("AWS::IAM::Policy"))


def test_who_uses_none_of_it_has_the_template_as_it_was(new_synth: Callable[..., Synth]) -> None:
    """The one of the snapshot, too: test_provider.py."""
    templates = []
    for looks in (False, True):
        synth = new_synth()
        entitlements = synth.declare(synth.stack, "Windows", "vm-1")
        if looks:
            assert entitlements.count
            assert entitlements.physical_id
        templates.append(synth.template())
    assert templates[0] == templates[1]


def test_cdk_nag_finds_the_pattern_of_the_stacks_name_alone(synth: Synth) -> None:
    """That one is the caller's to acknowledge: it is in the policy of the caller's own role."""
    entitlements = synth.declare(synth.stack, "Windows", "vm-1")
    reader = role(synth.stack)
    entitlements.grant_read(reader)
    Validations.of(synth.app).add_plugins(AwsSolutionsChecks())
    pattern = "arn:<AWS::Partition>:cloudformation:<AWS::Region>:<AWS::AccountId>:stack/Stack/*"
    with pytest.raises(Exception, match="AwsSolutions-IAM5") as raised:
        synth.template()
    assert re.findall(r"Acknowledge with '(.*)'", str(raised.value)) == [
        f"AwsSolutions::AwsSolutions-IAM5[Resource::{pattern}]"
    ]
    Validations.of(reader).acknowledge(
        Acknowledgment(
            id=f"AwsSolutions-IAM5[Resource::{pattern}]", reason="CloudFormation is asked by the stack's name"
        )
    )
    synth.template()
