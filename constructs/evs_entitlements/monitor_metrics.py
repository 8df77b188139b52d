"""The monitor's metrics and the alarms on them: names, periods, thresholds.

Owns what is counted for how long. Never makes the function that writes the metrics.
"""

from typing import Any

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from evs_entitlements import monitor_words as words
from evs_entitlements.place import Place

#: Namespace and dimensions. A contract: dashboards and alarms of others stand on them.
NAMESPACE = "EvsEntitlements"
#: The metrics of one environment and connector, in the order of a dashboard.
METRICS = (
    "Declared",
    "Entitled",
    "AtRisk",
    "Removed",
    "Failed",
    "Missing",
    "NotEntitled",
    "Undeclared",
    "ConnectorReachable",
)
#: Those that the alarms need.
ALARMED = ("AtRisk", "NotEntitled")


def metric(place: Place, name: str, **options: Any) -> cloudwatch.Metric:
    """Return a metric of a place: the largest value of a period, five minutes unless said otherwise.

    Args:
        options: those of `aws_cloudwatch.MetricOptions`.
    """
    defaults: dict[str, Any] = {"statistic": "Maximum", "period": Duration.minutes(5)}
    return cloudwatch.Metric(
        namespace=NAMESPACE, metric_name=name, dimensions_map=place.dimensions, **{**defaults, **options}
    )


def at_risk_alarm(
    scope: Construct, construct_id: str, place: Place, *, period: Duration, threshold: int
) -> cloudwatch.Alarm:
    """Alarm within one period of the first VM that is AT_RISK."""
    return metric(place, "AtRisk", period=period).create_alarm(
        scope,
        construct_id,
        alarm_description=words.at_risk(Stack.of(scope).stack_name, place),
        threshold=threshold,
        evaluation_periods=1,
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        # A run that finds nothing out is no news of a recovery.
        treat_missing_data=cloudwatch.TreatMissingData.IGNORE,
    )


def not_entitled_alarm(
    scope: Construct, construct_id: str, place: Place, *, period: Duration, threshold: int, periods: int
) -> cloudwatch.Alarm:
    """Alarm when declared VMs are not licensed for some periods."""
    return metric(place, "NotEntitled", period=period).create_alarm(
        scope,
        construct_id,
        alarm_description=words.not_entitled(Stack.of(scope).stack_name, place),
        threshold=threshold,
        evaluation_periods=periods,
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        treat_missing_data=cloudwatch.TreatMissingData.IGNORE,
    )


def silent_alarm(scope: Construct, construct_id: str, errors: cloudwatch.Metric, *, periods: int) -> cloudwatch.Alarm:
    """Alarm when no run of the monitor has found out all that it was to find out, for some periods.

    Before the monitor's first run there is no data. The alarm then has INSUFFICIENT_DATA from the beginning and tells
    nobody, so that a first deployment is quiet. After the first run, a lack of runs brings the alarm back to
    INSUFFICIENT_DATA, and its actions for that state are told.

    Args:
        errors: the function's Errors. Lambda counts 0 for a run that succeeds, so that without runs there is no value.
    """
    return errors.create_alarm(
        scope,
        construct_id,
        alarm_description=words.silent(Stack.of(scope).stack_name),
        threshold=1,
        evaluation_periods=periods,
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        treat_missing_data=cloudwatch.TreatMissingData.MISSING,
    )
