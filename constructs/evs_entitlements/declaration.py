"""What one construct declares, at the place in the tree where its user put it.

Owns a resource that every aspect around the construct sees, and that is in no template. What an aspect does to it
(removal policy, override, metadata, condition) and what the construct depends on is handed on to the declared
set's own resource, which is in the template. Never makes anything itself.

The set's own resource can't be at that place: its logical id would follow the place. CloudFormation would then create
and delete the resource when a user moves the construct.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import Any, cast

from aws_cdk import CfnCondition, CfnDeletionPolicy, CfnResource, RemovalPolicy, Stack
from constructs import Construct, IConstruct, Node

from evs_entitlements.validation import VmIds

#: Id of a declaration under its construct.
DECLARATION_ID = "Declaration"
#: A construct, the identity of the one around it, and that one's node.
_Place = tuple[IConstruct, int, Node]
_DELETION_POLICIES = {
    # A first deployment that is rolled back leaves nothing behind.
    RemovalPolicy.RETAIN: CfnDeletionPolicy.RETAIN_EXCEPT_ON_CREATE,
    RemovalPolicy.DESTROY: CfnDeletionPolicy.DELETE,
}


def deletion_policy(removal_policy: RemovalPolicy) -> CfnDeletionPolicy:
    """Return the DeletionPolicy of the template for DESTROY or RETAIN."""
    return _DELETION_POLICIES[removal_policy]


def applied_policy(resource: CfnResource, initial: CfnDeletionPolicy) -> RemovalPolicy | None:
    """Return what an aspect or a user has made of a resource's removal policy; None where nobody did anything.

    `initial` is the DeletionPolicy that the resource was made with, without an UpdateReplacePolicy:
    `apply_removal_policy` sets both, also where the DeletionPolicy stays what it was.
    """
    options = resource.cfn_options
    # Each reading asks the CDK's Node.
    policy = options.deletion_policy
    if policy == initial and options.update_replace_policy is None:
        return None
    if policy == CfnDeletionPolicy.SNAPSHOT:
        # An app that does not make this an error of its own is told by the CDK that it is ignored.
        return None
    return RemovalPolicy.DESTROY if policy == CfnDeletionPolicy.DELETE else RemovalPolicy.RETAIN


class Declaration(CfnResource):
    """The VMs that one construct declares; in the tree, not in the template."""

    def __init__(
        self,
        construct: Construct,
        target: CfnResource,
        vm_ids: VmIds,
        removal_policy: RemovalPolicy,
        properties: dict[str, Any],
    ) -> None:
        """Declare.

        Args:
            construct: the construct that declares.
            target: the declared set's resource, to which all is handed on.
            vm_ids: its VMs.
            removal_policy: as given to the construct.
            properties: what aspects that check resources see.
        """
        super().__init__(construct, DECLARATION_ID, type=target.cfn_resource_type, properties=properties)
        # References, and what the CDK CLI tells of a logical id, then mean the resource that is in the template.
        self.override_logical_id(target.logical_id)
        self.path = construct.node.path
        self.vm_ids = vm_ids
        self.removal_policy = removal_policy
        #: The construct and those around it, from the inside out, without the stack.
        self.scopes = scopes(construct)
        self.places = _places([*self.scopes, cast(IConstruct, self.stack)])
        self._target = target
        self.cfn_options.deletion_policy = self._initial = deletion_policy(removal_policy)

    def _should_synthesize(self) -> bool:
        return False

    def add_override(self, path: str, value: Any = None) -> None:
        """Hand an override on, those of properties too: the CDK comes here for all of them."""
        self._target.add_override(path, value)

    def add_metadata(self, key: str, value: Any) -> None:
        """Hand metadata on."""
        self._target.add_metadata(key, value)

    @property
    def applied_policy(self) -> RemovalPolicy | None:
        """What an aspect around the construct has made of its removal policy."""
        return applied_policy(self, self._initial)

    @property
    def condition(self) -> CfnCondition | None:
        """The condition that an aspect has set."""
        return self.cfn_options.condition

    def dependencies(self) -> list[CfnResource]:
        """Return the resources of the same stack that come first because the construct, or one around it, says so."""
        stack = self.stack.node.path
        found = [each for each in self.obtain_dependencies() if isinstance(each, CfnResource)]
        return [
            each
            for each in found
            if not isinstance(each, Declaration) and each is not self._target and each.stack.node.path == stack
        ]

    def unsupported(self) -> list[str]:
        """Return the names of the resource attributes that are set and that mean nothing for entitlements."""
        options = self.cfn_options
        named = {"CreationPolicy": options.creation_policy, "UpdatePolicy": options.update_policy}
        return [name for name, value in named.items() if value is not None]


def scopes(construct: IConstruct) -> list[IConstruct]:
    """Return a construct and those around it, from the inside out, up to its stack and without it."""
    stack = Stack.of(construct).node.path
    around = list(reversed(construct.node.scopes))
    return around[: [scope.node.path for scope in around].index(stack)]


def still_declared(declarations: Iterable[Declaration]) -> list[Declaration]:
    """Return the declarations that are still in the tree: `try_remove_child` may have taken out a construct around."""
    children: dict[int, set[int]] = {}
    return [each for each in declarations if _are_children(each.places, children)]


def is_in_tree(construct: IConstruct) -> bool:
    """Tell whether a construct, and all around it up to its stack, are in the tree still."""
    return _are_children(_places([*scopes(construct), cast(IConstruct, Stack.of(construct))]), {})


def _places(around: list[IConstruct]) -> list[_Place]:
    # A construct has one node for ever, and asking the CDK's Node for it takes as long as asking for its children.
    return [(child, id(parent), parent.node) for child, parent in pairwise(around)]


def _are_children(places: list[_Place], children: dict[int, set[int]]) -> bool:
    def is_child(child: IConstruct, parent: int, node: Node) -> bool:
        # By identity: another construct may have taken the place and the name of one that was removed. The CDK's
        # Python runtime keeps one object for each construct. A parent's children are asked for once.
        if parent not in children:
            children[parent] = {id(each) for each in node.children}
        return id(child) in children[parent]

    return all(is_child(*place) for place in places)


def two_values(values: dict[str, str], label: str) -> str:
    """Return the error that names two constructs whose values differ though they declare one set.

    Args:
        values: path of each construct -> its value; not all are the same.
        label: the set in words.
    """
    # In order of path, so that the error is the same whichever was declared first.
    in_order = sorted(values.items())
    path_1, value_1 = in_order[0]
    path_2, value_2 = next((path, value) for path, value in in_order if value != value_1)
    return (
        f"got {value_1} from {path_1} and {value_2} from {path_2}, expected one value: "
        f"both declare entitlements of one set ({label})"
    )
