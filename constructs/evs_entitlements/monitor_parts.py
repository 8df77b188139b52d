"""What carries the monitor out: the second function, its role, its table, its log group, its schedule.

Owns these resources and that the role can change nothing: neither an entitlement, nor the ledger, nor the stack. All is
made under a fixed id directly under the Stack, as the provider is, so that a monitor may be declared anywhere in it.
"""

from collections.abc import Callable, Sequence
from typing import cast

import jsii
from aws_cdk import Aws, Duration, IListProducer, IResolveContext, Lazy, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct, Dependable, IConstruct

from evs_entitlements import lambda_code, permissions
from evs_entitlements.acknowledge import acknowledge, acknowledge_runtime, as_cdk_nag_writes_it
from evs_entitlements.function_settings import StackSettings
from evs_entitlements.provider import LOG_RETENTION
from evs_entitlements.set_resource import later
from evs_entitlements.validation import ENVIRONMENT_ID

#: Id under the Stack. A contract: it is part of every logical id here.
MONITOR_ID = "EvsEntitlementsMonitor"
#: The function's handler, as Lambda names it.
HANDLER = "lambda_handler.monitor.main.handler"
#: Memory in MB, by measurement: see docs/performance.md.
MEMORY_MB = 512
#: Longer than the list of 10,000 entitlements takes, shorter than the default schedule.
TIMEOUT = Duration.minutes(4)
#: What a run needs of EVS.
_READS = ("evs:ListEnvironmentConnectors", "evs:ListVmEntitlements")


class MonitorParts(Construct):
    """The monitor's resources.

    Args:
        ledger_table_arn, ledger_table_name: of the stack's ledger.
        environment_ids: gives the environments that the stack declares something for; tokens among them. Asked each
            time that the template is written.
        places: gives `[environment id, connector id]` of each declared set, likewise.
        metrics: which values are metrics; all where it is empty.
        sets: gives the declared sets, which the monitor depends on: it comes after them and goes before them, so that
            the removal of a stack raises no alarm.
    """

    def __init__(
        self,
        stack: Stack,
        schedule: events.Schedule,
        *,
        ledger_table_arn: str,
        ledger_table_name: str,
        environment_ids: Callable[[], list[str]],
        places: Callable[[], list[list[str]]],
        sets: Callable[[], list[IConstruct]],
        metrics: Sequence[str] = (),
    ) -> None:
        super().__init__(stack, MONITOR_ID)
        #: Path of the construct that asked for it, for errors.
        self.declared_at = ""
        #: That construct itself.
        self.declared_by: Construct | None = None
        self._environment_ids = environment_ids
        # Those of the stack's other function hold for this one, too, but for the concurrency that is reserved for that.
        self._settings = settings = StackSettings.of(stack)
        key = settings.get("encryption_key")
        table = self._table(key)
        log_group = logs.LogGroup(
            self,
            "LogGroup",
            retention=settings.get("log_retention", LOG_RETENTION),
            removal_policy=RemovalPolicy.DESTROY,
            encryption_key=key,
        )
        self.function = lambda_.Function(
            self,
            "Function",
            description="Looks at Windows Server entitlements of Amazon EVS, and changes nothing",
            code=lambda_code.lambda_code(stack),
            handler=HANDLER,
            runtime=lambda_.Runtime.PYTHON_3_14,
            architecture=settings.get("architecture", lambda_.Architecture.ARM_64),
            timeout=TIMEOUT,
            memory_size=MEMORY_MB,
            role=self._role(table, log_group, ledger_table_arn),
            log_group=log_group,
            environment={
                **settings.get("environment", {}),
                "LEDGER_TABLE_NAME": ledger_table_name,
                "MONITOR_TABLE_NAME": table.table_name,
                "STACK_ID": Aws.STACK_ID,
                "PLACES": stack.to_json_string(later(lambda _: places())),
                **({"METRICS": ",".join(metrics)} if metrics else {}),
            },
            environment_encryption=key,
            vpc=settings.get("vpc"),
            vpc_subnets=settings.get("vpc_subnets"),
            security_groups=settings.get("security_groups"),
            # The next run comes anyway. So each error counts once.
            retry_attempts=0,
            max_event_age=Duration.minutes(5),
        )
        acknowledge_runtime(self.function)
        events.Rule(
            self,
            "Schedule",
            description="When the monitor of Windows Server entitlements looks",
            schedule=schedule,
            targets=[targets.LambdaFunction(self.function, retry_attempts=0)],
        )
        after = Construct(self, "After")
        Dependable.implement(after, _Sets(sets))
        self.node.add_dependency(after)

    def _table(self, key: kms.IKey | None) -> dynamodb.Table:
        table = dynamodb.Table(
            self,
            "Memory",
            partition_key=dynamodb.Attribute(name="Id", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            removal_policy=RemovalPolicy.DESTROY,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED if key else None,
            encryption_key=key,
        )
        acknowledge(
            table,
            "AwsSolutions-DDB3",
            "The monitor's memory of its last run. To lose it costs one round of events.",
        )
        return table

    def _role(self, table: dynamodb.Table, log_group: logs.LogGroup, ledger_table_arn: str) -> iam.Role:
        stack, more, reasons = Stack.of(self), list[iam.PolicyStatement](), dict[str, str]()
        if "vpc" in self._settings:
            more.append(permissions.network_statement())
            reasons["Resource::*"] = "Lambda makes network interfaces by the role, and EC2 takes no narrower resource."
        if key := self._settings.get("encryption_key"):
            more.append(permissions.key_statement(key))
            for action in ("GenerateDataKey", "ReEncrypt"):
                reasons[f"Action::kms:{action}*"] = "These are the actions that DynamoDB names, of one key alone."
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            inline_policies={
                "LookAndTell": iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(actions=["dynamodb:GetItem"], resources=[ledger_table_arn]),
                        iam.PolicyStatement(
                            actions=["dynamodb:GetItem", "dynamodb:PutItem"], resources=[table.table_arn]
                        ),
                        iam.PolicyStatement(
                            actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                            resources=[log_group.log_group_arn],
                        ),
                        iam.PolicyStatement(
                            actions=["events:PutEvents"],
                            resources=[
                                stack.format_arn(service="events", resource="event-bus", resource_name="default")
                            ],
                        ),
                        iam.PolicyStatement(
                            actions=list(_READS),
                            resources=Lazy.uncached_list(cast(IListProducer, _Arns(stack, self._environment_ids))),
                        ),
                        *more,
                    ]
                )
            },
        )
        for rule, reason in reasons.items():
            acknowledge(role, f"AwsSolutions-IAM5[{rule}]", reason)
        any_environment = stack.format_arn(service="evs", resource="environment", resource_name="*")
        acknowledge(
            role,
            f"AwsSolutions-IAM5[Resource::{as_cdk_nag_writes_it(stack.resolve(any_environment))}]",
            "An environment is a token: its id is known only at deployment. These actions only read.",
        )
        return role


class _Sets(Dependable):
    def __init__(self, sets: Callable[[], list[IConstruct]]) -> None:
        super().__init__()
        self._sets = sets

    @property
    def dependency_roots(self) -> list[IConstruct]:
        return self._sets()


@jsii.implements(IListProducer)
class _Arns:
    """The ARNs of the environments; that of all where one is a token."""

    def __init__(self, stack: Stack, environment_ids: Callable[[], list[str]]) -> None:
        self._stack = stack
        self._environment_ids = environment_ids

    def produce(self, _context: IResolveContext) -> list[str]:
        ids = self._environment_ids()
        known = sorted(set(ids)) if all(ENVIRONMENT_ID.fullmatch(each) for each in ids) else ["*"]
        return [self._stack.format_arn(service="evs", resource="environment", resource_name=each) for each in known]
