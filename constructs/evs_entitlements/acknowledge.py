"""Reasons why a rule of cdk-nag does not hold here. They mean nothing to an app without cdk-nag."""

from typing import Any

from aws_cdk import Acknowledgment, Validations
from aws_cdk import aws_lambda as lambda_
from constructs import Construct


def acknowledge(construct: Construct, rule: str, reason: str) -> None:
    """Give the reason why a rule does not hold for a construct."""
    Validations.of(construct).acknowledge(Acknowledgment(id=rule, reason=reason))


def acknowledge_runtime(function: lambda_.Function) -> None:
    """Give the reason why a function's runtime need not be the newest.

    cdk-nag compares with the newest runtime that the user's aws-cdk-lib knows, which may be newer than this package.
    """
    acknowledge(
        function,
        "AwsSolutions-L1",
        "The code of the function was tried with this runtime. A newer one comes with a newer version of "
        "evs-entitlements.",
    )


def as_cdk_nag_writes_it(arn: Any) -> str:
    """Return a resource as cdk-nag writes it, once resolved: it has <AWS::Region> for a Ref."""
    parts = arn["Fn::Join"][1] if isinstance(arn, dict) and "Fn::Join" in arn else [arn]
    return "".join(part if isinstance(part, str) else f"<{part['Ref']}>" for part in parts)
