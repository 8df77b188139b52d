"""A CDK app as a user would write one, for test_own_app: what it does is said by the context value `case`."""

from aws_cdk import App, Environment, NestedStack, RemovalPolicies, Stack
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from evs_entitlements import WindowsServerEntitlements

ENVIRONMENT, CONNECTOR = "env-abcde12345", "cnctr-abcde12345"


def build(app: App) -> None:
    """Put one stack into an app."""
    case = app.node.try_get_context("case")
    name = app.node.try_get_context("name")
    stack = Stack(app, "Own", stack_name=name, env=Environment(account="000000000000", region="us-east-1"))
    ssm.CfnParameter(stack, "Placeholder", type="String", value="1", name=f"/placeholder/{name}")
    around = Construct(stack, "Around")
    vm_ids = ["vm-101"]
    environment_id = ENVIRONMENT
    if case == "lookup":
        environment_id = ssm.StringParameter.value_from_lookup(stack, "/own/environment")
        vm_ids = ssm.StringParameter.value_from_lookup(stack, "/own/vms").split(",")
    if case == "wrong":
        vm_ids = ["web01"]
    scope: Construct = around
    if case == "nested":
        scope = NestedStack(NestedStack(around, "Outer"), "Inner")
    if case != "none":
        WindowsServerEntitlements(
            scope, "Windows", environment_id=environment_id, connector_id=CONNECTOR, vm_ids=vm_ids
        )
    if case == "removed":
        stack.node.try_remove_child("Around")
    if case == "retain":
        RemovalPolicies.of(around).retain()


if __name__ == "__main__":
    own_app = App()
    build(own_app)
    own_app.synth()
