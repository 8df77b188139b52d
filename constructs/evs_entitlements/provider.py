"""What all declared sets of a stack share: the function, its role, its ledger table and its log group.

Owns the resources that carry out entitlements and the permissions of the function. Never knows which VMs are declared.
Never grants more than the declared environments, the stack's own ledger, log group and events, and the function itself.

All resources are below a construct that has a fixed id directly under the Stack. A function that moves would change the
ServiceToken of its custom resources, and CloudFormation refuses that ("Modifying service token is not allowed").
"""

from collections.abc import Callable, Sequence

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from evs_entitlements import lambda_code, permissions
from evs_entitlements.acknowledge import acknowledge, acknowledge_runtime, as_cdk_nag_writes_it
from evs_entitlements.environment_policy import environment_policy
from evs_entitlements.function_settings import LEDGER_TABLE_NAME, SHARED_BY_STACKS, FunctionSettings, StackSettings

#: Id of the provider under its Stack. A contract: it is part of every logical id here. Not a name that a user would
#: give a construct of their own there.
PROVIDER_ID = "EvsEntitlementsProvider"
#: Memory of the function, in MB. Lambda gives CPU in proportion to it, and a request is mostly start-up.
MEMORY_MB = 512
#: Lambda's longest. A request that takes longer is handed to a fresh invocation.
FUNCTION_TIMEOUT = Duration.minutes(15)
#: Lambda's most retries of an asynchronous event. A killed invocation is picked up again: requests are
#: idempotent.
RETRY_ATTEMPTS = 2
#: An event older than the longest ServiceTimeout (1 hour) is one that CloudFormation has given up.
MAX_EVENT_AGE = Duration.hours(1)
#: Why the role of a shared function has a wildcard.
SHARED_REASON = (
    "Which stacks use the function is not known when it is deployed. It only looks at them, by three calls, to keep "
    "what a rollback needs; stack_names narrows it to patterns."
)
#: Long enough to look into a deployment after the fact, short enough not to be paid for for ever.
LOG_RETENTION = logs.RetentionDays.THREE_MONTHS


class Provider(Construct):
    """The function of one stack, and what the function needs whatever the environment.

    A custom resource that depends on this construct can use all of it until the Delete of that resource is answered.
    """

    @classmethod
    def of(cls, stack: Stack) -> "Provider":
        """Return the provider of `stack`, made at the first call.

        Raises:
            RuntimeError: the function's code cannot be staged.
        """
        found = stack.node.try_find_child(PROVIDER_ID)
        return found if isinstance(found, Provider) else cls(stack)

    def __init__(self, stack: Stack, *, shared_with: Sequence[str] = (), function_name: str | None = None) -> None:
        """Make the function with the settings of its stack.

        Args:
            stack: where to.
            shared_with: patterns of the names of other stacks that are to use the function.
            function_name: name of the function; made by CloudFormation when left out.
        """
        super().__init__(stack, PROVIDER_ID)
        # Before anything is made: code that cannot be staged is the likeliest error here.
        code = lambda_code.lambda_code(stack)
        settings = StackSettings.of(stack)
        key = settings.get("encryption_key")
        self._table = table = self._ledger_table(key)
        self._users: dict[Construct, list[Construct]] = {}
        #: Called with each declared set, with whether it joins or leaves, and at last with None.
        self.on_change: Callable[[Construct | None, bool], None] | None = None
        log_group = logs.LogGroup(
            self,
            "LogGroup",
            retention=settings.get("log_retention", LOG_RETENTION),
            removal_policy=RemovalPolicy.DESTROY,
            encryption_key=key,
        )
        self._role = self._function_role(table, log_group, settings, shared_with)
        self._function = lambda_.Function(
            self,
            "Function",
            function_name=function_name,
            description="Makes the declared Windows Server entitlements of Amazon EVS so, for CloudFormation",
            code=code,
            handler=lambda_code.HANDLER,
            runtime=lambda_.Runtime.PYTHON_3_14,
            # Every region that has EVS has Lambda on arm64, which costs a fifth less.
            architecture=settings.get("architecture", lambda_.Architecture.ARM_64),
            timeout=FUNCTION_TIMEOUT,
            memory_size=MEMORY_MB,
            role=self._role,
            log_group=log_group,
            environment={
                **settings.get("environment", {}),
                LEDGER_TABLE_NAME: table.table_name,
                **({SHARED_BY_STACKS: "true"} if shared_with else {}),
            },
            environment_encryption=key,
            vpc=settings.get("vpc"),
            vpc_subnets=settings.get("vpc_subnets"),
            security_groups=settings.get("security_groups"),
            reserved_concurrent_executions=settings.get("reserved_concurrent_executions"),
            # The function invokes itself to wait on. Lambda would stop the chain at 16; the handler counts
            # for itself.
            recursive_loop=lambda_.RecursiveLoop.ALLOW,
        )
        acknowledge_runtime(self._function)
        if "vpc" in settings:
            # Routes, NAT gateways and endpoints: a Delete needs the network for as long as it needs the function.
            self.node.add_dependency(settings["vpc"])
        # Not the function's own props: as a resource of this construct the custom resources depend on it,
        # so that it is still there for their Delete.
        lambda_.EventInvokeConfig(
            self,
            "EventInvokeConfig",
            function=self._function,
            max_event_age=MAX_EVENT_AGE,
            retry_attempts=RETRY_ATTEMPTS,
        )
        # A policy of its own: in the role it would make a cycle, as the function depends on its role.
        iam.Policy(
            self,
            "InvokePolicy",
            roles=[self._role],
            statements=[
                iam.PolicyStatement(actions=["lambda:InvokeFunction"], resources=[self._function.function_arn])
            ],
        )

    @property
    def service_token(self) -> str:
        """ARN of the function, the custom resources' ServiceToken."""
        return self._function.function_arn

    @property
    def ledger_table_name(self) -> str:
        """Name of the ledger's table, a token."""
        return self._table.table_name

    @property
    def ledger_table_arn(self) -> str:
        """ARN of the ledger's table, a token."""
        return self._table.table_arn

    def use(self, policy: iam.Policy, declared_set: Construct) -> None:
        """Note that a declared set needs an environment's policy."""
        self._users.setdefault(policy, []).append(declared_set)
        if self.on_change is not None:
            self.on_change(declared_set, True)

    @property
    def declared_sets(self) -> list[Construct]:
        """The stack's declared sets."""
        return [each for users in self._users.values() for each in users]

    def release(self, policy: iam.Policy, declared_set: Construct) -> None:
        """Take a declared set out of the stack that nobody declares any more, and all that it alone needed."""
        stack = Stack.of(self)
        users = self._users[policy]
        users.remove(declared_set)
        stack.node.try_remove_child(declared_set.node.id)
        if self.on_change is not None:
            self.on_change(declared_set, False)
        if not users:
            del self._users[policy]
            stack.node.try_remove_child(policy.node.id)
        if not self._users:
            stack.node.try_remove_child(PROVIDER_ID)
            if self.on_change is not None:
                self.on_change(None, False)

    def environment_policy(self, environment_id: str | None) -> iam.Policy:
        """Return the policy that lets the function work in one environment, made at the first call.

        Args:
            environment_id: an id that is known at synth. None where it is a token.
        """
        return environment_policy(Stack.of(self), self._role, environment_id)

    def _ledger_table(self, key: kms.IKey | None) -> dynamodb.Table:
        table = dynamodb.Table(
            self,
            "Ledger",
            partition_key=dynamodb.Attribute(name="Id", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            removal_policy=RemovalPolicy.DESTROY,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED if key else None,
            encryption_key=key,
        )
        acknowledge(
            table,
            "AwsSolutions-DDB3",
            "The ledger says what this stack owns now. An earlier state would be wrong: restored, it would "
            "remove or leave behind entitlements.",
        )
        return table

    def _function_role(
        self, table: dynamodb.Table, log_group: logs.LogGroup, settings: FunctionSettings, shared_with: Sequence[str]
    ) -> iam.Role:
        stack, reasons = Stack.of(self), dict[str, str]()
        statements = permissions.role_statements(stack, table, log_group, shared_with)
        if shared_with:
            for resource in stack.resolve(statements[-1].resources):
                if "*" in (written := as_cdk_nag_writes_it(resource)):
                    reasons[f"Resource::{written}"] = SHARED_REASON
        if "vpc" in settings:
            statements.append(permissions.network_statement())
            reasons["Resource::*"] = "Lambda makes network interfaces by the role, and EC2 takes no narrower resource."
        if key := settings.get("encryption_key"):
            permissions.let_logs_use(key, stack)
            statements.append(permissions.key_statement(key))
            for action in ("GenerateDataKey", "ReEncrypt"):
                reasons[f"Action::kms:{action}*"] = "These are the actions that DynamoDB names, of one key alone."
        # Not AWSLambdaBasicExecutionRole: with CreateLogGroup the last lines of a deletion would bring the
        # log group back, for ever and without retention.
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            inline_policies={"LedgerLogsAndStack": iam.PolicyDocument(statements=statements)},
        )
        for rule, reason in reasons.items():
            acknowledge(role, f"AwsSolutions-IAM5[{rule}]", reason)
        return role
