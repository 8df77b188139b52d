"""The app whose templates are stored for each version: what a user of that version has deployed.

Owns what it declares. Never changed: an older version's template and a newer one's can be compared only where both
come of the same declarations. A new feature gets a stack of its own here, which older folders do not have.
"""

from __future__ import annotations

import json
from pathlib import Path

from aws_cdk import App, Duration, Stack
from aws_cdk import aws_sns as sns

from evs_entitlements import EntitlementProvider, WindowsServerEntitlements
from testing.cdk import PROJECT

ENVIRONMENT = "env-abcde12345"
CONNECTOR, OTHER_CONNECTOR = "cnctr-abcde12345", "cnctr-fghij67890"
VM_IDS, OTHER_VM_IDS, WATCHED_VM_IDS = ("vm-101", "vm-102", "vm-103"), ("vm-110",), ("vm-105", "vm-106")
#: Names of the stacks: two sets, a set with its monitor, and a function for other tools.
LICENCES, WATCHED, SHARED = STACKS = ("Licences", "Watched", "Shared")


def synthesize(folder: Path) -> Path:
    """Write the cloud assembly of the app to a folder, with this working tree's construct and code."""
    context = json.loads((PROJECT / "cdk.json").read_text())["context"]
    app = App(outdir=str(folder), context=context, analytics_reporting=False, tree_metadata=False)
    _licences(Stack(app, LICENCES))
    _watched(Stack(app, WATCHED))
    shared = Stack(app, SHARED, termination_protection=True)
    EntitlementProvider(shared, "Provider", environment_ids=[ENVIRONMENT], stack_names=["Licences-*"])
    return Path(app.synth().directory)


def _licences(stack: Stack) -> None:
    for name, connector, vm_ids in (("Windows", CONNECTOR, VM_IDS), ("Elsewhere", OTHER_CONNECTOR, OTHER_VM_IDS)):
        WindowsServerEntitlements(
            stack,
            name,
            environment_id=ENVIRONMENT,
            connector_id=connector,
            vm_ids=list(vm_ids),
            adopt_existing=True,
            timeout=Duration.minutes(5),
        )


def _watched(stack: Stack) -> None:
    entitlements = WindowsServerEntitlements(
        stack,
        "Windows",
        environment_id=ENVIRONMENT,
        connector_id=CONNECTOR,
        vm_ids=list(WATCHED_VM_IDS),
        timeout=Duration.minutes(5),
    )
    entitlements.monitor(dashboard=True, topic=sns.Topic(stack, "OnCall"))
