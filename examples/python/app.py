"""The simplest whole app: one stack, two VMs."""

from aws_cdk import App, Stack

from evs_entitlements import WindowsServerEntitlements

app = App()
stack = Stack(app, "Licences")
WindowsServerEntitlements(
    stack, "Windows", environment_id="env-abcde12345", connector_id="cnctr-abcde12345", vm_ids=["vm-101", "vm-102"]
)
app.synth()
