"""The construct that users declare: which VMs of an EVS environment have a Windows Server entitlement.

Owns the public interface and its checks at synth. Never makes a resource: that is the declared set's, which
all constructs of a stack share that name the same environment and connector.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from aws_cdk import Annotations, Duration, IResolvable, RemovalPolicy, ResolutionTypeHint, Stack, Token
from aws_cdk import aws_iam as iam
from constructs import Construct, Dependable, IConstruct

from evs_entitlements import lookups, reading, validation
from evs_entitlements.declaration import Declaration, still_declared
from evs_entitlements.declared_set import DeclaredSet
from evs_entitlements.identity import known_id
from evs_entitlements.lookups import Checks
from evs_entitlements.provider import Provider
from evs_entitlements.settings import Settings
from evs_entitlements.validation import VmIds

if TYPE_CHECKING:
    from aws_cdk import aws_events as events
    from aws_cdk import aws_sns as sns

    from evs_entitlements.monitor import EntitlementMonitor

#: CloudFormation's default, and its limit.
DEFAULT_TIMEOUT = Duration.hours(1)


class WindowsServerEntitlements(Construct):
    """Windows Server entitlements for VMs of an Amazon EVS environment.

    Creating the stack entitles the VMs and waits until EVS has validated them; updating it entitles new
    ones first and removes those that left once the whole update has succeeded; deleting it removes them.
    Entitlements that this stack neither created nor took over are never removed.

    Constructs of one stack that name the same environment and connector declare one set together: the union
    of their VMs is one custom resource, so that constructs can be renamed, moved, split and merged within
    the stack without any effect on entitlements. Other constructs may depend on this one, and it on them:
    the dependency holds for the whole set.

    Every value may be a token (of a CfnParameter, an import, another stack); tokens are checked at
    deployment by the same rules. What a token of the environment or the connector stands for is looked at when
    the construct is made, since the set is known by it; so a Lazy has to know its value by then. A literal
    environment and a token that turns out to be the same are two sets: declare an environment in one way.

    See https://docs.aws.amazon.com/evs/latest/userguide/ (Windows Server licensing).
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  the name that every construct gives it
        *,
        environment_id: str,
        connector_id: str,
        vm_ids: Sequence[str],
        adopt_existing: bool | str | IResolvable = False,
        removal_policy: RemovalPolicy = RemovalPolicy.DESTROY,
        timeout: Duration = DEFAULT_TIMEOUT,
    ) -> None:
        """Declare entitlements.

        Args:
            scope: the construct that this one is in, within a Stack.
            id: the id in that scope; it has no influence on the template.
            environment_id: id of the EVS environment, `env-` and 10 letters or digits.
            connector_id: id of the environment's vCenter connector, `cnctr-` and 10 letters or digits.
            vm_ids: managed object ids of the VMs in vCenter, `vm-` and digits; one or more, a duplicate
                counts once. About 10,000 fit into one stack.
            adopt_existing: whether to take over entitlements that exist already and that this stack did not
                make. When False (the default), they are a conflict and the deployment fails without having
                changed anything.
            removal_policy: DESTROY (the default) removes the entitlements with the stack, or when a whole set leaves
                it; RETAIN leaves them then, and you pay for them until you remove them. Either way a single VM that
                leaves the set loses its entitlement, and a first deployment that is rolled back leaves none.
            timeout: how long CloudFormation waits for one operation, in whole seconds up to 1 hour, which is the
                default and CloudFormation's limit. Below 30 seconds there is a warning: hardly anything can be
                done in it.

        Raises:
            TypeError: a value is of a wrong type, such as a string in place of a list.
            ValueError: a value is wrong, constructs of one set disagree, or there are too many VMs for one
                stack. Neither is raised while a context lookup of the app is outstanding, nor in an app that the
                CDK CLI runs: the CLI prints the error of the construct as one line, and deploys nothing.
            RuntimeError: the function's code cannot be staged, as when the installed botocore is too old.
        """
        super().__init__(scope, id)
        stack = Stack.of(self)
        vm_ids = list(vm_ids) if isinstance(vm_ids, Iterator) else vm_ids
        checks = Checks()
        declared: VmIds | None = None
        settings = Settings(adopt_existing=False, removal_policy=RemovalPolicy.DESTROY, timeout=DEFAULT_TIMEOUT)
        with checks.check():
            _check_identity(stack, "environment_id", environment_id)
        with checks.check():
            _check_identity(stack, "connector_id", connector_id)
        with checks.check():
            declared = validation.parse_vm_ids(vm_ids)
        with checks.check():
            validation.check_adopt_existing(adopt_existing)
            settings = replace(settings, adopt_existing=adopt_existing)
        with checks.check():
            validation.check_removal_policy(removal_policy)
            settings = replace(settings, removal_policy=removal_policy)
        with checks.check():
            validation.check_timeout(timeout)
            settings = replace(settings, timeout=timeout)
        # Before anything is made: what is refused leaves nothing in the stack.
        lookups.report(self, checks.errors)
        self._declare(environment_id, connector_id, declared or validation.vm_ids_as_given(vm_ids), settings)

    @property
    def count(self) -> float:
        """How many VMs the set declares, all its constructs together: a number token, known after the deployment."""
        return Token.as_number(self._declared_set.resource.get_att("Count", ResolutionTypeHint.NUMBER))

    @property
    def physical_id(self) -> str:
        """The PhysicalResourceId of the set's resource, a token. It is another one after each change of the set.

        What uses this id is updated with each change. Use it to run something anew, never as a lasting name.
        """
        return self._declared_set.resource.ref

    def grant_read(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let somebody look at what the stack declares and at what EVS holds, and change nothing.

        That is what `evs-entitlements list --environment` and `check --stack` need, and a dashboard of one's own:
        `evs:ListEnvironmentConnectors` and `evs:ListVmEntitlements` on the environment, `cloudformation:DescribeStacks`
        and `ListStackResources` on the stack, `dynamodb:GetItem` on the ledger. The grant leaves out what AWS can't
        limit to a resource: `evs:ListEnvironments`, for the command without `--environment`.

        Args:
            grantee: a role, user, function or other principal; it may be of another stack.
        """
        ledger_table_arn = Provider.of(Stack.of(self)).ledger_table_arn
        return reading.grant_read(grantee, self, environment_id=self._environment_id, ledger_table_arn=ledger_table_arn)

    def monitor(
        self,
        *,
        schedule: "events.Schedule | None" = None,
        topic: "sns.ITopic | None" = None,
        dashboard: bool = False,
        detailed_metrics: bool = True,
        at_risk_threshold: int = 1,
        not_entitled_threshold: int = 1,
        not_entitled_for: Duration | None = None,
        silent_for: Duration | None = None,
    ) -> "EntitlementMonitor":
        """Watch the stack's entitlements: metrics, alarms, events. One for each stack, for all that it declares.

        The `metric_...` methods of what is returned mean the environment and connector of this construct. Arguments and
        errors are those of `EntitlementMonitor`.
        """
        # Who does without a monitor does not wait for the modules that it needs.
        from evs_entitlements.monitor import EntitlementMonitor

        monitor = EntitlementMonitor(
            self,
            "Monitor",
            schedule=schedule,
            topic=topic,
            dashboard=dashboard,
            detailed_metrics=detailed_metrics,
            at_risk_threshold=at_risk_threshold,
            not_entitled_threshold=not_entitled_threshold,
            not_entitled_for=not_entitled_for,
            silent_for=silent_for,
        )
        monitor.watch(self._declared_set)
        return monitor

    def _declare(self, environment_id: str, connector_id: str, vm_ids: VmIds, settings: Settings) -> None:
        if validation.is_short(settings.timeout):
            Annotations.of(self).add_warning_v2(
                "evs-entitlements:shortTimeout",
                f"timeout: got {settings.timeout.to_seconds():g} seconds; a deployment that takes longer fails and is "
                f"undone, and below {validation.TIMEOUT_SHORT_SECONDS} seconds hardly any is done in time",
            )
        self._environment_id = environment_id
        self._declared_set = declared_set = DeclaredSet.of(Stack.of(self), environment_id, connector_id)
        checks = Checks()
        with checks.check():
            declaration = declared_set.declare(self, vm_ids, settings)
            for around in declaration.scopes:
                _WithSets.on(around).declared.append((declaration, declared_set))
        # For escape hatches; shared by all constructs of the set.
        self.node.default_child = declared_set.resource
        lookups.report(self, checks.errors)


def _check_identity(stack: Stack, name: str, value: object) -> None:
    known = value
    if validation.is_token(value):
        known = known_id(stack, value)
        if known is None:
            return
    validation.check_id(name, known, validation.ENVIRONMENT_ID if name == "environment_id" else validation.CONNECTOR_ID)


class _WithSets(Dependable):
    """To depend on a construct is to depend on the resources of the sets that are declared in it, too.

    The CDK would look for resources below it in the tree, where those of sets are not.
    """

    def __init__(self, before: Dependable) -> None:
        super().__init__()
        self._before = before
        self.declared: list[tuple[Declaration, DeclaredSet]] = []

    @classmethod
    def on(cls, scope: IConstruct) -> "_WithSets":
        """Return that of a construct, put in place at the first call."""
        found = Dependable.of(scope)
        if isinstance(found, cls):
            return found
        made = cls(found)
        Dependable.implement(scope, made)
        return made

    @property
    def dependency_roots(self) -> list[IConstruct]:
        there = {id(each) for each in still_declared(declaration for declaration, _ in self.declared)}
        sets = [declared_set for declaration, declared_set in self.declared if id(declaration) in there]
        return [*self._before.dependency_roots, *dict.fromkeys(sets)]
