"""The monitor that users declare: told in time that a licence is about to be lost, and why.

Owns the public interface and that a stack has one monitor. The resources are those of `monitor_parts`, the words and
thresholds of alarms those of `monitor_metrics`.
"""

from typing import Any, cast

import jsii
from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from constructs import Construct, IConstruct, IValidation

from evs_entitlements import monitor_dashboard, monitor_metrics, monitor_topic
from evs_entitlements.declaration import is_in_tree
from evs_entitlements.declared_set import DeclaredSet
from evs_entitlements.metric_methods import MetricMethods
from evs_entitlements.monitor_metrics import METRICS
from evs_entitlements.monitor_parts import MONITOR_ID, MonitorParts
from evs_entitlements.monitor_schedule import count_of, periods_of, schedule_of
from evs_entitlements.provider import PROVIDER_ID, Provider


class EntitlementMonitor(MetricMethods):
    """A second function that looks at the stack's entitlements on a schedule, and alarms on what it finds.

    There is one for each stack, for all environments and connectors that the stack declares, also those that are
    declared later. Its role can change nothing. For each of them it writes the metrics Declared, Entitled, AtRisk,
    Removed, Failed, Missing, NotEntitled (the sum of these three), Undeclared and ConnectorReachable (namespace
    EvsEntitlements, dimensions EnvironmentId and ConnectorId), and it sends an event to EventBridge for each change.

    `WindowsServerEntitlements.monitor` makes one. docs/monitor.md has events, costs and permissions.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  the name that every construct gives it
        *,
        schedule: events.Schedule | None = None,
        topic: sns.ITopic | None = None,
        dashboard: bool = False,
        detailed_metrics: bool = True,
        at_risk_threshold: int = 1,
        not_entitled_threshold: int = 1,
        not_entitled_for: Duration | None = None,
        silent_for: Duration | None = None,
    ) -> None:
        """Watch the stack's entitlements.

        Args:
            scope: the construct that this one is in, within a Stack.
            id: the id in that scope; it has no influence on the template.
            schedule: when to look, once a day at the least. Every five minutes when left out. The alarms' periods are
                the time from one run to the next: the shortest there is, and the longest for the one on silence.
            topic: told of each alarm and of its end, and in words of what was found: which VMs, since when, how long
                there is left, which check of the connector fails. The policy of an imported topic has to let
                CloudWatch and EventBridge publish.
            dashboard: whether to make a dashboard.
            detailed_metrics: whether all nine values of an environment and connector are metrics, for each of which
                CloudWatch charges. Otherwise only the two that the alarms need are. The others stand in the log.
            at_risk_threshold: how many VMs at risk raise the alarm, 1 or more.
            not_entitled_threshold: how many declared VMs without a licence raise the alarm, 1 or more.
            not_entitled_for: for how long they have to be so. Two periods when left out.
            silent_for: for how long no run may have found everything out. Three periods when left out.

        Raises:
            ValueError: the stack has a monitor already, or declares no entitlements yet, or a value is wrong.
        """
        super().__init__(scope, id)
        stack = Stack.of(self)
        if (other := stack.node.try_find_child(MONITOR_ID)) is not None and not _is_left_behind(other):
            first = getattr(other, "declared_at", stack.node.path)
            raise ValueError(
                f"EntitlementMonitor: got one at {first} and one at {self.node.path}, expected one for each stack: it "
                "watches all that the stack declares"
            )
        provider = _provider(stack)
        _check_threshold("at_risk_threshold", at_risk_threshold)
        _check_threshold("not_entitled_threshold", not_entitled_threshold)
        if dashboard and not detailed_metrics:
            raise ValueError(
                "dashboard: got True beside detailed_metrics=False, expected one of them: it shows all metrics"
            )
        self._provider = provider
        self._topic = topic
        schedule = schedule_of(schedule)
        periods = periods_of(schedule)
        self._period = periods.shortest
        self._thresholds = (at_risk_threshold, not_entitled_threshold)
        self._not_entitled_periods = count_of("not_entitled_for", not_entitled_for, periods.shortest, 2)
        silent_periods = count_of("silent_for", silent_for, periods.longest, 3)
        self._at_risk: dict[Construct, cloudwatch.Alarm] = {}
        self._not_entitled: dict[Construct, cloudwatch.Alarm] = {}
        self._watched: DeclaredSet | None = None
        stack.node.try_remove_child(MONITOR_ID)
        self._parts = MonitorParts(
            stack,
            schedule,
            ledger_table_arn=provider.ledger_table_arn,
            ledger_table_name=provider.ledger_table_name,
            environment_ids=lambda: [each.environment_id for each in self._declared()],
            places=lambda: [[each.environment_id, each.connector_id] for each in self._declared()],
            sets=lambda: cast(list[IConstruct], [each.resource for each in self._declared()]),
            metrics=() if detailed_metrics else monitor_metrics.ALARMED,
        )
        self._parts.declared_at = self.node.path
        self._parts.declared_by = self
        self._parts.node.add_validation(cast(IValidation, _Check(self._parts)))
        #: Alarms when the monitor's runs fail, or when there are none.
        self.silent_alarm = monitor_metrics.silent_alarm(
            self._parts,
            "SilentAlarm",
            # The smallest: one run that found everything out is enough.
            self._parts.function.metric_errors(period=periods.longest, statistic="Minimum"),
            periods=silent_periods,
        )
        monitor_topic.tell(self.silent_alarm, topic, also_without_data=True)
        #: The dashboard, where one was asked for.
        self.dashboard = (
            cloudwatch.Dashboard(self._parts, "Dashboard", default_interval=Duration.days(1)) if dashboard else None
        )
        for declared_set in provider.declared_sets:
            self._add(cast(DeclaredSet, declared_set))
        provider.on_change = self._changed
        if topic is not None:
            monitor_topic.route(self._parts, topic)

    @property
    def function(self) -> lambda_.IFunction:
        """The function that looks."""
        return cast(lambda_.IFunction, self._parts.function)

    @property
    def alarms(self) -> list[cloudwatch.Alarm]:
        """All alarms: at risk and not entitled for each environment and connector, and the silent one."""
        return [*self._at_risk.values(), *self._not_entitled.values(), self.silent_alarm]

    @property
    def at_risk_alarm(self) -> cloudwatch.Alarm:
        """The alarm on VMs at risk. Raises ValueError where the stack declares several sets: see `alarms`."""
        return self._at_risk[self._only()]

    @property
    def not_entitled_alarm(self) -> cloudwatch.Alarm:
        """The alarm on declared VMs without a licence. Raises ValueError as `at_risk_alarm` does."""
        return self._not_entitled[self._only()]

    def metric(self, metric_name: str, **options: Any) -> cloudwatch.Metric:
        """Return a metric by its name, `AtRisk` for one.

        Args:
            metric_name: one of those above.
            options: those of `aws_cloudwatch.MetricOptions`. The largest value of five minutes when left out.

        Raises:
            ValueError: there is no such metric; or the stack declares several sets, and the monitor was not made by
                `WindowsServerEntitlements.monitor`.
        """
        if metric_name not in METRICS:
            raise ValueError(f"metric_name: got {metric_name!r}, expected one of {', '.join(METRICS)}")
        return monitor_metrics.metric(self._only().place, metric_name, **options)

    def watch(self, declared_set: DeclaredSet) -> None:
        """Note whose metrics are meant where nothing else says so."""
        self._watched = declared_set

    def _only(self) -> DeclaredSet:
        found = [self._watched] if self._watched is not None else [cast(DeclaredSet, each) for each in self._at_risk]
        if len(found) != 1:
            raise ValueError(
                f"EntitlementMonitor: {self.node.path} watches {len(found)} environments and connectors, expected one: "
                "make the monitor by WindowsServerEntitlements.monitor(), or take `alarms`"
            )
        return found[0]

    def _declared(self) -> list[DeclaredSet]:
        every = (cast(DeclaredSet, each) for each in self._provider.declared_sets)
        return [each for each in every if each.is_declared]

    def _changed(self, declared_set: Construct | None, joins: bool) -> None:
        if declared_set is None:
            Stack.of(self).node.try_remove_child(MONITOR_ID)
        elif joins:
            self._add(cast(DeclaredSet, declared_set))
        else:
            for alarms in (self._at_risk, self._not_entitled):
                if (alarm := alarms.pop(declared_set, None)) is not None:
                    self._parts.node.try_remove_child(alarm.node.id)

    def _add(self, declared_set: DeclaredSet) -> None:
        place, prefix = declared_set.place, declared_set.node.id.removeprefix("EvsEntitlements")
        at_risk, not_entitled = self._thresholds
        self._at_risk[declared_set] = monitor_metrics.at_risk_alarm(
            self._parts, f"{prefix}AtRiskAlarm", place, period=self._period, threshold=at_risk
        )
        self._not_entitled[declared_set] = monitor_metrics.not_entitled_alarm(
            self._parts,
            f"{prefix}NotEntitledAlarm",
            place,
            period=self._period,
            threshold=not_entitled,
            periods=self._not_entitled_periods,
        )
        alarms = [self._at_risk[declared_set], self._not_entitled[declared_set]]
        for alarm in alarms:
            monitor_topic.tell(alarm, self._topic)
        if self.dashboard is not None:
            self.dashboard.add_widgets(monitor_dashboard.row(declared_set, alarms))


def _provider(stack: Stack) -> Provider:
    found = stack.node.try_find_child(PROVIDER_ID)
    if isinstance(found, Provider):
        return found
    raise ValueError(
        f"EntitlementMonitor: {stack.node.path} declares no entitlements yet, expected WindowsServerEntitlements first"
    )


def _is_left_behind(parts: IConstruct) -> bool:
    """Tell whether the construct that asked for a monitor was removed from the tree since."""
    return isinstance(parts, MonitorParts) and parts.declared_by is not None and not is_in_tree(parts.declared_by)


@jsii.implements(IValidation)
class _Check:
    """Called by the CDK after all aspects, before it writes the template: a monitor goes with its construct."""

    def __init__(self, parts: MonitorParts) -> None:
        self._parts = parts

    def validate(self) -> list[str]:
        if _is_left_behind(self._parts):
            Stack.of(self._parts).node.try_remove_child(MONITOR_ID)
        return []


def _check_threshold(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name}: got {value!r}, expected a whole number, 1 or more")
