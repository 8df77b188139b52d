"""The monitor in the template: its resources, alarms and dashboard, and that it can change nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aws_cdk import CfnParameter, Duration, Stack, Validations
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from cdk_nag import AwsSolutionsChecks
from constructs import Construct

from evs_entitlements import EntitlementMonitor, EntitlementProvider

if TYPE_CHECKING:
    from tests.unit.constructs.conftest import Synth

ENVIRONMENT, CONNECTOR = "env-abcde12345", "cnctr-abcde12345"
SNAPSHOT = Path(__file__).resolve().parent.parent / "snapshots" / "monitor.json"
OTHER = "cnctr-fghij67890"
PREFIX = "EvsEntitlementsMonitor"
METHODS = {
    "metric_declared": "Declared",
    "metric_entitled": "Entitled",
    "metric_at_risk": "AtRisk",
    "metric_removed": "Removed",
    "metric_failed": "Failed",
    "metric_missing": "Missing",
    "metric_not_entitled": "NotEntitled",
    "metric_undeclared": "Undeclared",
    "metric_connector_reachable": "ConnectorReachable",
}


def of(synth: Synth, resource_type: str, prefix: str = PREFIX) -> dict[str, Any]:
    found = synth.resources(resource_type)
    return {name.removeprefix(prefix): each["Properties"] for name, each in found.items() if name.startswith(prefix)}


def alarm(synth: Synth, name: str) -> dict[str, Any]:
    (found,) = [each for key, each in of(synth, "AWS::CloudWatch::Alarm").items() if name in key]
    return dict(found)


def test_the_template_is_the_stored_one(new_synth: Callable[..., Synth]) -> None:
    root = Path(__file__).resolve().parents[3]
    synth = new_synth(json.loads((root / "cdk.json").read_text())["context"])
    topic = sns.Topic.from_topic_arn(synth.stack, "Topic", "arn:aws:sns:eu-central-1:111122223333:on-call")
    synth.declare(synth.stack, "Windows", "vm-101").monitor(topic=topic, dashboard=True)
    resources = synth.template()["Resources"]
    of_monitor = {name: each for name, each in resources.items() if name.startswith(PREFIX)}
    for each in of_monitor.values():
        if each["Type"] == "AWS::Lambda::Function":
            each["Properties"]["Code"]["S3Key"] = "masked: the hash of the code"
    if os.environ.get("UPDATE_SNAPSHOTS") == "1":
        SNAPSHOT.write_text(json.dumps(of_monitor, indent=1) + "\n")
    assert of_monitor == json.loads(SNAPSHOT.read_text()), "if the change is meant: UPDATE_SNAPSHOTS=1"


def test_without_a_monitor_the_template_is_as_before(new_synth: Callable[..., Synth]) -> None:
    plain, watched = new_synth(), new_synth()
    plain.declare(plain.stack, "Windows", "vm-101")
    watched.declare(watched.stack, "Windows", "vm-101").monitor(dashboard=True)
    with_it = watched.template()["Resources"]
    without = {name: each for name, each in with_it.items() if not name.startswith(PREFIX)}
    assert without == plain.template()["Resources"]


def test_three_alarms_for_one_environment_and_connector(synth: Synth) -> None:
    monitor = synth.declare(synth.stack, "Windows", "vm-101").monitor()
    assert len(monitor.alarms) == len(of(synth, "AWS::CloudWatch::Alarm")) == 3
    at_risk = alarm(synth, "AtRisk")
    assert (at_risk["MetricName"], at_risk["Namespace"], at_risk["Statistic"]) == (
        "AtRisk",
        "EvsEntitlements",
        "Maximum",
    )
    assert {each["Name"]: each["Value"] for each in at_risk["Dimensions"]} == {
        "EnvironmentId": ENVIRONMENT,
        "ConnectorId": CONNECTOR,
    }
    assert (at_risk["Period"], at_risk["EvaluationPeriods"], at_risk["Threshold"]) == (300, 1, 1)
    assert at_risk["TreatMissingData"] == "ignore"
    not_entitled = alarm(synth, "NotEntitled")
    assert (not_entitled["MetricName"], not_entitled["Statistic"]) == ("NotEntitled", "Maximum")
    assert not_entitled["EvaluationPeriods"] == 2
    silent = alarm(synth, "SilentAlarm")
    assert silent["EvaluationPeriods"] == 3
    assert (silent["Namespace"], silent["MetricName"], silent["Statistic"]) == ("AWS/Lambda", "Errors", "Minimum")
    # Before the first run, during a first deployment, there is no data: no alarm.
    assert silent["TreatMissingData"] == "missing"


def test_alarm_descriptions_say_what_it_means_and_what_to_look_at(synth: Synth) -> None:
    synth.declare(synth.stack, "Windows", "vm-101").monitor()
    for name, words in {
        "AtRisk": ("AT_RISK", "8 hours", "does not reach vCenter", "password", ENVIRONMENT, CONNECTOR),
        "NotEntitled": ("unlicensed", "check --stack", "Removed: EVS took it away"),
        "SilentAlarm": ("nothing is known", "not found out", "rule in EventBridge"),
    }.items():
        text = alarm(synth, name)["AlarmDescription"]
        assert len(text) <= 1024
        for word in (*words, "Look at: 1.", "2.", "3.", "docs/on-call.md"):
            assert word in text


def test_a_topic_is_told_of_alarms_their_end_and_what_was_found(synth: Synth) -> None:
    topic = sns.Topic(synth.stack, "Topic")
    synth.declare(synth.stack, "Windows", "vm-101").monitor(topic=topic)
    (reference,) = [{"Ref": name} for name in synth.resources("AWS::SNS::Topic")]
    for name, each in of(synth, "AWS::CloudWatch::Alarm").items():
        assert each["AlarmActions"] == each["OKActions"] == [reference]
        assert each.get("InsufficientDataActions", []) == ([reference] if "SilentAlarm" in name else [])
    (rule,) = [each for name, each in of(synth, "AWS::Events::Rule").items() if name.startswith("Found")]
    assert rule["EventPattern"]["source"] == ["evs-entitlements"]
    assert rule["EventPattern"]["detail-type"] == [
        "EVS Entitlements At Risk",
        "EVS Entitlements Removed",
        "EVS Entitlements Back",
    ]
    assert rule["EventPattern"]["resources"] == [{"Ref": "AWS::StackId"}]
    assert rule["Targets"][0]["InputPath"] == "$.detail.message"


def test_alarms_may_publish_though_the_rule_gives_the_topic_a_policy(synth: Synth) -> None:
    topic = sns.Topic(synth.stack, "Topic", master_key=kms.Key(synth.stack, "Key"))
    synth.declare(synth.stack, "Windows", "vm-101").monitor(topic=topic)
    (policy,) = of(synth, "AWS::SNS::TopicPolicy", "TopicPolicy").values()
    (key,) = of(synth, "AWS::KMS::Key", "Key").values()
    for document, action in ((policy["PolicyDocument"], "sns:Publish"), (key["KeyPolicy"], "kms:GenerateDataKey*")):
        by_service = {
            each["Principal"]["Service"]: each for each in document["Statement"] if "Service" in each["Principal"]
        }
        assert set(by_service) == {"events.amazonaws.com", "cloudwatch.amazonaws.com"}
        alarms = by_service["cloudwatch.amazonaws.com"]
        assert action in alarms["Action"]
        assert alarms["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_without_a_topic_alarms_tell_nobody(synth: Synth) -> None:
    synth.declare(synth.stack, "Windows", "vm-101").monitor()
    assert not any("AlarmActions" in each for each in of(synth, "AWS::CloudWatch::Alarm").values())
    assert len(of(synth, "AWS::Events::Rule")) == 1


def test_the_role_can_look_and_tell_and_nothing_else(synth: Synth) -> None:
    synth.declare(synth.stack, "Windows", "vm-101").monitor()
    (role,) = of(synth, "AWS::IAM::Role").values()
    (policy,) = role["Policies"]
    statements = policy["PolicyDocument"]["Statement"]
    actions = [each["Action"] if isinstance(each["Action"], list) else [each["Action"]] for each in statements]
    assert sorted(action for each in actions for action in each) == sorted(
        [
            "dynamodb:GetItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
            "events:PutEvents",
            "evs:ListEnvironmentConnectors",
            "evs:ListVmEntitlements",
        ]
    )
    ledger = next(
        name for name in synth.resources("AWS::DynamoDB::Table") if name.startswith("EvsEntitlementsProvider")
    )
    for statement in statements:
        if {"Fn::GetAtt": [ledger, "Arn"]} == statement["Resource"]:
            assert statement["Action"] == "dynamodb:GetItem"
        if "evs:ListVmEntitlements" in statement["Action"]:
            assert f':environment/{ENVIRONMENT}"' in json.dumps(statement["Resource"])
            assert ":environment/*" not in json.dumps(statement["Resource"])
    assert not any(name.startswith(PREFIX) for name in synth.resources("AWS::IAM::Policy"))


def test_it_comes_after_all_sets_and_goes_before_them(synth: Synth) -> None:
    synth.declare(synth.stack, "Windows", "vm-101").monitor(dashboard=True)
    synth.declare(synth.stack, "Later", "vm-102", connector_id=OTHER)
    sets = set(synth.entitlements())
    assert len(sets) == 2
    for name, resource in synth.template()["Resources"].items():
        if name.startswith(PREFIX):
            assert sets <= set(resource["DependsOn"]), name


def test_sets_that_are_declared_later_are_watched_too(synth: Synth) -> None:
    monitor = synth.declare(synth.stack, "Windows", "vm-101").monitor(dashboard=True)
    synth.declare(synth.stack, "Later", "vm-102", connector_id=OTHER)
    assert len(monitor.alarms) == len(of(synth, "AWS::CloudWatch::Alarm")) == 5
    (function,) = of(synth, "AWS::Lambda::Function").values()
    assert json.loads(function["Environment"]["Variables"]["PLACES"]) == [
        [ENVIRONMENT, CONNECTOR],
        [ENVIRONMENT, OTHER],
    ]
    # The construct that it was made by says whose metrics are meant.
    assert monitor.metric_at_risk().dimensions == {"EnvironmentId": ENVIRONMENT, "ConnectorId": CONNECTOR}


def test_a_set_that_is_removed_takes_its_alarms_along(synth: Synth) -> None:
    synth.declare(synth.stack, "Windows", "vm-101").monitor()
    synth.declare(synth.stack, "Later", "vm-102", connector_id=OTHER)
    synth.stack.node.try_remove_child("Later")
    assert len(of(synth, "AWS::CloudWatch::Alarm")) == 3
    (function,) = of(synth, "AWS::Lambda::Function").values()
    assert OTHER not in json.dumps(function)


def test_a_set_that_is_removed_leaves_nothing_on_the_dashboard(synth: Synth) -> None:
    synth.declare(synth.stack, "Windows", "vm-101").monitor(dashboard=True)
    synth.declare(synth.stack, "Later", "vm-102", connector_id=OTHER)
    both_rows = json.dumps(synth.template())
    synth.stack.node.try_remove_child("Later")
    template = synth.template()
    assert OTHER in both_rows
    # A reference to an alarm that is gone would fail the deployment.
    assert OTHER.removeprefix("cnctr-") not in json.dumps(template)
    assert ENVIRONMENT in json.dumps(of(synth, "AWS::CloudWatch::Dashboard"))


def test_a_monitor_whose_construct_is_removed_goes_and_another_may_come(synth: Synth) -> None:
    synth.declare(synth.stack, "Windows", "vm-101")
    EntitlementMonitor(synth.stack, "Watch")
    synth.stack.node.try_remove_child("Watch")
    again = EntitlementMonitor(Construct(synth.stack, "Scope"), "Watch")
    assert len(of(synth, "AWS::CloudWatch::Alarm")) == len(again.alarms) == 3
    synth.stack.node.try_remove_child("Scope")
    assert not [name for name in synth.template()["Resources"] if name.startswith(PREFIX)]
    assert synth.entitlements()


def test_where_nothing_is_declared_any_more_there_is_no_monitor(synth: Synth) -> None:
    scope = Construct(synth.stack, "Scope")
    synth.declare(scope, "Windows", "vm-101").monitor()
    sns.Topic(synth.stack, "Topic")
    synth.stack.node.try_remove_child("Scope")
    assert {each["Type"] for each in synth.template()["Resources"].values()} == {"AWS::SNS::Topic"}


def test_environment_and_connector_may_be_tokens(synth: Synth) -> None:
    environment = CfnParameter(synth.stack, "Environment").value_as_string
    connector = CfnParameter(synth.stack, "Connector").value_as_string
    synth.declare(synth.stack, "Windows", "vm-101", environment_id=environment, connector_id=connector).monitor()
    at_risk = alarm(synth, "AtRisk")
    assert {"Name": "EnvironmentId", "Value": {"Ref": "Environment"}} in at_risk["Dimensions"]
    (function,) = of(synth, "AWS::Lambda::Function").values()
    assert {"Ref": "Connector"} in function["Environment"]["Variables"]["PLACES"]["Fn::Join"][1]
    (role,) = of(synth, "AWS::IAM::Role").values()
    assert ':environment/*"' in json.dumps(role)


def test_the_logical_ids_do_not_depend_on_where_it_is_declared(new_synth: Callable[..., Synth]) -> None:
    here, there = new_synth(), new_synth()
    here.declare(here.stack, "Windows", "vm-101").monitor()
    there.declare(there.stack, "Windows", "vm-101")
    EntitlementMonitor(Construct(there.stack, "Deep"), "Watch")
    assert here.template() == there.template()


@pytest.mark.parametrize("method", METHODS)
def test_metrics_by_cdks_conventions(synth: Synth, method: str) -> None:
    monitor = synth.declare(synth.stack, "Windows", "vm-101").monitor()
    metric = getattr(monitor, method)(period=Duration.hours(1), label="mine")
    assert (metric.namespace, metric.metric_name, metric.statistic) == ("EvsEntitlements", METHODS[method], "Maximum")
    assert (metric.period.to_minutes(), metric.label) == (60, "mine")
    assert getattr(monitor, method)().period.to_minutes() == 5


@pytest.mark.parametrize(
    ("schedule", "period"),
    [
        (events.Schedule.rate(Duration.minutes(1)), 60),
        (events.Schedule.rate(Duration.hours(1)), 3600),
        (events.Schedule.expression("cron(0/10 * * * ? *)"), 600),
        (events.Schedule.cron(minute="30"), 3600),
        (events.Schedule.expression("cron(0 */1 ? * MON-FRI *)"), 3600),
    ],
)
def test_alarms_follow_the_schedule(synth: Synth, schedule: events.Schedule, period: int) -> None:
    synth.declare(synth.stack, "Windows", "vm-101").monitor(
        schedule=schedule, not_entitled_for=Duration.hours(3), silent_for=Duration.hours(2)
    )
    assert alarm(synth, "AtRisk")["Period"] == period
    assert alarm(synth, "NotEntitled")["EvaluationPeriods"] == 3 * 3600 // period
    assert alarm(synth, "SilentAlarm")["EvaluationPeriods"] == 2 * 3600 // period


def test_runs_that_are_not_evenly_spaced_are_missed_after_the_longest_gap_and_counted_by_the_shortest(
    synth: Synth,
) -> None:
    synth.declare(synth.stack, "Windows", "vm-101").monitor(
        schedule=events.Schedule.expression("cron(0/5 8-17 * * ? *)")
    )
    assert alarm(synth, "AtRisk")["Period"] == alarm(synth, "NotEntitled")["Period"] == 300
    # From 17:55 to 8:00 there are no runs: no reason to tell anybody each evening that there are none.
    assert alarm(synth, "SilentAlarm")["Period"] == (14 * 60 + 5) * 60


def test_a_schedule_that_is_known_only_at_deployment_counts_as_five_minutes(synth: Synth) -> None:
    expression = CfnParameter(synth.stack, "Schedule").value_as_string
    synth.declare(synth.stack, "Windows", "vm-101").monitor(schedule=events.Schedule.expression(expression))
    assert alarm(synth, "SilentAlarm")["Period"] == 300


def test_thresholds(synth: Synth) -> None:
    synth.declare(synth.stack, "Windows", "vm-101").monitor(at_risk_threshold=5, not_entitled_threshold=2)
    assert (alarm(synth, "AtRisk")["Threshold"], alarm(synth, "NotEntitled")["Threshold"]) == (5, 2)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"at_risk_threshold": 0}, "at_risk_threshold: got 0, expected a whole number, 1 or more"),
        ({"not_entitled_threshold": True}, "not_entitled_threshold: got True"),
        ({"silent_for": Duration.minutes(1)}, "silent_for: got 60 seconds, expected a period of the schedule or more"),
        ({"not_entitled_for": Duration.minutes(0)}, "not_entitled_for: got 0 seconds"),
        # CloudFormation would find these out during the deployment.
        ({"not_entitled_for": Duration.hours(25)}, "not_entitled_for: got 90000 seconds, expected 86400 at the most"),
        (
            {"silent_for": Duration.days(8), "schedule": events.Schedule.rate(Duration.hours(6))},
            "silent_for: got 691200 seconds, expected 604800 at the most",
        ),
        ({"schedule": events.Schedule.rate(Duration.days(2))}, r"schedule: got rate\(2 days\), expected a run"),
    ],
)
def test_wrong_values_are_named(synth: Synth, wrong: dict[str, Any], words: str) -> None:
    entitlements = synth.declare(synth.stack, "Windows", "vm-101")
    with pytest.raises(ValueError, match=words):
        entitlements.monitor(**wrong)


def test_one_monitor_for_each_stack(synth: Synth) -> None:
    first = synth.declare(synth.stack, "Windows", "vm-101")
    second = synth.declare(synth.stack, "Later", "vm-102", connector_id=OTHER)
    first.monitor()
    with pytest.raises(ValueError, match=r"one at Stack/Windows/Monitor and one at Stack/Later/Monitor, expected one"):
        second.monitor()
    with pytest.raises(ValueError, match="declares no entitlements yet"):
        EntitlementMonitor(Stack(synth.app, "Empty"), "Monitor")


def test_a_monitor_of_several_sets_asks_which_is_meant(synth: Synth) -> None:
    synth.declare(synth.stack, "Windows", "vm-101")
    synth.declare(synth.stack, "Later", "vm-102", connector_id=OTHER)
    monitor = EntitlementMonitor(synth.stack, "Monitor")
    for ask in (monitor.metric_at_risk, lambda: monitor.at_risk_alarm, lambda: monitor.not_entitled_alarm):
        with pytest.raises(ValueError, match="watches 2 environments and connectors"):
            ask()
    with pytest.raises(ValueError, match="metric_name: got 'Nope', expected one of Declared"):
        monitor.metric("Nope")


def test_without_detailed_metrics_only_those_of_the_alarms_are_paid_for(synth: Synth) -> None:
    monitor = synth.declare(synth.stack, "Windows", "vm-101").monitor(detailed_metrics=False)
    (function,) = of(synth, "AWS::Lambda::Function").values()
    names = function["Environment"]["Variables"]["METRICS"].split(",")
    assert set(names) == {alarm(synth, "AtRisk")["MetricName"], alarm(synth, "NotEntitled")["MetricName"]}
    assert len(monitor.alarms) == 3


def test_a_dashboard_needs_all_metrics(synth: Synth) -> None:
    with pytest.raises(ValueError, match="dashboard: got True beside detailed_metrics=False"):
        synth.declare(synth.stack, "Windows", "vm-101").monitor(dashboard=True, detailed_metrics=False)


def test_the_dashboard_shows_each_place(synth: Synth) -> None:
    monitor = synth.declare(synth.stack, "Windows", "vm-101").monitor(dashboard=True)
    assert isinstance(monitor.dashboard, cloudwatch.Dashboard)
    (dashboard,) = of(synth, "AWS::CloudWatch::Dashboard").values()
    body = json.dumps(dashboard)
    for name in METHODS.values():
        assert name in body


@pytest.mark.parametrize("token", [False, True])
def test_cdk_nag_finds_nothing_without_a_written_reason(synth: Synth, token: bool) -> None:
    more = {"environment_id": CfnParameter(synth.stack, "Environment").value_as_string} if token else {}
    synth.declare(synth.stack, "Windows", "vm-1", **more).monitor(
        topic=sns.Topic(synth.stack, "Topic", enforce_ssl=True), dashboard=True
    )
    Validations.of(synth.app).add_plugins(AwsSolutionsChecks(synth.app))
    synth.template()


def test_settings_of_the_stacks_function_hold_for_the_monitor(synth: Synth) -> None:
    key = kms.Key(synth.stack, "Key", enable_key_rotation=True)
    EntitlementProvider.configure(
        synth.stack,
        architecture=lambda_.Architecture.X86_64,
        encryption_key=key,
        environment={"HTTPS_PROXY": "http://p"},
        log_retention=logs.RetentionDays.ONE_YEAR,
    )
    synth.declare(synth.stack, "Windows", "vm-101").monitor()
    (function,) = of(synth, "AWS::Lambda::Function").values()
    assert function["Architectures"] == ["x86_64"]
    assert function["Environment"]["Variables"]["HTTPS_PROXY"] == "http://p"
    (group,) = of(synth, "AWS::Logs::LogGroup").values()
    assert group["RetentionInDays"] == 365
    (table,) = of(synth, "AWS::DynamoDB::Table").values()
    assert table["SSESpecification"]["SSEType"] == "KMS"
    # Without it the encrypted ledger could not be read.
    (role,) = of(synth, "AWS::IAM::Role").values()
    assert "kms:Decrypt" in json.dumps(role)
