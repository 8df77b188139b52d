"""The endpoint by which Windows is activated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import Environment, Stack, Validations
from aws_cdk import aws_ec2 as ec2
from cdk_nag import AwsSolutionsChecks

from evs_entitlements import WindowsActivationEndpoint
from tests.unit.constructs.test_provider import only

if TYPE_CHECKING:
    from tests.unit.constructs.conftest import Synth


def vpc(stack: Stack) -> ec2.IVpc:
    """A VPC that exists: what is in the template is the endpoint's alone."""
    return ec2.Vpc.from_vpc_attributes(
        stack,
        "Vpc",
        vpc_id="vpc-1",
        availability_zones=["a"],
        private_subnet_ids=["subnet-1"],
        vpc_cidr_block="10.0.0.0/16",
    )


def endpoint(synth: Synth, *cidrs: str, stack: Stack | None = None) -> dict[str, Any]:
    stack = stack or synth.stack
    WindowsActivationEndpoint(stack, "Activation", vpc=vpc(stack), client_cidrs=list(cidrs))
    return synth.template(stack)


def test_an_interface_endpoint_of_the_service(synth: Synth) -> None:
    stack = Stack(synth.app, "Located", env=Environment(region="eu-central-1", account="111122223333"))
    made = only(endpoint(synth, "10.20.0.0/16", stack=stack), "AWS::EC2::VPCEndpoint")["Properties"]
    assert made["ServiceName"] == "com.amazonaws.eu-central-1.evs-windows-server-activation"
    assert (made["VpcEndpointType"], made["VpcId"], made["SubnetIds"]) == ("Interface", "vpc-1", ["subnet-1"])


def test_the_region_may_be_a_token(synth: Synth) -> None:
    made = only(endpoint(synth, "10.20.0.0/16"), "AWS::EC2::VPCEndpoint")["Properties"]
    assert made["ServiceName"] == {
        "Fn::Join": ["", ["com.amazonaws.", {"Ref": "AWS::Region"}, ".evs-windows-server-activation"]]
    }


def test_the_given_networks_reach_one_port_and_nobody_else_any(synth: Synth) -> None:
    group = only(endpoint(synth, "10.20.0.0/16", "10.30.1.0/24"), "AWS::EC2::SecurityGroup")["Properties"]
    let_in = [
        (one["CidrIp"], one["IpProtocol"], one["FromPort"], one["ToPort"]) for one in group["SecurityGroupIngress"]
    ]
    assert let_in == [("10.20.0.0/16", "tcp", 1688, 1688), ("10.30.1.0/24", "tcp", 1688, 1688)]
    assert [one["CidrIp"] for one in group["SecurityGroupEgress"]] == ["255.255.255.255/32"]


def test_the_line_for_windows_is_an_output(synth: Synth) -> None:
    template = endpoint(synth, "10.20.0.0/16")
    (output,) = (one for one in template["Outputs"].values() if "slmgr /ato" in one["Description"])
    before, name, after = output["Value"]["Fn::Join"][1]
    assert (before, after) == ("slmgr /skms ", ":1688")
    # An entry is <hosted zone>:<name>.
    assert name["Fn::Select"][0] == 1
    assert name["Fn::Select"][1]["Fn::Split"][0] == ":"


@pytest.mark.parametrize(
    ("cidrs", "message"),
    [
        ([], "client_cidrs: got an empty list"),
        ("10.20.0.0/16", "client_cidrs: got '10.20.0.0/16', expected a list"),
        (["10.20.0.1/16"], "client_cidrs: got '10.20.0.1/16' .*host bits set"),
        (["vlan-1"], "client_cidrs: got 'vlan-1'"),
        (["fd00::/8"], "client_cidrs: got 'fd00::/8', expected an IPv4 network"),
        (["0.0.0.0/0"], "client_cidrs: got '0.0.0.0/0', which is everybody"),
    ],
)
def test_wrong_networks_are_named(synth: Synth, cidrs: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        WindowsActivationEndpoint(synth.stack, "Activation", vpc=vpc(synth.stack), client_cidrs=cidrs)


def test_cdk_nag_finds_nothing(synth: Synth) -> None:
    Validations.of(synth.app).add_plugins(AwsSolutionsChecks(synth.app))
    endpoint(synth, "10.20.0.0/16")
