"""Synthesizes stacks in a process of its own: this project's, and what a user would declare instead.

Usage: python -m benchmarks.synth ours|plain|aws-custom-resource|provider VMS FOLDER
"""

import sys
from typing import Any

import aws_cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import custom_resources as cr

from benchmarks import CONNECTOR, ENVIRONMENT, FIRST_VM, HERE
from evs_entitlements import WindowsServerEntitlements


def ours(stack: aws_cdk.Stack, vm_ids: list[str]) -> None:
    """Declare with the construct of this project."""
    WindowsServerEntitlements(stack, "Windows", environment_id=ENVIRONMENT, connector_id=CONNECTOR, vm_ids=vm_ids)


def _function(stack: aws_cdk.Stack, name: str) -> lambda_.Function:
    return lambda_.Function(
        stack,
        name,
        code=lambda_.Code.from_asset(str(HERE / "handlers" / "plain")),
        handler="index.handler",
        runtime=lambda_.Runtime.PYTHON_3_14,
    )


def plain(stack: aws_cdk.Stack, vm_ids: list[str]) -> None:
    """Declare a function and a custom resource."""
    function = _function(stack, "Function")
    function.add_to_role_policy(iam.PolicyStatement(actions=["evs:*"], resources=["*"]))
    aws_cdk.CustomResource(stack, "Windows", service_token=function.function_arn, properties={"VmIds": vm_ids})


def aws_custom_resource(stack: aws_cdk.Stack, vm_ids: list[str]) -> None:
    """Declare one SDK call for each event."""
    call: dict[str, Any] = {
        "service": "evs",
        "parameters": {"environmentId": ENVIRONMENT, "connectorId": CONNECTOR, "vmIds": vm_ids},
        "physical_resource_id": cr.PhysicalResourceId.of("entitlements"),
    }
    cr.AwsCustomResource(
        stack,
        "Windows",
        on_create=cr.AwsSdkCall(action="createEntitlement", **call),
        on_delete=cr.AwsSdkCall(action="deleteEntitlement", **call),
        install_latest_aws_sdk=False,
        policy=cr.AwsCustomResourcePolicy.from_sdk_calls(resources=["*"]),
    )


def provider(stack: aws_cdk.Stack, vm_ids: list[str]) -> None:
    """Declare the Provider framework, with a waiter."""
    framework = cr.Provider(
        stack, "Provider", on_event_handler=_function(stack, "OnEvent"), is_complete_handler=_function(stack, "IsDone")
    )
    aws_cdk.CustomResource(stack, "Windows", service_token=framework.service_token, properties={"VmIds": vm_ids})


KINDS = {"ours": ours, "plain": plain, "aws-custom-resource": aws_custom_resource, "provider": provider}


def main(kind: str, count: str, folder: str) -> None:
    """Synthesize one stack."""
    app = aws_cdk.App(outdir=folder, analytics_reporting=False)
    stack = aws_cdk.Stack(app, "Stack")
    KINDS[kind](stack, [f"vm-{FIRST_VM + number}" for number in range(int(count))])
    app.synth()


if __name__ == "__main__":
    main(*sys.argv[1:])
