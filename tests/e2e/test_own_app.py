"""An app of a user's own, through the real CLI: lookups, removal policies around the construct, nested stacks."""

import sys
from pathlib import Path

from testing.cdk import Done
from tests.e2e.conftest import Cloud

APP = f"{sys.executable} {Path(__file__).parent / 'apps' / 'own_app.py'}"


def cdk(cloud: Cloud, command: str, case: str, name: str, *more: str) -> Done:
    return cloud.cdk(command, "-c", f"case={case}", "-c", f"name={name}", *more, app=APP)


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
        succeeded(cdk(cloud, "deploy", "lookup", name))
        assert cloud.held() == ["vm-101", "vm-102"]
        succeeded(cdk(cloud, "destroy", "lookup", name))
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
    deployed = succeeded(cdk(cloud, "deploy", "retain", name))
    succeeded(cloud.cdk("destroy", app=deployed.assembly))
    assert cloud.held() == ["vm-101"]


def test_a_removed_construct_is_as_good_as_none(cloud: Cloud) -> None:
    name = cloud.name()
    succeeded(cdk(cloud, "deploy", "plain", name))
    assert cloud.held() == ["vm-101"]
    succeeded(cdk(cloud, "deploy", "removed", name))
    assert cloud.held() == []
    done = succeeded(cdk(cloud, "diff", "none", name, "--fail"))
    assert "There were no differences" in done.output


def test_two_nested_stacks_deep(cloud: Cloud) -> None:
    name = cloud.name()
    deployed = succeeded(cdk(cloud, "deploy", "nested", name))
    assert cloud.held() == ["vm-101"]
    # The function's role may ask about each stack that it is in, by its id, and about no other.
    iam = cloud.aws.boto3_client("iam")
    stacks = [stack for stack in cloud.aws.boto3_client("cloudformation").describe_stacks()["Stacks"]
              if stack["StackName"].startswith(name)]  # fmt: skip
    assert len(stacks) == 3
    asked = []
    for role in iam.list_roles()["Roles"]:
        for policy in iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role["RoleName"], PolicyName=policy)["PolicyDocument"]
            asked += [
                one["Resource"] for one in document["Statement"] if "cloudformation:DescribeStacks" in one["Action"]
            ]
    assert sorted(stack["StackId"] for stack in stacks) in [sorted(one) for one in asked if isinstance(one, list)]
    succeeded(cloud.cdk("destroy", app=deployed.assembly))
    assert cloud.held() == []
