"""The one custom resource for each stack, environment and connector: the union of what is declared.

Owns the logical id, the properties and the dependencies of that resource, and that its constructs agree.
Never looks at where in the stack a construct is: a resource per construct would make renaming, moving,
splitting or merging constructs a create and a delete to CloudFormation, and the delete would take away what
the create had just taken over.
"""

import json
from dataclasses import dataclass
from typing import Any, cast

import jsii
from aws_cdk import (
    CfnDeletionPolicy,
    CfnResource,
    CustomResource,
    Duration,
    IAnyProducer,
    IResolvable,
    IResolveContext,
    Lazy,
    RemovalPolicy,
    Stack,
)

from evs_entitlements.provider import Provider
from evs_entitlements.token_keys import digest, token_key
from evs_entitlements.validation import (
    CONNECTOR_ID,
    ENVIRONMENT_ID,
    VmIds,
    check_id,
    is_dynamic_reference,
    is_token,
)

#: Type of the custom resource. A contract: CloudFormation does not change the type of a resource.
RESOURCE_TYPE = "Custom::EvsWindowsServerEntitlements"
#: The event that CloudFormation is sure to hand to the function asynchronously, at most, in bytes: Lambda's limit for
#: long. Lambda takes 1 MB of late, but what CloudFormation hands over is not documented.
#: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
EVENT_BYTES = 256 * 1024
#: Set aside in the event for all but the VM ids: ResponseURL, ARNs, the other properties, a hand-over's
#: bookkeeping.
EVENT_RESERVE_BYTES = 8 * 1024
#: What VmIds may take. An Update carries them twice, in ResourceProperties and in OldResourceProperties.
VM_IDS_BYTES = (EVENT_BYTES - EVENT_RESERVE_BYTES) // 2


@dataclass(frozen=True)
class Settings:
    """What the constructs of one declared set must agree on."""

    adopt_existing: bool | str | IResolvable
    removal_policy: RemovalPolicy
    timeout: Duration

    def comparable(self, stack: Stack) -> dict[str, str]:
        """Return property -> value in words; equal words mean equal values, also of tokens."""
        # A token may stand for what another construct gives as a literal: both are written in the same way.
        adopt_existing = token_key(stack, self.adopt_existing)
        word = adopt_existing.strip('"').capitalize()
        return {
            "adopt_existing": word if word in ("True", "False") else adopt_existing,
            "removal_policy": self.removal_policy.name,
            "timeout": f"{token_key(stack, self.timeout.to_seconds())} seconds",
        }


@jsii.implements(IAnyProducer)
class _Union:
    """The union of the declared VMs, in an order that does not depend on the order of construction."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self.literals: set[str] = set()
        self.tokens: list[str | IResolvable] = []

    def produce(self, _context: IResolveContext) -> Any:
        # By number, as a person would sort them. Tokens follow, each a VM id or a list for the function to
        # flatten. What a token stands for is asked only now: a Lazy that is resolved before keeps, for ever, what it
        # was then.
        literals = sorted(self.literals, key=lambda vm_id: (int(vm_id.removeprefix("vm-")), vm_id))
        tokens = {token_key(self._stack, token): token for token in self.tokens}
        return [*literals, *(token for _, token in sorted(tokens.items()))]


class DeclaredSet(CustomResource):
    """The entitlements that one stack declares for one environment and connector."""

    @classmethod
    def of(cls, stack: Stack, environment_id: str, connector_id: str, settings: Settings) -> "DeclaredSet":
        """Return the declared set of `stack` for an environment and a connector, made at the first call.

        Raises:
            ValueError: a token resolves, already at synth, to what is no environment or connector id.
            RuntimeError: the function's code cannot be staged.
        """
        environment_id, environment_part = _identity(stack, "environment_id", environment_id)
        connector_id, connector_part = _identity(stack, "connector_id", connector_id)
        set_id = f"EvsEntitlements{environment_part}{connector_part}"
        found = stack.node.try_find_child(set_id)
        # The CDK's Python runtime keeps every object for ever, so that this is the very object made before.
        return found if isinstance(found, DeclaredSet) else cls(stack, set_id, environment_id, connector_id, settings)

    def __init__(self, stack: Stack, set_id: str, environment_id: str, connector_id: str, settings: Settings) -> None:
        provider = Provider.of(stack)
        union = _Union(stack)
        super().__init__(
            stack,
            set_id,
            resource_type=RESOURCE_TYPE,
            service_token=provider.service_token,
            service_timeout=settings.timeout,
            removal_policy=settings.removal_policy,
            properties={
                "EnvironmentId": environment_id,
                "ConnectorId": connector_id,
                "VmIds": Lazy.uncached_any(cast(IAnyProducer, union)),
                "AdoptExisting": settings.adopt_existing,
            },
        )
        self._stack = stack
        self._union = union
        names = f"environment {_words(stack, environment_id)}, connector {_words(stack, connector_id)}"
        self._label = f"{stack.node.path}, {names}"
        self._settings = settings.comparable(stack)
        self._first_path: str | None = None
        self._vm_ids_bytes = len("[]")
        self._set_deletion_policy(settings.removal_policy)
        # All that a Delete needs must outlive this resource; CloudFormation deletes in reverse order of
        # dependency.
        self.node.add_dependency(provider)
        literal = None if is_token(environment_id) else environment_id
        self.node.add_dependency(provider.environment_policy(literal))

    def declare(self, path: str, vm_ids: VmIds, settings: Settings) -> None:
        """Add the VMs that the construct at `path` declares.

        Raises:
            ValueError: the construct and an earlier one disagree, or the event of the function would be too
                large.
        """
        self._check_agreement(path, settings)
        for vm_id in vm_ids.literals:
            if vm_id not in self._union.literals:
                self._union.literals.add(vm_id)
                self._vm_ids_bytes += len(json.dumps(vm_id)) + len(",")
        self._union.tokens += vm_ids.tokens
        self._check_size(path)

    def _check_agreement(self, path: str, settings: Settings) -> None:
        if self._first_path is None:
            self._first_path = path
            return
        declared = settings.comparable(self._stack)
        for name, value in declared.items():
            if value != self._settings[name]:
                # In order of path, so that the error is the same whichever was declared first.
                (path_1, value_1), (path_2, value_2) = sorted([(self._first_path, self._settings[name]), (path, value)])
                raise ValueError(
                    f"{name}: got {value_1} from {path_1} and {value_2} from {path_2}, expected one value: "
                    f"both declare entitlements of one set ({self._label})"
                )

    def _check_size(self, path: str) -> None:
        if self._vm_ids_bytes <= VM_IDS_BYTES:
            return
        count = len(self._union.literals)
        fit = count * VM_IDS_BYTES // self._vm_ids_bytes
        stacks = -(-count // fit)
        raise ValueError(
            f"vm_ids: got {count} VM ids of {self._vm_ids_bytes} bytes in one stack for one environment and "
            f"connector ({self._label}; at {path}), expected at most {VM_IDS_BYTES} bytes, about {fit} such "
            f"ids: an update carries them twice in a Lambda event of {EVENT_BYTES // 1024} KB; split the VMs "
            f"over {stacks} or more stacks, each VM in one of them"
        )

    def _set_deletion_policy(self, removal_policy: RemovalPolicy) -> None:
        resource = cast(CfnResource, self.node.default_child)
        if removal_policy == RemovalPolicy.RETAIN:
            # A first deployment that is rolled back leaves nothing behind.
            resource.cfn_options.deletion_policy = CfnDeletionPolicy.RETAIN_EXCEPT_ON_CREATE
        # A changed set is a replacement to CloudFormation. Retained, it would leave every VM that left the set
        # entitled and paid for. An override, since aspects such as RemovalPolicies set it for all resources.
        resource.add_override("UpdateReplacePolicy", "Delete")


def _identity(stack: Stack, name: str, value: str) -> tuple[str, str]:
    """Return an environment or connector id as the template gets it, and its part of the logical id.

    A literal's part has 10 characters after its prefix, a token's 16 after another, so that neither is ever
    taken for the other. A token that resolves to a string at synth (a Lazy) is that string.
    """
    prefix, pattern = ("Env", ENVIRONMENT_ID) if name == "environment_id" else ("Cnctr", CONNECTOR_ID)
    if is_token(value):
        resolved = stack.resolve(value)
        if isinstance(resolved, (dict, list)) or is_dynamic_reference(resolved):
            return value, f"{prefix}Token{digest(token_key(stack, value))}"
        value = resolved
    check_id(name, value, pattern)
    return value, prefix + value.partition("-")[2]


def _words(stack: Stack, value: str) -> str:
    # A token's own text is numbered by the order of construction; an error should not be.
    return token_key(stack, value) if is_token(value) else value
