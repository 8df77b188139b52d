"""The topic that the monitor tells: of alarms and their end, and in words of what was found.

Owns who may publish to it. Never makes the topic.
"""

from aws_cdk import Annotations, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

#: `source` of the monitor's events, and the detail-types that somebody should hear of.
EVENT_SOURCE = "evs-entitlements"
TOLD = ("EVS Entitlements At Risk", "EVS Entitlements Removed", "EVS Entitlements Back")


def tell(alarm: cloudwatch.Alarm, topic: sns.ITopic | None, *, also_without_data: bool = False) -> None:
    """Let an alarm tell a topic, where there is one, of itself and of its end."""
    if topic is None:
        return
    action = actions.SnsAction(topic)
    alarm.add_alarm_action(action)
    alarm.add_ok_action(action)
    if also_without_data:
        alarm.add_insufficient_data_action(action)


def route(scope: Construct, topic: sns.ITopic) -> None:
    """Let what a run has found reach the topic in words: an alarm's description can't say what only a run knows."""
    events.Rule(
        scope,
        "Found",
        description="What the monitor of Windows Server entitlements found, for people",
        event_pattern=events.EventPattern(
            source=[EVENT_SOURCE], detail_type=list(TOLD), resources=[Stack.of(scope).stack_id]
        ),
        targets=[targets.SnsTopic(topic, message=events.RuleTargetInput.from_event_path("$.detail.message"))],
    )
    _let_alarms_publish(Stack.of(scope), topic)
    if topic.node.default_child is None:
        Annotations.of(scope).add_info_v2(
            "evs-entitlements:importedTopic",
            f"topic: {topic.node.path} is not of this app: its policy has to let cloudwatch.amazonaws.com and "
            "events.amazonaws.com publish",
        )


def _let_alarms_publish(stack: Stack, topic: sns.ITopic) -> None:
    """Let the alarms of this account publish.

    A topic without a policy takes them by SNS's own default one. The rule above gives it a policy, which takes the
    place of that; CDK's alarm action adds nothing to it, nor to the policy of the topic's key. See
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
    """
    alarms = iam.ServicePrincipal("cloudwatch.amazonaws.com")
    of_account = {"StringEquals": {"aws:SourceAccount": stack.account}}
    topic.add_to_resource_policy(
        iam.PolicyStatement(
            actions=["sns:Publish"], principals=[alarms], resources=[topic.topic_arn], conditions=of_account
        )
    )
    if topic.master_key is not None:
        topic.master_key.add_to_resource_policy(
            iam.PolicyStatement(
                actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                principals=[alarms],
                resources=["*"],
                conditions=of_account,
            )
        )
