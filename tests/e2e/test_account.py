"""With the rest of a real account: boundary, key, VPC, names and concurrency, deployed together and through a life.

The local AWS takes the function's VPC, the role's boundary and the reserved concurrency of a template and does nothing
with them. What a template says of them is in `tests/unit/constructs/test_function_settings.py`; the concurrency is set
here by Lambda's own API, which the local AWS keeps to.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import jsii
from aws_cdk import App, Aspects, CfnResource, Duration, IAspect, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import IConstruct

from evs_entitlements import EntitlementProvider, WindowsActivationEndpoint, WindowsServerEntitlements
from testing.cdk import PROJECT
from testing.observed import stack_status
from tests.e2e.conftest import Cloud
from tests.e2e.stacks import CONNECTOR, ENVIRONMENT

_NAMES = {"AWS::IAM::Role": "RoleName", "AWS::DynamoDB::Table": "TableName", "AWS::Logs::LogGroup": "LogGroupName"}


@jsii.implements(IAspect)
class Named:
    """Names what may be named: not the function, which may not change its ARN."""

    def visit(self, node: IConstruct) -> None:
        if isinstance(node, CfnResource) and node.cfn_resource_type in _NAMES:
            node.add_property_override(_NAMES[node.cfn_resource_type], f"corp-{node.stack.stack_name}-{node.node.id}")


def synthesized(name: str, directory: Path, *vm_ids: str) -> str:
    context = json.loads((PROJECT / "cdk.json").read_text())["context"]
    app = App(outdir=tempfile.mkdtemp(prefix=f"{name}-", dir=directory), context=context)
    around = Stack(app, f"{name}-around")
    vpc = ec2.Vpc(
        around,
        "Vpc",
        max_azs=1,
        nat_gateways=0,
        # The handler that the CDK would add for it does not run in the local AWS.
        restrict_default_security_group=False,
        subnet_configuration=[
            ec2.SubnetConfiguration(name="Inner", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
        ],
    )
    boundary = iam.ManagedPolicy(around, "Boundary", statements=[iam.PolicyStatement(actions=["*"], resources=["*"])])
    activation = WindowsActivationEndpoint(
        around,
        "Activation",
        vpc=vpc,
        client_cidrs=["10.20.0.0/16"],
        subnets=ec2.SubnetSelection(subnets=vpc.isolated_subnets),
    )
    # The local AWS has no DNS names of endpoints.
    activation.node.try_remove_child("ActivationCommand")
    stack = Stack(app, name)
    EntitlementProvider.configure(
        stack,
        architecture=lambda_.Architecture.X86_64,
        vpc=vpc,
        vpc_subnets=ec2.SubnetSelection(subnets=vpc.isolated_subnets),
        encryption_key=kms.Key(stack, "Key"),
        log_retention=logs.RetentionDays.ONE_WEEK,
        environment={"NO_PROXY": "*"},
        reserved_concurrent_executions=1,
    )
    WindowsServerEntitlements(
        stack,
        "Windows",
        environment_id=ENVIRONMENT,
        connector_id=CONNECTOR,
        vm_ids=vm_ids,
        timeout=Duration.seconds(120),
    )
    iam.PermissionsBoundary.of(stack).apply(boundary)
    Aspects.of(stack).add(Named())
    return app.synth().directory


def test_boundary_key_vpc_names_and_concurrency(cloud: Cloud) -> None:
    name = cloud.name()
    assembly = synthesized(name, cloud.directory, "vm-101", "vm-102")
    for stack in (f"{name}-around", name):
        done = cloud.deploy_assembly(assembly, stack)
        assert done.exit_code == 0, done.output
    assert cloud.held() == ["vm-101", "vm-102"]
    function = assert_is_named(cloud, name)
    reserve = cloud.aws.boto3_client("lambda").put_function_concurrency
    reserve(FunctionName=function, ReservedConcurrentExecutions=1)
    assembly = synthesized(name, cloud.directory, "vm-102", "vm-103")
    done = cloud.deploy_assembly(assembly, name)
    assert done.exit_code == 0, done.output
    assert cloud.held() == ["vm-102", "vm-103"]
    for stack in (name, f"{name}-around"):
        done = cloud.destroy_assembly(assembly, stack)
        assert done.exit_code == 0, done.output
    assert stack_status(cloud.aws, name) == "GONE"
    assert cloud.evs.rows() == []


def assert_is_named(cloud: Cloud, name: str) -> str:
    resources = cloud.aws.boto3_client("cloudformation").describe_stack_resources(StackName=name)["StackResources"]
    ids = {one["ResourceType"]: one["PhysicalResourceId"] for one in resources}
    assert ids["AWS::DynamoDB::Table"] == f"corp-{name}-Resource"
    assert ids["AWS::Logs::LogGroup"] == f"corp-{name}-Resource"
    client = cloud.aws.boto3_client("lambda")
    function: dict[str, Any] = client.get_function(FunctionName=ids["AWS::Lambda::Function"])
    settings = function["Configuration"]
    assert settings["Architectures"] == ["x86_64"]
    role = cloud.aws.boto3_client("iam").get_role(RoleName=ids["AWS::IAM::Role"])["Role"]
    assert role["RoleName"] == f"corp-{name}-Resource"
    return str(ids["AWS::Lambda::Function"])
