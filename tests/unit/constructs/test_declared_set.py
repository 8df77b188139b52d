"""One custom resource for each stack, environment and connector, whatever the constructs look like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsii
import pytest
from aws_cdk import (
    CfnDynamicReference,
    CfnDynamicReferenceService,
    CfnParameter,
    CfnResource,
    Duration,
    Fn,
    IStableAnyProducer,
    IStableListProducer,
    IStableNumberProducer,
    IStableStringProducer,
    Lazy,
    NestedStack,
    RemovalPolicies,
    RemovalPolicy,
    Stack,
    Stage,
)
from aws_cdk import aws_ssm as ssm
from constructs import Construct

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.constructs.conftest import Synth

LOGICAL_ID = "EvsEntitlementsEnvabcde12345Cnctrabcde12345"


class Later:
    def __init__(self, value: Any) -> None:
        self.value = value

    def produce(self) -> Any:
        return self.value


@jsii.implements(IStableStringProducer)
class Text(Later):
    pass


@jsii.implements(IStableNumberProducer)
class Number(Later):
    pass


@jsii.implements(IStableAnyProducer)
class Value(Later):
    pass


@jsii.implements(IStableListProducer)
class Ids(Later):
    pass


def whole(synth: Synth) -> None:
    synth.declare(synth.stack, "Windows", "vm-101", "vm-102", "vm-103")


def renamed(synth: Synth) -> None:
    synth.declare(synth.stack, "Licences", "vm-101", "vm-102", "vm-103")


def moved(synth: Synth) -> None:
    synth.declare(Construct(Construct(synth.stack, "Outer"), "Inner"), "Windows", "vm-101", "vm-102", "vm-103")


def split(synth: Synth) -> None:
    synth.declare(synth.stack, "Web", "vm-103")
    synth.declare(Construct(synth.stack, "Database"), "Windows", "vm-102", "vm-101")


def one_vm_moved(synth: Synth) -> None:
    synth.declare(synth.stack, "Web", "vm-103", "vm-102")
    synth.declare(Construct(synth.stack, "Database"), "Windows", "vm-101")


def overlapping(synth: Synth) -> None:
    synth.declare(synth.stack, "Web", "vm-102", "vm-101", "vm-102")
    synth.declare(synth.stack, "Database", "vm-103", "vm-102")


@pytest.mark.parametrize("refactored", [renamed, moved, split, one_vm_moved, overlapping])
def test_refactoring_constructs_leaves_the_template_as_it_was(
    new_synth: Callable[..., Synth], refactored: Callable[[Synth], None]
) -> None:
    before, after = new_synth(), new_synth()
    whole(before)
    refactored(after)
    assert after.template() == before.template()


def test_resource_says_what_is_declared(synth: Synth) -> None:
    synth.declare(synth.stack, "Windows", "vm-9", "vm-101", "vm-10", "vm-9", timeout=Duration.minutes(5))
    ((logical_id, resource),) = synth.entitlements().items()
    assert logical_id == LOGICAL_ID
    properties = dict(resource["Properties"])
    assert properties.pop("ServiceToken") == {"Fn::GetAtt": ["EvsEntitlementsProviderFunction2604F955", "Arn"]}
    assert properties == {
        "EnvironmentId": "env-abcde12345",
        "ConnectorId": "cnctr-abcde12345",
        "VmIds": ["vm-9", "vm-10", "vm-101"],
        "AdoptExisting": False,
        "RemovalPolicy": "DESTROY",
        "LedgerTable": {"Ref": "EvsEntitlementsProviderLedgerBE8BA37C"},
        "ServiceTimeout": "300",
    }


def test_another_environment_or_connector_is_another_set_with_the_same_function(synth: Synth) -> None:
    synth.declare(synth.stack, "A", "vm-1")
    synth.declare(synth.stack, "B", "vm-1", environment_id="env-ABCDE12345")
    synth.declare(synth.stack, "C", "vm-1", connector_id="cnctr-zzzzz99999", adopt_existing=True)
    assert sorted(synth.entitlements()) == [
        "EvsEntitlementsEnvABCDE12345Cnctrabcde12345",
        LOGICAL_ID,
        "EvsEntitlementsEnvabcde12345Cnctrzzzzz99999",
    ]
    assert len(synth.resources("AWS::Lambda::Function")) == 1
    assert len(synth.resources("AWS::DynamoDB::Table")) == 1


def test_each_stack_nested_ones_and_those_of_a_stage_too_has_its_own(synth: Synth) -> None:
    nested = NestedStack(synth.stack, "Nested")
    stage = Stage(synth.app, "Stage")
    staged = Stack(stage, "Staged")
    other = Stack(synth.app, "Other")
    for stack in (synth.stack, nested, staged, other):
        synth.declare(stack, "Windows", "vm-1")
    for stack in (synth.stack, nested, other):
        assert list(synth.entitlements(stack)) == [LOGICAL_ID]
        assert len(synth.resources("AWS::Lambda::Function", stack)) == 1
    assert (synth.outdir / "assembly-Stage" / staged.template_file).exists()


class TestTokens:
    def test_list_tokens_are_elements_of_the_union_in_an_order_of_their_own(
        self, new_synth: Callable[..., Synth]
    ) -> None:
        def build(synth: Synth, names: list[str]) -> object:
            stack = synth.stack
            listed = CfnParameter(stack, "Listed", type="CommaDelimitedList").value_as_list
            joined = CfnParameter(stack, "Joined").value_as_string
            one = CfnParameter(stack, "One").value_as_string
            values = {
                "literal": ["vm-7", "vm-5"],
                "listed": listed,
                "split": Fn.split(",", joined),
                "stored": ssm.StringListParameter.value_for_typed_list_parameter(stack, "/vms"),
                "imported": [Fn.import_value("ExportedVm"), one, "vm-5"],
                "spread": ["vm-6", *listed],
                "partly": [f"vm-{one}"],
            }
            for name in names:
                synth.declare(stack, name, vm_ids=values[name])
            (resource,) = synth.entitlements().values()
            return resource["Properties"]["VmIds"]

        names = ["literal", "listed", "split", "stored", "imported", "spread", "partly"]
        vm_ids = build(new_synth(), names)
        assert vm_ids == [
            "vm-5",
            "vm-6",
            "vm-7",
            {"Fn::ImportValue": "ExportedVm"},
            {"Fn::Join": ["", ["vm-", {"Ref": "One"}]]},
            {"Fn::Split": [",", {"Ref": "Joined"}]},
            {"Ref": "Listed"},
            {"Ref": "One"},
            {"Ref": "SsmParameterValuevmsC96584B6F00A464EAD1953AFF4B05118Parameter"},
        ]
        assert build(new_synth(), names[::-1]) == vm_ids

    def test_list_token_among_literals_as_a_list_of_its_own(self, synth: Synth) -> None:
        listed = CfnParameter(synth.stack, "Listed", type="CommaDelimitedList")
        synth.declare(synth.stack, "Windows", vm_ids=["vm-1", listed.value_as_list])
        assert synth.entitlements()[LOGICAL_ID]["Properties"]["VmIds"] == ["vm-1", {"Ref": "Listed"}]

    def test_logical_id_comes_from_what_the_token_stands_for(self, new_synth: Callable[..., Synth]) -> None:
        def build(synth: Synth, *, before: int) -> dict[str, Any]:
            for number in range(before):
                Fn.ref(f"Unrelated{number}")
            environment = CfnParameter(synth.stack, "Environment").value_as_string
            connector = Fn.import_value("Connector")
            synth.declare(synth.stack, "A", "vm-1", environment_id=environment, connector_id=connector)
            synth.declare(synth.stack, "B", "vm-2", environment_id=Fn.ref("Environment"), connector_id=connector)
            return synth.entitlements()

        first = build(new_synth(), before=0)
        assert len(first) == 1
        assert build(new_synth(), before=9) == first
        (resource,) = first.values()
        assert resource["Properties"]["EnvironmentId"] == {"Ref": "Environment"}

    def test_a_literal_and_a_token_are_two_sets(self, synth: Synth) -> None:
        synth.declare(synth.stack, "A", "vm-1")
        synth.declare(synth.stack, "B", "vm-2", environment_id=CfnParameter(synth.stack, "Environment").value_as_string)
        assert len(synth.entitlements()) == 2

    def test_references_to_namesakes_in_two_stacks_are_two_sets(self, synth: Synth) -> None:
        for name in ("One", "Two"):
            other = Stack(synth.app, name)
            source = CfnResource(other, "Source", type="AWS::Test::Environment")
            for reference in (source.ref, Fn.join("", ["env-", source.get_att("Id").to_string()])):
                synth.declare(synth.stack, f"{name}{len(synth.stack.node.children)}", "vm-1", environment_id=reference)
        assert len(synth.entitlements()) == 4

    def test_lazy_text_is_the_text(self, synth: Synth) -> None:
        synth.declare(synth.stack, "A", "vm-1")
        synth.declare(synth.stack, "B", "vm-2", environment_id=Fn.join("", ["env-", "abcde", "12345"]))
        assert list(synth.entitlements()) == [LOGICAL_ID]

    def test_lazy_text_is_checked(self, synth: Synth) -> None:
        with pytest.raises(ValueError, match=r"environment_id: got 'env-1', expected .* env-"):
            synth.declare(synth.stack, "A", "vm-1", environment_id=Lazy.string(Text("env-1")))

    def test_a_lazy_list_is_what_it_is_at_synth(self, synth: Synth) -> None:
        lists = [["vm-1"], ["vm-1"]]
        for number, declared in enumerate(lists):
            synth.declare(synth.stack, f"W{number}", vm_ids=Lazy.list(Ids(declared)))
        lists[0].append("vm-2")
        lists[1].append("vm-3")
        assert synth.entitlements()[LOGICAL_ID]["Properties"]["VmIds"] == [["vm-1", "vm-2"], ["vm-1", "vm-3"]]

    def test_what_is_declared_after_a_synth_is_in_the_next_one(self, synth: Synth) -> None:
        synth.declare(synth.stack, "A", "vm-1")
        assert synth.entitlements()[LOGICAL_ID]["Properties"]["VmIds"] == ["vm-1"]
        synth.declare(synth.stack, "B", "vm-2")
        assert synth.entitlements()[LOGICAL_ID]["Properties"]["VmIds"] == ["vm-1", "vm-2"]

    @pytest.mark.parametrize("raw", [True, False])
    def test_dynamic_references_are_tokens(self, synth: Synth, raw: bool) -> None:
        def reference(name: str) -> str:
            key = CfnDynamicReference(CfnDynamicReferenceService.SSM, name)
            return f"{{{{resolve:ssm:{name}}}}}" if raw else key.to_string()

        synth.declare(
            synth.stack,
            "A",
            "vm-1",
            reference("/vm"),
            environment_id=reference("/environment"),
            connector_id=reference("/connector"),
        )
        ((logical_id, resource),) = synth.entitlements().items()
        assert resource["Properties"]["EnvironmentId"] == "{{resolve:ssm:/environment}}"
        assert resource["Properties"]["VmIds"] == ["vm-1", "{{resolve:ssm:/vm}}"]
        assert "EvsEntitlementsAnyEnvironmentPolicy" in " ".join(resource["DependsOn"])
        assert logical_id.startswith("EvsEntitlementsEnvToken")

    def test_the_logical_id_outlives_a_move_of_the_stacks_in_the_app(self, new_synth: Callable[..., Synth]) -> None:
        def build(synth: Synth, scope: Construct) -> list[str]:
            source = CfnResource(Stack(scope, "Source", stack_name="source"), "Environment", type="AWS::Test::E")
            user = Stack(scope, "User", stack_name="user")
            synth.declare(user, "Windows", "vm-1", environment_id=source.ref)
            return [child.node.id for child in user.node.children if "Token" in child.node.id]

        plain, staged = new_synth(), new_synth()
        assert build(plain, plain.app) == build(staged, Stage(staged.app, "Stage"))

    def test_a_token_that_stands_for_the_same_as_a_literal_agrees_with_it(self, synth: Synth) -> None:
        synth.declare(synth.stack, "A", "vm-1", adopt_existing=True, timeout=Duration.seconds(300))
        adopt, seconds = Lazy.any(Value(True)), Lazy.number(Number(300))
        synth.declare(synth.stack, "B", "vm-2", adopt_existing=adopt, timeout=Duration.seconds(seconds))
        assert synth.entitlements()[LOGICAL_ID]["Properties"]["VmIds"] == ["vm-1", "vm-2"]

    def test_adopt_existing_and_timeout(self, synth: Synth) -> None:
        adopt = CfnParameter(synth.stack, "Adopt")
        seconds = CfnParameter(synth.stack, "Seconds", type="Number").value_as_number
        for name in ("A", "B"):
            synth.declare(synth.stack, name, "vm-1", adopt_existing=adopt.value, timeout=Duration.seconds(seconds))
        properties = synth.entitlements()[LOGICAL_ID]["Properties"]
        assert properties["AdoptExisting"] == {"Ref": "Adopt"}
        assert properties["ServiceTimeout"] == {"Ref": "Seconds"}


class TestRemovalPolicy:
    def test_destroy(self, synth: Synth) -> None:
        synth.declare(synth.stack, "Windows", "vm-1")
        resource = synth.entitlements()[LOGICAL_ID]
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == ("Delete", "Delete")
        assert resource["Properties"]["RemovalPolicy"] == "DESTROY"

    def test_retain_keeps_them_with_the_stack_only(self, synth: Synth) -> None:
        synth.declare(synth.stack, "Windows", "vm-1", removal_policy=RemovalPolicy.RETAIN)
        resource = synth.entitlements()[LOGICAL_ID]
        assert (resource["DeletionPolicy"], resource["UpdateReplacePolicy"]) == (
            "RetainExceptOnCreate",
            "Delete",
        )
        assert resource["Properties"]["RemovalPolicy"] == "RETAIN"

    @pytest.mark.parametrize("method", ["retain", "retain_on_update_or_delete", "destroy"])
    def test_an_aspect_of_the_app_keeps_no_vm_that_leaves_the_set(self, synth: Synth, method: str) -> None:
        synth.declare(synth.stack, "Windows", "vm-1")
        getattr(RemovalPolicies.of(synth.app), method)()
        assert synth.entitlements()[LOGICAL_ID]["UpdateReplacePolicy"] == "Delete"


@pytest.mark.parametrize(
    ("name", "one", "other", "words"),
    [
        ("adopt_existing", False, True, ("False", "True")),
        ("removal_policy", RemovalPolicy.DESTROY, RemovalPolicy.RETAIN, ("DESTROY", "RETAIN")),
        ("timeout", Duration.minutes(5), Duration.minutes(6), ("300 seconds", "360 seconds")),
    ],
)
def test_constructs_of_one_set_that_disagree_are_refused_alike_in_either_order(
    new_synth: Callable[..., Synth], name: str, one: object, other: object, words: tuple[str, str]
) -> None:
    messages = []
    for order in ([("A", one), ("B", other)], [("B", other), ("A", one)]):
        synth = new_synth()
        stack = synth.stack
        synth.declare(stack, order[0][0], "vm-1", **{name: order[0][1]})
        with pytest.raises(ValueError) as refusal:
            synth.declare(stack, order[1][0], "vm-2", **{name: order[1][1]})
        messages.append(str(refusal.value))
    assert messages[0] == messages[1]
    assert messages[0].startswith(
        f"{name}: got {words[0]} from Stack/A and {words[1]} from Stack/B, expected one value"
    )
    assert "env-abcde12345" in messages[0]


def test_equal_durations_in_other_units_agree(synth: Synth) -> None:
    synth.declare(synth.stack, "A", "vm-1", timeout=Duration.hours(1))
    synth.declare(synth.stack, "B", "vm-2", timeout=Duration.seconds(3600))
    synth.declare(synth.stack, "C", "vm-3")
    assert synth.entitlements()[LOGICAL_ID]["Properties"]["ServiceTimeout"] == "3600"


class TestDependencies:
    def test_what_depends_on_the_construct_depends_on_the_resource(self, synth: Synth) -> None:
        entitlements = synth.declare(synth.stack, "Windows", "vm-1")
        CfnResource(synth.stack, "After", type="AWS::Test::After").node.add_dependency(entitlements)
        assert synth.template()["Resources"]["After"]["DependsOn"] == [LOGICAL_ID]

    @pytest.mark.parametrize("other", [False, True])
    def test_what_depends_on_a_construct_around_it_depends_on_it_too(self, synth: Synth, other: bool) -> None:
        outer = Construct(synth.stack, "Outer")
        inner = Construct(outer, "Inner")
        synth.declare(inner, "Windows", "vm-1")
        synth.declare(inner, "Elsewhere", "vm-1", connector_id="cnctr-zzzzz99999")
        if other:
            CfnResource(inner, "Other", type="AWS::Test::Other")
        CfnResource(synth.stack, "After", type="AWS::Test::After").node.add_dependency(outer)
        depends = synth.template()["Resources"]["After"]["DependsOn"]
        sets = [LOGICAL_ID, "EvsEntitlementsEnvabcde12345Cnctrzzzzz99999"]
        assert [name for name in depends if not name.startswith("OuterInnerOther")] == sets
        assert len(depends) == 2 + other

    def test_what_a_subclass_adds_counts_too(self, synth: Synth) -> None:
        entitlements = synth.declare(synth.stack, "Windows", "vm-1")
        CfnResource(entitlements, "More", type="AWS::Test::More")
        CfnResource(synth.stack, "After", type="AWS::Test::After").node.add_dependency(entitlements)
        depends = synth.template()["Resources"]["After"]["DependsOn"]
        assert LOGICAL_ID in depends
        assert len(depends) == 2

    @pytest.mark.parametrize("of_parent", [False, True])
    def test_what_the_construct_or_one_around_it_depends_on_comes_first(self, synth: Synth, of_parent: bool) -> None:
        parent = Construct(synth.stack, "Parent")
        entitlements = synth.declare(parent, "Windows", "vm-1")
        first = CfnResource(synth.stack, "First", type="AWS::Test::First")
        (parent if of_parent else entitlements).node.add_dependency(first)
        assert "First" in synth.entitlements()[LOGICAL_ID]["DependsOn"]

    def test_constructs_of_one_set_may_depend_on_each_other(self, synth: Synth) -> None:
        first = synth.declare(synth.stack, "A", "vm-1")
        synth.declare(synth.stack, "B", "vm-2").node.add_dependency(first)
        assert LOGICAL_ID not in synth.entitlements()[LOGICAL_ID]["DependsOn"]


@pytest.mark.parametrize("name", ["EvsEntitlements", "WindowsServerEntitlements", "Provider", "Ledger"])
def test_the_construct_may_have_any_name_that_a_user_would_give_it(synth: Synth, name: str) -> None:
    synth.declare(synth.stack, name, "vm-1")
    assert list(synth.entitlements()) == [LOGICAL_ID]


def test_the_resource_can_be_reached_for_what_the_construct_has_no_property_for(synth: Synth) -> None:
    entitlements = synth.declare(synth.stack, "Windows", "vm-1")
    resource = entitlements.node.default_child
    assert isinstance(resource, CfnResource)
    resource.add_metadata("Owner", "licensing")
    assert synth.entitlements()[LOGICAL_ID]["Metadata"]["Owner"] == "licensing"
