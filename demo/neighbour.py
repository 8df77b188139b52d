"""The demo's stack with a neighbour that fails: a parameter whose name is taken.

    python demo/neighbour.py <environment id> <connector id> <parameter name> <VM id> ...

The same stack as app.py's, and one resource more, which CloudFormation makes after the entitlements.
"""

import sys

from aws_cdk import App, Stack
from aws_cdk import aws_ssm as ssm

from evs_entitlements import WindowsServerEntitlements

STACK_ID = "EvsWindowsServerEntitlements"


def main() -> None:
    """Synthesize the stack."""
    environment_id, connector_id, parameter_name, *vm_ids = sys.argv[1:]
    app = App()
    stack = Stack(
        app,
        STACK_ID,
        stack_name=f"{STACK_ID}-{environment_id}",
        description="Windows Server entitlements of Amazon EVS VMs",
    )
    entitlements = WindowsServerEntitlements(
        stack, "Windows", environment_id=environment_id, connector_id=connector_id, vm_ids=vm_ids
    )
    neighbour = ssm.StringParameter(stack, "Neighbour", parameter_name=parameter_name, string_value="demo")
    neighbour.node.add_dependency(entitlements)
    app.synth()


if __name__ == "__main__":
    main()
