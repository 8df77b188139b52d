"""What is wrong with a connector, in one sentence for a failure's Reason and for the log. Pure.

Owns the words and their length. How ListEnvironmentConnectors is read is `evs_health.connectors`, which the command
uses, too; it is imported when it is needed, since a request that succeeds does not need it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ..text import clipped_json, json_bytes, some
from ..values import Connector

#: Most bytes of the sentence within JSON: the VMs that failed share the Reason with it.
LENGTH = 600


def what_is_wrong(connector: Connector, rows: Iterable[Mapping[str, Any]], *, is_whole: bool) -> str:
    """Say what keeps a connector from holding entitlements; an empty string where nothing does.

    Args:
        rows: what ListEnvironmentConnectors answered.
        is_whole: the answer has all connectors of the environment; else nothing is concluded from what it lacks.
    """
    from evs_health.connectors import VCENTER
    from evs_health.connectors import Connector as Listed

    listed = [Listed.from_row(row) for row in rows]
    found = next((one for one in listed if one.connector_id == connector.connector_id), None)
    if found is not None:
        wrong = f"connector {connector.connector_id}: {'; '.join(found.problems)}" if found.problems else ""
    elif is_whole:
        wrong = f"connector {connector.connector_id} is not one of environment {connector.environment_id}"
    else:
        wrong = ""
    if not wrong or (found is not None and found.type == VCENTER):
        return clipped_json(wrong, LENGTH)
    right = [one.connector_id for one in listed if one.type == VCENTER and one.state != "DELETED"]
    if not right and not is_whole:
        return clipped_json(wrong, LENGTH)
    named = clipped_json(some(right, 3), LENGTH // 4) if right else "none"
    others = f"; of type {VCENTER} the environment has {named}"
    return clipped_json(wrong, LENGTH - json_bytes(others)) + others
