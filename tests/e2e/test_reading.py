"""Who was granted to look at a set may list and check it with the command, and change nothing: IAM decides."""

import json
import tempfile
from pathlib import Path

from aws_cdk import App, CfnOutput, Stack, Token
from aws_cdk import aws_iam as iam

from evs_entitlements import WindowsServerEntitlements
from local_aws.launcher import ACCOUNT
from testing.cdk import PROJECT
from tests.e2e.conftest import Cloud
from tests.e2e.stacks import CONNECTOR, ENVIRONMENT
from tests.fleet.run import Done, evs_entitlements


def synthesized(cloud: Cloud, name: str, vm_ids: list[str], *, grants: bool = True) -> str:
    """Write the assembly of a stack with a role that may look, and outputs of what a set tells of itself."""
    context = json.loads((PROJECT / "cdk.json").read_text())["context"]
    app = App(outdir=tempfile.mkdtemp(prefix=f"{name}-", dir=cloud.directory), context=context)
    stack = Stack(app, name)
    entitlements = WindowsServerEntitlements(
        stack, "Windows", environment_id=ENVIRONMENT, connector_id=CONNECTOR, vm_ids=vm_ids
    )
    role = iam.Role(stack, "Reader", assumed_by=iam.AccountRootPrincipal())
    if grants:
        entitlements.grant_read(role)
    CfnOutput(stack, "Role", value=role.role_arn)
    CfnOutput(stack, "Number", value=Token.as_string(entitlements.count))
    CfnOutput(stack, "PhysicalId", value=entitlements.physical_id)
    return app.synth().directory


def deployed(cloud: Cloud, app: str, name: str) -> dict[str, str]:
    done = cloud.deploy_assembly(app, name)
    assert done.exit_code == 0, done.output
    [stack] = cloud.aws.boto3_client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


def as_role(cloud: Cloud, role_arn: str, directory: Path, *arguments: str) -> Done:
    """Run the command with the credentials of a session of the role."""
    session = cloud.aws.boto3_client("sts").assume_role(RoleArn=role_arn, RoleSessionName="reader")["Credentials"]
    environment = {
        **cloud.aws.environment(),
        "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
        "AWS_SESSION_TOKEN": session["SessionToken"],
    }
    return evs_entitlements(*arguments, "--output", "json", cwd=directory, **environment)


def decisions(cloud: Cloud, role_arn: str, resource: str, *actions: str) -> set[str]:
    answer = cloud.aws.boto3_client("iam").simulate_principal_policy(
        PolicySourceArn=role_arn, ResourceArns=[resource], ActionNames=list(actions)
    )
    return {result["EvalDecision"] for result in answer["EvaluationResults"]}


def test_who_may_look_lists_and_checks_and_changes_nothing(cloud: Cloud, tmp_path: Path) -> None:
    name = cloud.name()
    outputs = deployed(cloud, synthesized(cloud, name, ["vm-101", "vm-102"]), name)
    role = outputs["Role"]
    listed = as_role(cloud, role, tmp_path, "list", "--environment", ENVIRONMENT)
    assert listed.status == 0, listed.err
    assert {row["vm_id"] for row in json.loads(listed.out)} == {"vm-101", "vm-102"}
    checked = as_role(cloud, role, tmp_path, "check", "--stack", name)
    assert checked.status == 0, (checked.out, checked.err)
    assert json.loads(checked.out)["places"][0]["counts"]["licensed"] == 2

    environment = f"arn:aws:evs:{cloud.aws.region}:{ACCOUNT}:environment/{ENVIRONMENT}"
    assert decisions(cloud, role, environment, "evs:ListVmEntitlements", "evs:ListEnvironmentConnectors") == {"allowed"}
    changing = ("evs:CreateEntitlement", "evs:DeleteEntitlement", "evs:DeleteEnvironment")
    assert decisions(cloud, role, environment, *changing) == {"implicitDeny"}
    assert decisions(cloud, role, environment.replace("abcde", "other"), "evs:ListVmEntitlements") == {"implicitDeny"}
    resources = cloud.aws.boto3_client("cloudformation").describe_stack_resources(StackName=name)["StackResources"]
    [table] = [one["PhysicalResourceId"] for one in resources if one["ResourceType"] == "AWS::DynamoDB::Table"]
    ledger = f"arn:aws:dynamodb:{cloud.aws.region}:{ACCOUNT}:table/{table}"
    assert decisions(cloud, role, ledger, "dynamodb:GetItem") == {"allowed"}
    writing = ("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:Scan")
    assert decisions(cloud, role, ledger, *writing) == {"implicitDeny"}

    # What a set tells of itself follows each change of it.
    more = deployed(cloud, synthesized(cloud, name, ["vm-101", "vm-102", "vm-103"], grants=False), name)
    assert (outputs["Number"], more["Number"]) == ("2", "3")
    assert outputs["PhysicalId"].startswith(f"{ENVIRONMENT}/{CONNECTOR}/")
    assert more["PhysicalId"] not in ("", outputs["PhysicalId"])
    refused = as_role(cloud, role, tmp_path, "list", "--environment", ENVIRONMENT)
    assert refused.status == 2
    assert "access denied: evs:ListEnvironmentConnectors" in refused.err
