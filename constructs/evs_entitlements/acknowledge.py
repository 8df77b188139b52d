"""Reasons why a rule of cdk-nag does not hold here. They mean nothing to an app without cdk-nag."""

from typing import Any

from aws_cdk import Acknowledgment, Validations
from constructs import Construct


def acknowledge(construct: Construct, rule: str, reason: str) -> None:
    """Give the reason why a rule does not hold for a construct."""
    Validations.of(construct).acknowledge(Acknowledgment(id=rule, reason=reason))


def as_cdk_nag_writes_it(arn: Any) -> str:
    """Return a resolved ARN as it is in a rule's id, `<AWS::Region>` for a Ref: each wildcard has an id of its own."""
    parts = [arn] if isinstance(arn, str) else arn["Fn::Join"][1]
    return "".join(part if isinstance(part, str) else f"<{part['Ref']}>" for part in parts)
