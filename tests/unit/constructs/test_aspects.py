"""What aspects, removals and late dependencies do to a construct, they do to what it declares."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsii
import pytest
from aws_cdk import (
    Acknowledgment,
    AspectPriority,
    Aspects,
    CfnCondition,
    CfnResource,
    Fn,
    IAspect,
    MissingRemovalPolicies,
    RemovalPolicies,
    RemovalPolicy,
    Tags,
    Validations,
)
from aws_cdk.assertions import Annotations, Match
from cdk_nag import AwsSolutionsChecks
from constructs import Construct, IConstruct

from evs_entitlements import permissions

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.constructs.conftest import Synth

LOGICAL_ID = "EvsEntitlementsEnvabcde12345Cnctrabcde12345"
STABILIZED = {"@aws-cdk/core:aspectStabilization": True}


def policies(synth: Synth) -> tuple[str, str, str]:
    resource = synth.entitlements()[LOGICAL_ID]
    return resource["DeletionPolicy"], resource["UpdateReplacePolicy"], resource["Properties"]["RemovalPolicy"]


def aspect(visit: Callable[[IConstruct], None]) -> Any:
    @jsii.implements(IAspect)
    class Visitor:
        def visit(self, node: IConstruct) -> None:
            visit(node)

    return Visitor()


RETAINED, DESTROYED = ("RetainExceptOnCreate", "Delete", "RETAIN"), ("Delete", "Delete", "DESTROY")


class TestRemovalPolicies:
    @pytest.mark.parametrize("method", ["retain", "retain_on_update_or_delete"])
    @pytest.mark.parametrize("level", ["app", "stack", "around", "construct"])
    def test_retain_holds_wherever_it_is_put(self, synth: Synth, method: str, level: str) -> None:
        around = Construct(synth.stack, "Around")
        construct = synth.declare(around, "Windows", "vm-1")
        scope = {"app": synth.app, "stack": synth.stack, "around": around, "construct": construct}[level]
        getattr(RemovalPolicies.of(scope), method)()
        assert policies(synth) == RETAINED

    def test_of_a_type_holds_for_that_type(self, synth: Synth) -> None:
        construct = synth.declare(synth.stack, "Windows", "vm-1")
        RemovalPolicies.of(construct).retain(apply_to_resource_types=["AWS::S3::Bucket"])
        assert policies(synth) == DESTROYED
        RemovalPolicies.of(construct).retain(apply_to_resource_types=["Custom::EvsWindowsServerEntitlements"])
        assert policies(synth) == RETAINED

    def test_destroy_wins_over_the_argument(self, synth: Synth) -> None:
        construct = synth.declare(synth.stack, "Windows", "vm-1", removal_policy=RemovalPolicy.RETAIN)
        RemovalPolicies.of(construct).destroy()
        assert policies(synth) == DESTROYED

    def test_what_is_nearer_wins_over_what_holds_for_the_app(self, synth: Synth) -> None:
        construct = synth.declare(synth.stack, "Windows", "vm-1")
        RemovalPolicies.of(synth.app).retain()
        RemovalPolicies.of(construct).destroy()
        assert policies(synth) == DESTROYED

    def test_a_policy_for_what_has_none_leaves_it(self, synth: Synth) -> None:
        synth.declare(synth.stack, "Windows", "vm-1")
        MissingRemovalPolicies.of(synth.app).retain()
        assert policies(synth) == DESTROYED

    def test_the_escape_hatch_holds_too(self, synth: Synth) -> None:
        resource = synth.declare(synth.stack, "Windows", "vm-1").node.default_child
        assert isinstance(resource, CfnResource)
        resource.apply_removal_policy(RemovalPolicy.RETAIN)
        assert policies(synth) == RETAINED

    def test_an_override_of_the_template_attribute_is_refused(self, synth: Synth) -> None:
        resource = synth.declare(synth.stack, "Windows", "vm-1").node.default_child
        assert isinstance(resource, CfnResource)
        with pytest.raises(ValueError, match="DeletionPolicy: got an override of 'Retain', expected none: use removal"):
            resource.add_override("DeletionPolicy", "Retain")

    def test_for_one_of_two_constructs_of_a_set_it_is_refused_by_name(self, synth: Synth) -> None:
        synth.declare(synth.stack, "A", "vm-1")
        RemovalPolicies.of(synth.declare(synth.stack, "B", "vm-2")).retain()
        with pytest.raises(RuntimeError, match=r"removal_policy: got DESTROY from Stack/A and RETAIN from Stack/B"):
            synth.template()

    def test_for_both_of_them_it_holds(self, synth: Synth) -> None:
        for name in ("A", "B"):
            RemovalPolicies.of(synth.declare(synth.stack, name, "vm-1")).retain()
        assert policies(synth) == RETAINED


class TestRemoval:
    def test_a_removed_construct_declares_nothing(self, synth: Synth) -> None:
        synth.declare(synth.stack, "A", "vm-1")
        synth.declare(synth.stack, "B", "vm-2", removal_policy=RemovalPolicy.DESTROY)
        assert synth.stack.node.try_remove_child("B")
        assert synth.entitlements()[LOGICAL_ID]["Properties"]["VmIds"] == ["vm-1"]

    def test_nor_does_one_in_a_removed_construct(self, synth: Synth) -> None:
        synth.declare(synth.stack, "A", "vm-1")
        outer = Construct(synth.stack, "Outer")
        synth.declare(Construct(outer, "Inner"), "B", "vm-2")
        assert synth.stack.node.try_remove_child("Outer")
        assert synth.entitlements()[LOGICAL_ID]["Properties"]["VmIds"] == ["vm-1"]

    def test_another_one_in_its_place_counts(self, synth: Synth) -> None:
        synth.declare(Construct(synth.stack, "Outer"), "A", "vm-1", adopt_existing=True)
        synth.stack.node.try_remove_child("Outer")
        synth.declare(Construct(synth.stack, "Outer"), "A", "vm-2")
        properties = synth.entitlements()[LOGICAL_ID]["Properties"]
        assert (properties["VmIds"], properties["AdoptExisting"]) == (["vm-2"], False)

    def test_where_all_are_removed_the_stack_is_as_if_there_had_been_none(self, synth: Synth) -> None:
        synth.declare(synth.stack, "A", "vm-1")
        CfnResource(synth.stack, "Other", type="AWS::Test::Other")
        synth.stack.node.try_remove_child("A")
        assert list(synth.template()["Resources"]) == ["Other"]

    def test_a_set_that_is_removed_leaves_what_others_need(self, new_synth: Callable[..., Synth]) -> None:
        removed, never = new_synth(), new_synth()
        for synth in (removed, never):
            synth.declare(synth.stack, "A", "vm-1")
        removed.declare(removed.stack, "B", "vm-2", environment_id="env-zzzzz99999")
        removed.declare(removed.stack, "C", "vm-2", connector_id="cnctr-zzzzz99999")
        for name in ("B", "C"):
            removed.stack.node.try_remove_child(name)
        assert removed.template() == never.template()

    def test_what_is_removed_by_an_aspect_counts_as_removed(self, synth: Synth) -> None:
        synth.declare(synth.stack, "A", "vm-1")
        synth.declare(synth.stack, "B", "vm-2")

        def remove(node: IConstruct) -> None:
            if node.node.path == "Stack":
                node.node.try_remove_child("B")

        Aspects.of(synth.app).add(aspect(remove), priority=900)
        assert synth.entitlements()[LOGICAL_ID]["Properties"]["VmIds"] == ["vm-1"]

    def test_a_removed_construct_is_nothing_to_wait_for(self, synth: Synth) -> None:
        outer = Construct(synth.stack, "Outer")
        synth.declare(outer, "A", "vm-1")
        synth.declare(outer, "B", "vm-1", connector_id="cnctr-zzzzz99999")
        CfnResource(synth.stack, "After", type="AWS::Test::After").node.add_dependency(outer)
        outer.node.try_remove_child("B")
        assert synth.template()["Resources"]["After"]["DependsOn"] == [LOGICAL_ID]

    def test_what_it_depended_on_does_not_come_first_any_more(self, synth: Synth) -> None:
        synth.declare(synth.stack, "A", "vm-1")
        first = CfnResource(synth.stack, "First", type="AWS::Test::First")
        synth.declare(synth.stack, "B", "vm-2").node.add_dependency(first)
        assert "First" in synth.entitlements()[LOGICAL_ID]["DependsOn"]
        synth.stack.node.try_remove_child("B")
        assert "First" not in synth.entitlements()[LOGICAL_ID]["DependsOn"]


class TestLateDependencies:
    @pytest.mark.parametrize("context", [None, STABILIZED])
    @pytest.mark.parametrize("priority", [AspectPriority.MUTATING, AspectPriority.READONLY, 5000])
    def test_of_an_aspect_of_any_priority(
        self, new_synth: Callable[..., Synth], priority: int, context: dict[str, Any] | None
    ) -> None:
        synth = new_synth(context)
        construct = synth.declare(Construct(synth.stack, "Around"), "Windows", "vm-1")
        first = CfnResource(synth.stack, "Zuletzt", type="AWS::Test::First")

        def depend(node: IConstruct) -> None:
            # At a node that comes after the construct.
            if node is first:
                construct.node.add_dependency(first)

        Aspects.of(synth.app).add(aspect(depend), priority=priority)
        assert "Zuletzt" in synth.entitlements()[LOGICAL_ID]["DependsOn"]

    def test_of_an_aspect_on_resources(self, synth: Synth) -> None:
        synth.declare(synth.stack, "Windows", "vm-1")
        first = CfnResource(synth.stack, "First", type="AWS::Test::First")

        def depend(node: IConstruct) -> None:
            if isinstance(node, CfnResource) and node.node.path.startswith("Stack/Windows/"):
                node.add_resource_dependency(first)

        Aspects.of(synth.stack).add(aspect(depend))
        assert "First" in synth.entitlements()[LOGICAL_ID]["DependsOn"]


class TestWhatAspectsSee:
    def test_a_resource_of_the_type_with_what_the_construct_declares(self, synth: Synth) -> None:
        construct = synth.declare(synth.stack, "Windows", "vm-1")
        seen: list[str] = []

        def see(node: IConstruct) -> None:
            if isinstance(node, CfnResource):
                seen.append(node.cfn_resource_type)

        Aspects.of(construct).add(aspect(see))
        synth.template()
        assert seen == ["Custom::EvsWindowsServerEntitlements"]

    def test_overrides_and_metadata_reach_the_template(self, synth: Synth) -> None:
        construct = synth.declare(synth.stack, "Windows", "vm-1")

        def change(node: IConstruct) -> None:
            if isinstance(node, CfnResource):
                node.add_metadata("Owner", "licensing")
                node.add_property_override("Further", "value")

        Aspects.of(construct).add(aspect(change))
        resource = synth.entitlements()[LOGICAL_ID]
        assert resource["Metadata"]["Owner"] == "licensing"
        assert resource["Properties"]["Further"] == "value"

    def test_a_condition_reaches_the_template(self, synth: Synth) -> None:
        synth.declare(synth.stack, "Windows", "vm-1")
        CfnCondition(synth.stack, "Production", expression=Fn.condition_equals("a", "b"))
        self._conditional(synth, "Windows")
        assert synth.entitlements()[LOGICAL_ID]["Condition"] == "Production"

    def test_a_condition_for_one_construct_of_two_is_refused(self, synth: Synth) -> None:
        synth.declare(synth.stack, "Windows", "vm-1")
        synth.declare(synth.stack, "Others", "vm-2")
        CfnCondition(synth.stack, "Production", expression=Fn.condition_equals("a", "b"))
        self._conditional(synth, "Windows")
        with pytest.raises(
            RuntimeError, match=r"condition: got none from Stack/Others and Stack/Production from Stack/W"
        ):
            synth.template()

    def _conditional(self, synth: Synth, name: str) -> None:
        condition = synth.stack.node.find_child("Production")
        assert isinstance(condition, CfnCondition)

        def set_condition(node: IConstruct) -> None:
            if isinstance(node, CfnResource):
                node.cfn_options.condition = condition

        Aspects.of(synth.stack.node.find_child(name)).add(aspect(set_condition))

    @pytest.mark.parametrize(
        "add", [lambda scope: Tags.of(scope).add("Team", "x"), lambda s: RemovalPolicies.of(s).retain()]
    )
    def test_that_the_function_is_out_of_reach_is_said(self, synth: Synth, add: Callable[[Construct], None]) -> None:
        around = Construct(synth.stack, "Around")
        synth.declare(around, "Windows", "vm-1")
        add(around)
        synth.template()
        said = Annotations.from_stack(synth.stack).find_warning(
            "/Stack/Around", Match.string_like_regexp("aspects and tags")
        )
        assert len(said) == 1

    def test_tags_of_the_stack_reach_the_function_and_nothing_is_said(self, synth: Synth) -> None:
        synth.declare(synth.stack, "Windows", "vm-1")
        Tags.of(synth.app).add("Team", "x")
        (function,) = synth.resources("AWS::Lambda::Function").values()
        assert function["Properties"]["Tags"] == [{"Key": "Team", "Value": "x"}]
        assert Annotations.from_stack(synth.stack).find_warning("*", Match.any_value()) == []

    def test_acknowledgements_around_it_reach_what_it_needs(
        self, synth: Synth, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(permissions, "acknowledge", lambda *_: None)
        around = Construct(synth.stack, "Around")
        synth.declare(around, "Windows", "vm-1")
        Validations.of(synth.app).add_plugins(AwsSolutionsChecks(synth.app))
        Validations.of(around).acknowledge(Acknowledgment(id="AwsSolutions-DDB3", reason="no restores"))
        # Would raise, as the ledger has no point-in-time recovery.
        assert json.dumps(synth.template())
