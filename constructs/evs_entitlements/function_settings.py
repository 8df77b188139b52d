"""What a user may set of the one function of a stack: its processor, network, keys, retention and concurrency.

Owns the names, their checks, and where they are kept until the function is made. Never makes the function.

The function belongs to the stack, as all declared sets of the stack share it. So its settings belong to the stack, too,
and to no single `WindowsServerEntitlements`: two of these could not disagree.
"""

from collections.abc import Mapping, Sequence
from typing import TypedDict, cast

from aws_cdk import Stack, Token
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

#: Id of the settings under their stack. Nothing in the template comes of it.
SETTINGS_ID = "EvsEntitlementsFunctionSettings"
#: Variables that the function itself goes by.
LEDGER_TABLE_NAME = "LEDGER_TABLE_NAME"
SHARED_BY_STACKS = "SHARED_BY_STACKS"
_OWN_VARIABLES = frozenset({LEDGER_TABLE_NAME, SHARED_BY_STACKS})


class FunctionSettings(TypedDict, total=False):
    """Settings of the function; each may be left out.

    Attributes:
        architecture: processor. Default: ARM_64, which costs a fifth less than X86_64. Not every region has it.
        vpc: where the function runs. Default: in no VPC of yours. From there it has to reach EVS, DynamoDB,
            CloudFormation, Lambda, CloudWatch Logs and S3, by a NAT gateway, VPC endpoints or a proxy.
        vpc_subnets: which subnets of `vpc`. Default: the private ones.
        security_groups: of the function in `vpc`. Default: a new one that lets everything out and nothing in.
        encryption_key: a KMS key for the ledger table, the log group and the function's environment. Default: keys that
            AWS owns. The policy of an imported key has to let CloudWatch Logs use it; that of a key of the app is
            extended here.
        log_retention: how long the function's log lines are kept. Default: three months.
        environment: further environment variables, such as HTTPS_PROXY and NO_PROXY.
        reserved_concurrent_executions: how many invocations may run at once. Default: no limit but the account's. With
            1 requests wait for each other; two at least for each stack is better.
    """

    architecture: lambda_.Architecture
    vpc: ec2.IVpc
    vpc_subnets: ec2.SubnetSelection
    security_groups: Sequence[ec2.ISecurityGroup]
    encryption_key: kms.IKey
    log_retention: logs.RetentionDays
    environment: Mapping[str, str]
    reserved_concurrent_executions: int


class StackSettings(Construct):
    """The settings of a stack's function, from when they are given until it is made."""

    @classmethod
    def of(cls, stack: Stack) -> FunctionSettings:
        """Return the settings of `stack`: none where none were given."""
        found = stack.node.try_find_child(SETTINGS_ID)
        return found.settings if isinstance(found, StackSettings) else FunctionSettings()

    def __init__(self, stack: Stack, settings: FunctionSettings) -> None:
        super().__init__(stack, SETTINGS_ID)
        self.settings = settings


def checked(given: Mapping[str, object]) -> FunctionSettings:
    """Return settings that are in order.

    Raises:
        TypeError: one is not known.
        ValueError: one is wrong.
    """
    known = FunctionSettings.__annotations__
    if unknown := [name for name in given if name not in known]:
        raise TypeError(f"{unknown[0]}: got a setting of this name, expected one of {', '.join(known)}")
    settings = cast(FunctionSettings, {name: value for name, value in given.items() if value is not None})
    for name in ("vpc_subnets", "security_groups"):
        if name in settings and "vpc" not in settings:
            raise ValueError(f"{name}: got a value and no vpc, expected vpc, too")
    concurrency = settings.get("reserved_concurrent_executions")
    # A token is a number that the CDK can't compare.
    if concurrency is not None and not Token.is_unresolved(concurrency) and concurrency < 1:
        raise ValueError(
            f"reserved_concurrent_executions: got {concurrency}, expected 1 or more: with 0 no request is "
            "answered, and CloudFormation waits an hour for each"
        )
    if own := sorted(_OWN_VARIABLES & settings.get("environment", {}).keys()):
        raise ValueError(f"environment: got {own[0]}, expected other names: the function has this one already")
    return settings
