"""A stack whose VMs are those of a lock, as a user's own CDK app would declare them.

python demo/fleet_app.py <lock file>
"""

import sys

from aws_cdk import App, Stack

from evs_entitlements import EntitlementLock, WindowsServerEntitlements

STACK_NAME = "WindowsLicences"


def main() -> None:
    """Synthesize the stack."""
    lock = EntitlementLock.load(sys.argv[1])
    app = App()
    stack = Stack(app, STACK_NAME, description="Windows Server entitlements of Amazon EVS VMs")
    WindowsServerEntitlements(
        stack,
        "Windows",
        environment_id=lock.environment_id,
        connector_id=lock.connector_id,
        vm_ids=lock.vm_ids,
        adopt_existing=True,
    )
    app.synth()


if __name__ == "__main__":
    main()
