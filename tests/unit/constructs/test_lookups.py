"""What a context lookup gives before it is done is no wrong value, and a wrong value is one line to the CDK CLI."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import ContextProvider, Environment, Fn, Stack
from aws_cdk import aws_ssm as ssm
from aws_cdk.assertions import Annotations, Match

if TYPE_CHECKING:
    from collections.abc import Callable

    from constructs import Construct

    from tests.unit.constructs.conftest import Synth

LOGICAL_ID = "EvsEntitlementsEnvabcde12345Cnctrabcde12345"


def ssm_value(scope: Construct) -> str:
    return ssm.StringParameter.value_from_lookup(scope, "/looked/up")


def ssm_default(scope: Construct) -> str:
    return ssm.StringParameter.value_from_lookup(scope, "/looked/up", "nothing yet")


def other_provider(scope: Construct) -> str:
    found = ContextProvider.get_value(scope, provider="hosted-zone", dummy_value="DUMMY", props={"domainName": "x"})
    return str(found.value)


def located(synth: Synth) -> Stack:
    return Stack(synth.app, "Located", env=Environment(account="111122223333", region="eu-central-1"))


def missing(synth: Synth) -> list[str]:
    """The keys that the CDK CLI is asked to look up."""
    synth.app.synth(force=True)
    manifest = json.loads((synth.outdir / "manifest.json").read_text())
    return [each["key"] for each in manifest.get("missing", [])]


@pytest.mark.parametrize("lookup", [ssm_value, ssm_default, other_provider])
@pytest.mark.parametrize(
    "arguments",
    [
        lambda text: {"environment_id": text},
        lambda text: {"connector_id": text},
        lambda text: {"environment_id": Fn.join("", ["env-", text])},
        lambda text: {"environment_id": text, "connector_id": text.upper(), "vm_ids": text.split(",")},
        lambda text: {"vm_ids": ["vm-1", text]},
        lambda text: {"vm_ids": [f"vm-{text}"]},
        lambda text: {"vm_ids": [part for part in text.split(",") if part.startswith("vm-")]},
        lambda text: {"vm_ids": text},
        lambda text: {"adopt_existing": text},
    ],
)
def test_the_cdk_learns_what_to_look_up(
    synth: Synth, lookup: Callable[[Construct], str], arguments: Callable[[str], dict[str, Any]]
) -> None:
    stack = located(synth)
    synth.declare(stack, "Windows", "vm-1", **arguments(lookup(stack)))
    assert len(missing(synth)) == 1


def test_a_lookup_of_another_stack_counts(synth: Synth) -> None:
    synth.declare(synth.stack, "Windows", "vm-1", environment_id=ssm_value(located(synth)))
    assert len(missing(synth)) == 1


def test_what_was_found_is_what_is_declared(new_synth: Callable[..., Synth]) -> None:
    first = new_synth()
    stack = located(first)
    first.declare(stack, "Windows", vm_ids=ssm_value(stack).split(","))
    (key,) = missing(first)
    second = new_synth({key: "vm-2,vm-1"})
    stack = located(second)
    second.declare(stack, "Windows", vm_ids=ssm_value(stack).split(","))
    assert missing(second) == []
    assert second.entitlements(stack)[LOGICAL_ID]["Properties"]["VmIds"] == ["vm-1", "vm-2"]


def test_a_wrong_value_that_was_found_is_refused(new_synth: Callable[..., Synth]) -> None:
    first = new_synth()
    ssm_value(located(first))
    (key,) = missing(first)
    second = new_synth({key: "web01"})
    stack = located(second)
    with pytest.raises(ValueError, match="vm_ids: got 'web01'"):
        second.declare(stack, "Windows", ssm_value(stack))


class TestUnderTheCli:
    @pytest.fixture(autouse=True)
    def _cli(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CDK_CLI_VERSION", "2.0.0")

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"environment_id": "env-1"}, "environment_id: got 'env-1', expected"),
            ({"environment_id": None}, "environment_id: got None, expected"),
            ({"connector_id": "env-abcde12345"}, r"connector_id: got .*: this is the id of an environment"),
            ({"vm_ids": []}, "vm_ids: got an empty list"),
            ({"vm_ids": None}, "vm_ids: got None"),
            ({"vm_ids": ["web01"]}, "vm_ids: got 'web01'"),
            ({"adopt_existing": "yes"}, "adopt_existing: got 'yes'"),
            ({"removal_policy": "retain"}, "removal_policy: got 'retain'"),
            ({"timeout": 5}, "timeout: got 5"),
        ],
    )
    def test_a_wrong_value_is_an_annotation(self, synth: Synth, arguments: dict[str, Any], message: str) -> None:
        construct = synth.declare(synth.stack, "Windows", "vm-1", **arguments)
        # What a user does with the construct afterwards must not hide the error.
        assert construct.node.default_child is not None
        synth.template()
        errors = Annotations.from_stack(synth.stack).find_error("/Stack/Windows", Match.string_like_regexp(message))
        assert len(errors) == 1

    def test_constructs_that_disagree_are_an_annotation(self, synth: Synth) -> None:
        synth.declare(synth.stack, "A", "vm-1")
        synth.declare(synth.stack, "B", "vm-2", adopt_existing=True)
        synth.template()
        match = Match.string_like_regexp("adopt_existing: got False from Stack/A and True from Stack/B")
        assert len(Annotations.from_stack(synth.stack).find_error("/Stack/B", match)) == 1

    def test_while_a_lookup_is_outstanding_nothing_is_wrong(self, synth: Synth) -> None:
        stack = located(synth)
        synth.declare(stack, "Windows", ssm_value(stack))
        synth.template(stack)
        assert Annotations.from_stack(stack).find_error("*", Match.any_value()) == []
