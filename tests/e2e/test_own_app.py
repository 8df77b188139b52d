"""An app of a user's own: context lookups by the real CLI, removal policies around the construct, nested stacks."""

import json
import sys
import tempfile
from pathlib import Path

from aws_cdk import App

from testing.cdk import PROJECT, Done
from tests.e2e.apps import own_app
from tests.e2e.conftest import Cloud

APP = f"{sys.executable} {Path(__file__).parent / 'apps' / 'own_app.py'}"


def cdk(cloud: Cloud, command: str, case: str, name: str, *more: str) -> Done:
    return cloud.cdk(command, "-c", f"case={case}", "-c", f"name={name}", *more, app=APP)


def synthesized(cloud: Cloud, case: str, name: str) -> str:
    """Write the app's assembly, as the CLI would have it written."""
    context = json.loads((PROJECT / "cdk.json").read_text())["context"]
    outdir = tempfile.mkdtemp(prefix=f"{name}-", dir=cloud.directory)
    app = App(outdir=outdir, context={**context, "case": case, "name": name})
    own_app.build(app)
    return app.synth().directory


def template(assembly: str) -> str:
    return (Path(assembly) / "Own.template.json").read_text()


def succeeded(done: Done) -> Done:
    assert done.exit_code == 0, done.output
    return done


def test_values_of_context_lookups_are_looked_up_and_deployed(cloud: Cloud) -> None:
    client = cloud.aws.boto3_client("ssm")
    client.put_parameter(Name="/own/environment", Value="env-abcde12345", Type="String", Overwrite=True)
    client.put_parameter(Name="/own/vms", Value="vm-101,vm-102", Type="StringList", Overwrite=True)
    kept = Path("cdk.context.json")
    assert not kept.exists()
    name = cloud.name()
    try:
        deployed = succeeded(cdk(cloud, "deploy", "lookup", name))
        assert cloud.held() == ["vm-101", "vm-102"]
        succeeded(cloud.destroy_assembly(deployed.assembly, name))
        assert cloud.held() == []
    finally:
        kept.unlink(missing_ok=True)


def test_a_wrong_value_is_one_line_without_a_traceback(cloud: Cloud) -> None:
    done = cdk(cloud, "deploy", "wrong", cloud.name())
    assert done.exit_code != 0
    assert "vm_ids: got 'web01' (1 of 1 are wrong)" in done.words
    assert "Traceback" not in done.output
    assert cloud.evs.calls() == []


def test_retain_around_the_construct_keeps_what_is_entitled(cloud: Cloud) -> None:
    name = cloud.name()
    assembly = synthesized(cloud, "retain", name)
    succeeded(cloud.deploy_assembly(assembly, name))
    succeeded(cloud.destroy_assembly(assembly, name))
    assert cloud.held() == ["vm-101"]


def test_a_removed_construct_is_as_good_as_none(cloud: Cloud) -> None:
    name = cloud.name()
    succeeded(cloud.deploy_assembly(synthesized(cloud, "plain", name), name))
    assert cloud.held() == ["vm-101"]
    removed = synthesized(cloud, "removed", name)
    succeeded(cloud.deploy_assembly(removed, name))
    assert cloud.held() == []
    assert template(removed) == template(synthesized(cloud, "none", name))


def test_two_nested_stacks_deep(cloud: Cloud) -> None:
    name = cloud.name()
    assembly = synthesized(cloud, "nested", name)
    succeeded(cloud.deploy_assembly(assembly, name))
    assert cloud.held() == ["vm-101"]
    # The function's role may ask about each stack that it is in, by its id, and about no other.
    iam = cloud.aws.boto3_client("iam")
    stacks = [
        stack
        for stack in cloud.aws.boto3_client("cloudformation").describe_stacks()["Stacks"]
        if stack["StackName"].startswith(name)
    ]
    assert len(stacks) == 3
    asked = []
    for role in iam.list_roles()["Roles"]:
        for policy in iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role["RoleName"], PolicyName=policy)["PolicyDocument"]
            asked += [
                one["Resource"] for one in document["Statement"] if "cloudformation:DescribeStacks" in one["Action"]
            ]
    assert sorted(stack["StackId"] for stack in stacks) in [sorted(one) for one in asked if isinstance(one, list)]
    succeeded(cloud.destroy_assembly(assembly, name))
    assert cloud.held() == []
