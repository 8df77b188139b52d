"""The way by which entitled Windows VMs reach AWS's activation service from their VPC.

Owns the VPC endpoint, its security group and the line that is run within Windows. Never touches an entitlement, and
runs nothing in a VM.
"""

from collections.abc import Sequence
from ipaddress import ip_network

from aws_cdk import CfnOutput, Fn, Stack, Token
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from evs_entitlements import lookups
from evs_entitlements.lookups import Checks

#: Name of the service, behind `com.amazonaws.<region>.`.
SERVICE = "evs-windows-server-activation"
#: Port of Windows's volume activation, TCP.
PORT = 1688


class WindowsActivationEndpoint(Construct):
    """An interface endpoint for the activation of Windows Server on Amazon EVS.

    An entitlement is the licence. For the activation Windows has to reach the service `evs-windows-server-activation`
    on TCP port 1688, and has to be told its address: the output `ActivationCommand` of this construct has that line.

    See https://docs.aws.amazon.com/evs/latest/userguide/ (Windows Server licensing).

    Attributes:
        endpoint: the VPC endpoint.
        security_group: what it lets in.
        command: the line for Windows, a token.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  the name that every construct gives it
        *,
        vpc: ec2.IVpc,
        client_cidrs: Sequence[str],
        subnets: ec2.SubnetSelection | None = None,
    ) -> None:
        """Make the endpoint.

        Args:
            scope: the construct that this one is in, within a Stack.
            id: the id in that scope.
            vpc: the VPC of the EVS environment, or one that its networks have a route to.
            client_cidrs: the networks that the VMs are in, such as `10.20.0.0/16`; one or more, IPv4.
            subnets: where the endpoint is. Default: as of the CDK, one private subnet in each availability zone.

        Raises:
            TypeError: client_cidrs is no list.
            ValueError: a network is none.
        """
        super().__init__(scope, id)
        checks = Checks()
        with checks.check():
            _check(client_cidrs)
        lookups.report(self, checks.errors)
        if checks.errors:
            # The CDK CLI shows them, and deploys nothing; the rest of the app is still looked at.
            client_cidrs = []
        self.security_group = ec2.SecurityGroup(
            self,
            "SecurityGroup",
            vpc=vpc,
            description="Windows Server VMs on Amazon EVS to the activation service",
            allow_all_outbound=False,
        )
        for cidr in client_cidrs:
            self.security_group.add_ingress_rule(ec2.Peer.ipv4(cidr), ec2.Port.tcp(PORT), "Windows activation")
        region = Stack.of(self).region
        self.endpoint = ec2.InterfaceVpcEndpoint(
            self,
            "Endpoint",
            vpc=vpc,
            # Spelt out: by a short name the CDK would take another prefix in some partitions.
            service=ec2.InterfaceVpcEndpointService(f"com.amazonaws.{region}.{SERVICE}", PORT),
            subnets=subnets,
            security_groups=[self.security_group],
            # The security group has its rules from here; an open one would let in the whole VPC.
            open=False,
            private_dns_enabled=False,
        )
        # The first entry is the name for the whole region: <hosted zone>:<name>.
        name = Fn.select(1, Fn.split(":", Fn.select(0, self.endpoint.vpc_endpoint_dns_entries)))
        self.command = f"slmgr /skms {name}:{PORT}"
        CfnOutput(
            self,
            "ActivationCommand",
            value=self.command,
            description="Run it in each entitled Windows Server VM, then: slmgr /ato",
        )


def _check(cidrs: Sequence[str]) -> None:
    if isinstance(cidrs, str) or not isinstance(cidrs, Sequence):
        raise TypeError(f"client_cidrs: got {cidrs!r}, expected a list such as ['10.20.0.0/16']")
    if not cidrs:
        raise ValueError("client_cidrs: got an empty list, expected the networks of the VMs, such as 10.20.0.0/16")
    for cidr in cidrs:
        if not Token.is_unresolved(cidr):
            _check_one(cidr)


def _check_one(cidr: str) -> None:
    try:
        network = ip_network(cidr)
    except ValueError as error:
        raise ValueError(f"client_cidrs: got {cidr!r} ({error}), expected a network such as 10.20.0.0/16") from error
    if network.version != 4:
        raise ValueError(f"client_cidrs: got {cidr!r}, expected an IPv4 network such as 10.20.0.0/16")
    if network.prefixlen == 0:
        raise ValueError(f"client_cidrs: got {cidr!r}, which is everybody, expected the networks of the VMs")
