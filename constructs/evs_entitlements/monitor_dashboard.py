"""The rows of the monitor's dashboard, one for each environment and connector.

Owns what a row shows, and that one goes with its declared set. Never makes the dashboard.
"""

from typing import Any, cast

import jsii
from aws_cdk import aws_cloudwatch as cloudwatch

from evs_entitlements import monitor_metrics
from evs_entitlements.declared_set import DeclaredSet

_SHOWN = {
    "Entitlements": ("Declared", "Entitled", "Undeclared"),
    "Not as it should be": ("AtRisk", "NotEntitled", "Missing", "Removed", "Failed"),
    "Connector reaches vCenter": ("ConnectorReachable",),
}


def row(declared_set: DeclaredSet, alarms: list[cloudwatch.Alarm]) -> cloudwatch.IWidget:
    """Return what shows a declared set."""
    place = declared_set.place
    graphs = [
        cloudwatch.GraphWidget(
            title=title, width=8, left=[monitor_metrics.metric(place, name, label=name) for name in names]
        )
        for title, names in _SHOWN.items()
    ]
    where = f"{place.environment_id} / {place.connector_id}"
    status = cloudwatch.AlarmStatusWidget(title=where, alarms=cast(Any, alarms), width=24, height=2)
    shown = cloudwatch.Column(status, cast(Any, cloudwatch.Row(*graphs)))
    return cast(cloudwatch.IWidget, _WhileDeclared(declared_set, shown))


@jsii.implements(cloudwatch.IWidget)
class _WhileDeclared:
    """A widget that is nothing once its set is declared no more: a dashboard forgets no widget that it has taken.

    Its alarms are gone then, and CloudFormation takes no reference to what is not in the template.
    """

    def __init__(self, declared_set: DeclaredSet, shown: cloudwatch.Column) -> None:
        self._declared_set = declared_set
        self._shown = shown

    @property
    def height(self) -> float:
        return self._shown.height if self._declared_set.is_declared else 0

    @property
    def width(self) -> float:
        return self._shown.width

    @property
    def warnings(self) -> list[str] | None:
        return None

    @property
    def warnings_v2(self) -> dict[str, str] | None:
        return None

    def position(self, x: float, y: float) -> None:
        self._shown.position(x, y)

    def to_json(self) -> list[Any]:
        return self._shown.to_json() if self._declared_set.is_declared else []
