"""The one line of metrics for each environment and connector, in CloudWatch's embedded metric format. Pure.

Owns the names of the metrics: a contract, since alarms and dashboards of others stand on them. The form is that of
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
from collections.abc import Collection

from evs_health.assessment import Assessment, Kind
from evs_health.connectors import Connector as Health

from ..values import Connector

NAMESPACE = "EvsEntitlements"
DIMENSIONS = ("EnvironmentId", "ConnectorId")


def metric_line(
    at: float,
    place: Connector,
    assessment: Assessment,
    reachable: bool | None,
    stack_id: str,
    only: Collection[str] = (),
) -> str:
    """Return the line.

    Args:
        at: when EVS was asked, in epoch seconds.
        reachable: whether the connector reaches vCenter. None where that is not known: then there is no such metric.
        stack_id: goes with the line for queries of the log, and is no dimension.
        only: which values are metrics, for which CloudWatch charges; all where it is empty. The others stand in the
            line, for queries of the log.
    """
    values: dict[str, int] = {
        "Declared": len(assessment.declared),
        "Entitled": len(assessment.licensed),
        "AtRisk": len(assessment.vm_ids(Kind.AT_RISK)),
        "Removed": len(assessment.vm_ids(Kind.REMOVED)),
        "Failed": len(assessment.vm_ids(Kind.FAILED)),
        "Missing": len(assessment.vm_ids(Kind.MISSING)),
        "NotEntitled": len(assessment.vm_ids(Kind.REMOVED, Kind.FAILED, Kind.MISSING)),
        "Undeclared": len(assessment.vm_ids(Kind.UNDECLARED)),
    }
    if reachable is not None:
        values["ConnectorReachable"] = int(reachable)
    metrics = [
        {"Name": name, "Unit": "None" if name == "ConnectorReachable" else "Count"}
        for name in values
        if not only or name in only
    ]
    directive = {"Namespace": NAMESPACE, "Dimensions": [list(DIMENSIONS)], "Metrics": metrics}
    line = {
        "_aws": {"Timestamp": int(at * 1000), "CloudWatchMetrics": [directive]},
        "EnvironmentId": place.environment_id,
        "ConnectorId": place.connector_id,
        "StackId": stack_id,
        **values,
    }
    return json.dumps(line, separators=(",", ":"))


def is_reachable(connector: Health | None) -> bool | None:
    """Tell whether a connector reaches its vCenter and is active; None where EVS does not say."""
    if connector is None:
        return None
    if connector.state != "ACTIVE":
        return False
    return connector.reachable
