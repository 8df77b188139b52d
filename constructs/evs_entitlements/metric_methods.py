"""The monitor's metrics by method, as CDK's own constructs have them: one for each name."""

from abc import abstractmethod
from typing import Any

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct


class MetricMethods(Construct):
    """`metric_at_risk()` and the others; `metric` has the options and the errors of all."""

    @abstractmethod
    def metric(self, metric_name: str, **options: Any) -> cloudwatch.Metric:
        """Return a metric by its name."""

    def metric_declared(self, **options: Any) -> cloudwatch.Metric:
        """How many VMs are declared."""
        return self.metric("Declared", **options)

    def metric_entitled(self, **options: Any) -> cloudwatch.Metric:
        """How many declared VMs are licensed, those at risk included."""
        return self.metric("Entitled", **options)

    def metric_at_risk(self, **options: Any) -> cloudwatch.Metric:
        """How many declared VMs are at risk."""
        return self.metric("AtRisk", **options)

    def metric_removed(self, **options: Any) -> cloudwatch.Metric:
        """How many declared VMs EVS took the entitlement of."""
        return self.metric("Removed", **options)

    def metric_failed(self, **options: Any) -> cloudwatch.Metric:
        """How many declared VMs EVS could not entitle."""
        return self.metric("Failed", **options)

    def metric_missing(self, **options: Any) -> cloudwatch.Metric:
        """How many declared VMs EVS has no entitlement of."""
        return self.metric("Missing", **options)

    def metric_not_entitled(self, **options: Any) -> cloudwatch.Metric:
        """How many declared VMs are not licensed: missing, removed or failed."""
        return self.metric("NotEntitled", **options)

    def metric_undeclared(self, **options: Any) -> cloudwatch.Metric:
        """How many VMs are entitled that nothing declares."""
        return self.metric("Undeclared", **options)

    def metric_connector_reachable(self, **options: Any) -> cloudwatch.Metric:
        """1 while the connector reaches vCenter, 0 while it does not."""
        return self.metric("ConnectorReachable", **options)
