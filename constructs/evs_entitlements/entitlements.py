"""The construct that users declare: which VMs of an EVS environment have a Windows Server entitlement.

Owns the public interface and its checks at synth. Never makes a resource: that is the declared set's, which
all constructs of a stack share that name the same environment and connector.
"""

from collections.abc import Sequence

import jsii
from aws_cdk import Aspects, Duration, IAspect, IResolvable, RemovalPolicy, Stack
from constructs import Construct, Dependable, IConstruct

from evs_entitlements import validation
from evs_entitlements.declared_set import DeclaredSet, Settings


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
    deployment by the same rules. A literal environment and a token that turns out to be the same are two
    sets: declare an environment in one way.

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
        adopt_existing: bool | IResolvable = False,
        removal_policy: RemovalPolicy = RemovalPolicy.DESTROY,
        timeout: Duration | None = None,
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
            timeout: how long CloudFormation waits for one operation, in whole seconds from 30 seconds to 1
                hour, which is the default and CloudFormation's limit.

        Raises:
            TypeError: a value is of a wrong type, such as a string in place of a list.
            ValueError: a value is wrong, constructs of one set disagree, or there are too many VMs for one
                stack.
            RuntimeError: the function's code cannot be staged, as when the installed botocore is too old.
        """
        super().__init__(scope, id)
        if not validation.is_token(environment_id):
            validation.check_id("environment_id", environment_id, validation.ENVIRONMENT_ID)
        if not validation.is_token(connector_id):
            validation.check_id("connector_id", connector_id, validation.CONNECTOR_ID)
        declared = validation.parse_vm_ids(vm_ids)
        validation.check_adopt_existing(adopt_existing)
        validation.check_removal_policy(removal_policy)
        # Made here, not in the signature: as a default value it would start the CDK's own process at import.
        timeout = Duration.hours(1) if timeout is None else timeout
        validation.check_timeout(timeout)
        settings = Settings(adopt_existing, removal_policy, timeout)
        declared_set = DeclaredSet.of(Stack.of(self), environment_id, connector_id, settings)
        declared_set.declare(self.node.path, declared, settings)
        Dependable.implement(self, _SharedResource(declared_set))
        Aspects.of(self).add(_ForwardDependencies(declared_set))


class _SharedResource(Dependable):
    """To depend on the construct is to depend on the resource of its declared set."""

    def __init__(self, declared_set: DeclaredSet) -> None:
        super().__init__()
        self._declared_set = declared_set

    @property
    def dependency_roots(self) -> list[IConstruct]:
        return [self._declared_set]


@jsii.implements(IAspect)
class _ForwardDependencies:
    """What the construct, or one around it, depends on, the resource of its declared set depends on.

    As an aspect, because dependencies may be added until synth. The CDK would look for resources of the
    construct below it in the tree, where there are none.
    """

    def __init__(self, declared_set: DeclaredSet) -> None:
        self._declared_set = declared_set

    def visit(self, node: IConstruct) -> None:
        stack = Stack.of(node)
        for scope in reversed(node.node.scopes):
            if scope.node.path == stack.node.path:
                return
            for dependency in scope.node.dependencies:
                self._declared_set.node.add_dependency(dependency)
