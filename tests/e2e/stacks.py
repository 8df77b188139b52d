"""Stacks that the end-to-end tests deploy: synthesized here, deployed by the real CLI."""

import json
import re
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from aws_cdk import App, CfnResource, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_ssm as ssm

from evs_entitlements import WindowsServerEntitlements, lambda_code
from testing.cdk import PROJECT

ENVIRONMENT, CONNECTOR = "env-abcde12345", "cnctr-abcde12345"
OTHER_CONNECTOR = "cnctr-fghij67890"
_PACE = "lambda_handler/pace.py"
_staged_files = lambda_code.staged_files


@dataclass(frozen=True)
class Variant:
    """A stack: what it declares, and what is done to it that a user would not do.

    Attributes
    ----------
    elsewhere
        VMs of a second set, at another connector.
    neighbour
        Name of an SSM parameter that is made after the entitlements.
    function_timeout
        Of the function, in seconds.
    forbidden
        Actions that are taken out of every policy.
    monitored
        Whether the stack has a monitor.
    denied_for
        Seconds for which the function rides out AccessDenied. IAM here knows a policy at once, so it is less than the
        shipped function's.
    """

    name: str
    vm_ids: Sequence[str]
    connector_id: str = CONNECTOR
    adopt_existing: bool = False
    retain: bool = False
    timeout: int = 120
    elsewhere: Sequence[str] = ()
    neighbour: str | None = None
    function_timeout: int | None = None
    forbidden: Collection[str] = ()
    denied_for: float = 15.0
    monitored: bool = False

    def synthesize(self, directory: Path) -> str:
        """Write a cloud assembly, and return its folder."""
        with mock.patch.object(lambda_code, "staged_files", self._staged_files):
            return self._synthesize(directory)

    def _synthesize(self, directory: Path) -> str:
        context = json.loads((PROJECT / "cdk.json").read_text())["context"]
        app = App(outdir=tempfile.mkdtemp(prefix=f"{self.name}-", dir=directory), context=context)
        stack = Stack(app, self.name)
        entitlements: WindowsServerEntitlements | None = None
        if self.vm_ids:
            entitlements = WindowsServerEntitlements(
                stack,
                "Windows",
                environment_id=ENVIRONMENT,
                connector_id=self.connector_id,
                vm_ids=self.vm_ids,
                adopt_existing=self.adopt_existing,
                timeout=Duration.seconds(self.timeout),
                removal_policy=RemovalPolicy.RETAIN if self.retain else RemovalPolicy.DESTROY,
            )
            if self.monitored:
                entitlements.monitor(dashboard=True, topic=sns.Topic(stack, "OnCall"))
        if self.elsewhere:
            WindowsServerEntitlements(
                stack, "Elsewhere", environment_id=ENVIRONMENT, connector_id=OTHER_CONNECTOR, vm_ids=self.elsewhere
            )
        # A stack that declares nothing needs something to be made of.
        ssm.CfnParameter(stack, "Placeholder", type="String", value="1", name=f"/placeholder/{self.name}")
        if self.neighbour:
            neighbour = ssm.CfnParameter(stack, "Neighbour", type="String", value="1", name=self.neighbour)
            if entitlements:
                neighbour.node.add_dependency(entitlements)
        self._override(stack)
        return app.synth().directory

    def _staged_files(self) -> dict[str, bytes]:
        files = _staged_files()
        pace, count = re.subn(r"(denied_for: float = )[\d.]+", rf"\g<1>{self.denied_for}", files[_PACE].decode())
        assert count == 1
        return {**files, _PACE: pace.encode()}

    def _override(self, stack: Stack) -> None:
        for child in stack.node.find_all():
            if self.function_timeout and getattr(child, "cfn_resource_type", "") == "AWS::Lambda::Function":
                assert isinstance(child, CfnResource)
                child.add_property_override("Timeout", self.function_timeout)
            if isinstance(child, iam.CfnPolicy):
                child.add_property_override("PolicyDocument", self._allowed(stack.resolve(child.policy_document)))
            if isinstance(child, iam.CfnRole):
                policies = [
                    {**policy, "PolicyDocument": self._allowed(policy["PolicyDocument"])}
                    for policy in map(_pascal, stack.resolve(child.policies))
                ]
                child.add_property_override("Policies", policies)

    def _allowed(self, document: dict[str, Any]) -> dict[str, Any]:
        statements = []
        for statement in document["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            # A statement with no action is no statement, and a policy with no statement no policy.
            rest = [action for action in actions if action not in self.forbidden] or ["s3:ListAllMyBuckets"]
            statements.append({**statement, "Action": rest})
        return {**document, "Statement": statements}


def _pascal(policy: dict[str, Any]) -> dict[str, Any]:
    return {name[0].upper() + name[1:]: value for name, value in policy.items()}
