"""What the stored memory of the monitor tells of: a connector that lost vCenter, and an event that could not be sent.

Owns that situation. Never changed, as `fixed_scene` is not.
"""

import json
import os
from typing import Any
from unittest import mock

from tests.unit.monitor.world import HERE, STACK, MonitorWorld, refuses, row

from .fixed_app import WATCHED_VM_IDS

#: What the construct sets for the monitor's function.
VARIABLES = {
    "LEDGER_TABLE_NAME": "ledger",
    "MONITOR_TABLE_NAME": "memory",
    "STACK_ID": STACK,
    "PLACES": json.dumps([[HERE.environment_id, HERE.connector_id]]),
}


def at_risk() -> MonitorWorld:
    """Let the monitor run twice: all is well, then all is at risk, and no event can be sent."""
    world = MonitorWorld()
    world.declare(*WATCHED_VM_IDS)
    world.rows[HERE] = [row(vm_id) for vm_id in WATCHED_VM_IDS]
    with mock.patch.dict(os.environ, VARIABLES):
        world.run()
        world.unreachable(world.at + 60)
        world.trouble["PutEvents"] = refuses("ThrottlingException")
        try:
            world.run()
        except Exception as error:
            # Each version has a class of its own for it.
            if type(error).__name__ != "NotFoundOut":
                raise
        assert world.sent == []
        del world.trouble["PutEvents"]
    return world


def item(world: MonitorWorld) -> dict[str, Any]:
    """Return what the monitor remembers of the place."""
    return world.memory.backup()[str(HERE)]
