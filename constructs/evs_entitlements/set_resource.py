"""The custom resource of a declared set, and how its template is filled in at the last moment.

Owns the resource's type, and that nothing makes it keep what leaves the set. Never knows which VMs are declared.
"""

from collections.abc import Callable
from typing import Any, cast

import jsii
from aws_cdk import CfnResource, IAnyProducer, IResolvable, IResolveContext, Lazy, RemovalPolicy
from constructs import Construct

from evs_entitlements.declaration import applied_policy, deletion_policy

#: Type of the custom resource. A contract: CloudFormation does not change the type of a resource.
RESOURCE_TYPE = "Custom::EvsWindowsServerEntitlements"


class SetResource(CfnResource):
    """The custom resource itself: in the template as long as somebody declares something."""

    def __init__(self, scope: Construct, is_declared: Callable[[], bool], properties: dict[str, Any]) -> None:
        # The id of an L2's own resource: its logical id is that of the construct around it.
        super().__init__(scope, "Default", type=RESOURCE_TYPE, properties=properties)
        self._is_declared = is_declared
        self.cfn_options.deletion_policy = self._initial = deletion_policy(RemovalPolicy.DESTROY)

    def _should_synthesize(self) -> bool:
        return self._is_declared()

    def add_override(self, path: str, value: Any = None) -> None:
        """Override what the template says, except what would leave VMs entitled that leave the set.

        Raises:
            ValueError: of DeletionPolicy or UpdateReplacePolicy.
        """
        if path in ("DeletionPolicy", "UpdateReplacePolicy"):
            raise ValueError(f"{path}: got an override of {value!r}, expected none: use removal_policy")
        super().add_override(path, value)

    def render(self, attribute: str, produce: Callable[[], Any]) -> None:
        """Have the template say what `produce` returns when it is written."""
        super().add_override(attribute, later(lambda _: produce()))

    @property
    def applied_policy(self) -> RemovalPolicy | None:
        """What an aspect of the whole stack, or an escape hatch, has made of the removal policy."""
        return applied_policy(self, self._initial)


@jsii.implements(IAnyProducer)
class _Later:
    """A value that is asked for each time that the template is written."""

    def __init__(self, produce: Callable[[IResolveContext], Any]) -> None:
        self._produce = produce

    def produce(self, context: IResolveContext) -> Any:
        return self._produce(context)


def later(produce: Callable[[IResolveContext], Any]) -> IResolvable:
    """Return a value that `produce` is asked for each time that the template is written."""
    return Lazy.uncached_any(cast(IAnyProducer, _Later(produce)))


def template_word(removal_policy: RemovalPolicy) -> str:
    """Return the DeletionPolicy as the template has it."""
    return "RetainExceptOnCreate" if removal_policy == RemovalPolicy.RETAIN else "Delete"
