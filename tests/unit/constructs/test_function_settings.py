"""With the rest of an account: processor, VPC and proxy, keys, retention, concurrency, names, permissions boundary."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import jsii
import pytest
from aws_cdk import App, Aspects, CfnResource, Environment, IAspect, Stack, Validations
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from cdk_nag import AwsSolutionsChecks

from evs_entitlements import EntitlementProvider, WindowsServerEntitlements
from tests.unit.constructs.conftest import CONNECTOR, ENVIRONMENT
from tests.unit.constructs.test_provider import LOGICAL_ID, logical_ids, only, statements

if TYPE_CHECKING:
    from pathlib import Path

    from constructs import IConstruct

    from tests.unit.constructs.conftest import Synth


def declared(synth: Synth, **settings: Any) -> dict[str, Any]:
    """The template of a stack with one set, whose function has these settings."""
    EntitlementProvider.configure(synth.stack, **settings)
    synth.declare(synth.stack, "Windows", "vm-1")
    return synth.template()


def function(template: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = only(template, "AWS::Lambda::Function")["Properties"]
    return found


def before(template: dict[str, Any], name: str) -> set[str]:
    """All that is made before a resource, and so deleted after it."""
    found: set[str] = set()
    wanted = [name]
    while wanted:
        resource = template["Resources"][wanted.pop()]
        text = json.dumps(resource)
        others = set(re.findall(r'"(?:Ref|Fn::GetAtt)": (?:\[)?"(\w+)"', text)) | set(resource.get("DependsOn", []))
        new = (others & template["Resources"].keys()) - found
        found |= new
        wanted += new
    return found


def test_without_settings_nothing_changes(synth: Synth) -> None:
    EntitlementProvider.configure(synth.stack)
    synth.declare(synth.stack, "Windows", "vm-1")
    settings = function(synth.template())
    assert settings["Architectures"] == ["arm64"]
    assert not settings.keys() & {"VpcConfig", "KmsKeyArn", "ReservedConcurrentExecutions", "FunctionName"}


def test_architecture(synth: Synth) -> None:
    assert function(declared(synth, architecture=lambda_.Architecture.X86_64))["Architectures"] == ["x86_64"]


def test_log_retention(synth: Synth) -> None:
    template = declared(synth, log_retention=logs.RetentionDays.ONE_YEAR)
    assert only(template, "AWS::Logs::LogGroup")["Properties"]["RetentionInDays"] == 365


class TestConcurrency:
    def test_is_reserved(self, synth: Synth) -> None:
        template = declared(synth, reserved_concurrent_executions=1)
        assert function(template)["ReservedConcurrentExecutions"] == 1

    @pytest.mark.parametrize("number", [0, -1])
    def test_none_at_all_is_refused(self, synth: Synth, number: int) -> None:
        with pytest.raises(ValueError, match=f"reserved_concurrent_executions: got {number}, expected 1 or more"):
            declared(synth, reserved_concurrent_executions=number)


class TestNetwork:
    def test_the_function_runs_in_the_vpc(self, synth: Synth) -> None:
        template = declared(synth, vpc=ec2.Vpc(synth.stack, "Vpc", max_azs=1))
        config = function(template)["VpcConfig"]
        (group,) = logical_ids(template, "AWS::EC2::SecurityGroup")
        assert config["SecurityGroupIds"] == [{"Fn::GetAtt": [group, "GroupId"]}]
        assert [subnet["Ref"] for subnet in config["SubnetIds"]] == ["VpcPrivateSubnet1Subnet536B997A"]

    def test_lambda_may_make_network_interfaces_and_no_log_group(self, synth: Synth) -> None:
        template = declared(synth, vpc=ec2.Vpc(synth.stack, "Vpc", max_azs=1))
        (network,) = (one for one in statements(template) if "ec2:CreateNetworkInterface" in one["Action"])
        assert network["Resource"] == "*"
        assert "logs:CreateLogGroup" not in json.dumps(template)
        assert "ManagedPolicyArns" not in only(template, "AWS::IAM::Role")["Properties"]

    def test_the_network_is_there_until_the_delete_is_answered(self, synth: Synth) -> None:
        """A stack that has the VPC, too, is deleted: the function needs its way out, endpoints included."""
        vpc = ec2.Vpc(synth.stack, "Vpc", max_azs=1)
        vpc.add_interface_endpoint("Logs", service=ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS)
        template = declared(synth, vpc=vpc)
        kinds = {template["Resources"][name]["Type"] for name in before(template, LOGICAL_ID)}
        assert kinds >= {
            "AWS::EC2::VPC",
            "AWS::EC2::NatGateway",
            "AWS::EC2::Route",
            "AWS::EC2::VPCEndpoint",
            "AWS::EC2::SubnetRouteTableAssociation",
            "AWS::EC2::InternetGateway",
        }

    def test_subnets_and_security_groups_of_ones_own(self, synth: Synth) -> None:
        vpc = ec2.Vpc(synth.stack, "Vpc", max_azs=1)
        group = ec2.SecurityGroup(synth.stack, "Group", vpc=vpc)
        template = declared(
            synth, vpc=vpc, security_groups=[group], vpc_subnets=ec2.SubnetSelection(subnets=vpc.private_subnets)
        )
        assert len(logical_ids(template, "AWS::EC2::SecurityGroup")) == 1

    @pytest.mark.parametrize("name", ["vpc_subnets", "security_groups"])
    def test_these_without_a_vpc_are_refused(self, synth: Synth, name: str) -> None:
        with pytest.raises(ValueError, match=f"{name}: got a value and no vpc"):
            declared(synth, **{name: []})

    def test_a_proxy_is_set_beside_the_functions_own_variables(self, synth: Synth) -> None:
        proxy = {"HTTPS_PROXY": "http://proxy.corp.example.com:3128", "NO_PROXY": "s3.eu-central-1.amazonaws.com"}
        variables = function(declared(synth, environment=proxy))["Environment"]["Variables"]
        assert proxy.items() <= variables.items()
        assert "LEDGER_TABLE_NAME" in variables
        assert "SHARED_BY_STACKS" not in variables

    @pytest.mark.parametrize("name", ["LEDGER_TABLE_NAME", "SHARED_BY_STACKS"])
    def test_the_functions_own_variables_are_refused(self, synth: Synth, name: str) -> None:
        with pytest.raises(ValueError, match=f"environment: got {name}, expected other names"):
            declared(synth, environment={name: "x"})


class TestKey:
    def test_encrypts_table_log_group_and_environment(self, synth: Synth) -> None:
        template = declared(synth, encryption_key=kms.Key(synth.stack, "Key"))
        (key,) = logical_ids(template, "AWS::KMS::Key")
        arn = {"Fn::GetAtt": [key, "Arn"]}
        assert only(template, "AWS::DynamoDB::Table")["Properties"]["SSESpecification"] == {
            "KMSMasterKeyId": arn,
            "SSEEnabled": True,
            "SSEType": "KMS",
        }
        assert only(template, "AWS::Logs::LogGroup")["Properties"]["KmsKeyId"] == arn
        assert function(template)["KmsKeyArn"] == arn

    def test_the_role_may_use_it_and_no_other(self, synth: Synth) -> None:
        template = declared(synth, encryption_key=kms.Key(synth.stack, "Key"))
        (key,) = logical_ids(template, "AWS::KMS::Key")
        (statement,) = (one for one in statements(template) if "kms:Decrypt" in one["Action"])
        assert statement["Resource"] == {"Fn::GetAtt": [key, "Arn"]}

    @pytest.mark.parametrize(("region", "suffix"), [("eu-central-1", "com"), ("cn-north-1", "com.cn")])
    def test_the_key_lets_cloudwatch_logs_use_it(self, synth: Synth, region: str, suffix: str) -> None:
        stack = Stack(synth.app, "Located", env=Environment(region=region, account="111122223333"))
        EntitlementProvider.configure(stack, encryption_key=kms.Key(stack, "Key"))
        synth.declare(stack, "Windows", "vm-1")
        policy = only(synth.template(stack), "AWS::KMS::Key")["Properties"]["KeyPolicy"]["Statement"]
        (statement,) = (one for one in policy if "Service" in one["Principal"])
        written = json.dumps(statement).replace('{"Ref": "AWS::URLSuffix"}', f'"amazonaws.{suffix}"')
        service = json.loads(written)["Principal"]["Service"]
        service = service if isinstance(service, str) else "".join(service["Fn::Join"][1])
        assert service == f"logs.{region}.amazonaws.{suffix}"
        assert f":logs:{region}:111122223333:log-group:*" in written

    def test_an_imported_key_is_used_as_it_is(self, synth: Synth) -> None:
        arn = "arn:aws:kms:eu-central-1:111122223333:key/12345678-1234-1234-1234-123456789012"
        template = declared(synth, encryption_key=kms.Key.from_key_arn(synth.stack, "Key", arn))
        assert not logical_ids(template, "AWS::KMS::Key")
        assert only(template, "AWS::Logs::LogGroup")["Properties"]["KmsKeyId"] == arn

    def test_the_key_is_there_until_the_delete_is_answered(self, synth: Synth) -> None:
        template = declared(synth, encryption_key=kms.Key(synth.stack, "Key"))
        assert logical_ids(template, "AWS::KMS::Key") <= before(template, LOGICAL_ID)


def test_a_permissions_boundary_reaches_every_role(synth: Synth) -> None:
    boundary = iam.ManagedPolicy.from_managed_policy_name(synth.stack, "Boundary", "developers")
    iam.PermissionsBoundary.of(synth.stack).apply(boundary)
    synth.declare(synth.stack, "Windows", "vm-1")
    EntitlementProvider(Stack(synth.app, "Other"), "Provider", environment_ids=[ENVIRONMENT])
    role = only(synth.template(), "AWS::IAM::Role")["Properties"]
    assert role["PermissionsBoundary"]["Fn::Join"][1][-1] == ":policy/developers"


@jsii.implements(IAspect)
class Named:
    """An aspect that names what it meets, but for what must keep its name."""

    NAMES = {
        "AWS::IAM::Role": "RoleName",
        "AWS::DynamoDB::Table": "TableName",
        "AWS::Logs::LogGroup": "LogGroupName",
        "AWS::IAM::Policy": "PolicyName",
    }

    def visit(self, node: IConstruct) -> None:
        if isinstance(node, CfnResource) and (name := self.NAMES.get(node.cfn_resource_type)):
            node.add_property_override(name, f"corp-{node.stack.stack_name}-{node.node.path.replace('/', '-')}"[-60:])


def test_an_aspect_that_names_resources(synth: Synth) -> None:
    """The function finds its table by reference, and its log group: names follow."""
    Aspects.of(synth.stack).add(Named())
    synth.declare(synth.stack, "Windows", "vm-1")
    template = synth.template()
    (table,) = logical_ids(template, "AWS::DynamoDB::Table")
    (log_group,) = logical_ids(template, "AWS::Logs::LogGroup")
    assert template["Resources"][table]["Properties"]["TableName"].startswith("corp-")
    assert function(template)["Environment"]["Variables"]["LEDGER_TABLE_NAME"] == {"Ref": table}
    assert function(template)["LoggingConfig"]["LogGroup"] == {"Ref": log_group}
    # So that a table of another name reaches the function as an Update.
    assert template["Resources"][LOGICAL_ID]["Properties"]["LedgerTable"] == {"Ref": table}
    assert "FunctionName" not in function(template)


@pytest.mark.parametrize("region", [None, "eu-central-1"])
def test_cdk_nag_finds_nothing_without_a_written_reason(tmp_path: Path, region: str | None) -> None:
    app = App(outdir=str(tmp_path), analytics_reporting=False)
    account = region and "111122223333"
    stack = Stack(app, "Stack", env=Environment(region=region, account=account))
    around = Stack(app, "Around", env=Environment(region=region, account=account))
    vpc = ec2.Vpc(around, "Vpc", max_azs=1, flow_logs={"All": ec2.FlowLogOptions()})
    EntitlementProvider.configure(
        stack,
        vpc=vpc,
        encryption_key=kms.Key(stack, "Key", enable_key_rotation=True),
        reserved_concurrent_executions=2,
        environment={"HTTPS_PROXY": "http://proxy.corp.example.com:3128"},
    )
    WindowsServerEntitlements(stack, "Windows", environment_id=ENVIRONMENT, connector_id=CONNECTOR, vm_ids=["vm-1"])
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    app.synth()


def test_settings_after_a_declaration_are_refused(synth: Synth) -> None:
    synth.declare(synth.stack, "Windows", "vm-1")
    with pytest.raises(ValueError, match="expected them before the first WindowsServerEntitlements"):
        EntitlementProvider.configure(synth.stack, architecture=lambda_.Architecture.X86_64)


def test_settings_that_disagree_are_refused(synth: Synth) -> None:
    EntitlementProvider.configure(synth.stack, architecture=lambda_.Architecture.X86_64)
    with pytest.raises(ValueError, match="a second time, expected one place"):
        EntitlementProvider.configure(synth.stack, architecture=lambda_.Architecture.ARM_64)
