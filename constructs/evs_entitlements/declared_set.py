"""The one custom resource for each stack, environment and connector: the union of what is declared.

Owns the logical id, the properties and the dependencies of that resource, and that its constructs agree. Never looks at
where in the stack a construct is. With a resource for each construct, CloudFormation would create and delete resources
when constructs are renamed, moved, split or merged, and the delete would take away what the create had just taken over.

Constructs can be removed, and aspects can change them, until the CDK writes the template. So the values of the template
are asked for only then.
"""

from typing import cast

import jsii
from aws_cdk import CfnResource, IResolvable, IResolveContext, RemovalPolicy, Stack
from constructs import Construct, IValidation

from evs_entitlements import neighbourhood
from evs_entitlements.declaration import Declaration, still_declared, two_values
from evs_entitlements.event_size import fits, too_many
from evs_entitlements.identity import identity, words
from evs_entitlements.place import Place
from evs_entitlements.provider import Provider
from evs_entitlements.set_resource import SetResource, later, template_word
from evs_entitlements.settings import Settings
from evs_entitlements.token_keys import token_key
from evs_entitlements.validation import ENVIRONMENT_ID, VmIds


class DeclaredSet(Construct):
    """The entitlements that one stack declares for one environment and connector."""

    @classmethod
    def of(cls, stack: Stack, environment_id: str, connector_id: str) -> "DeclaredSet":
        """Return the declared set of `stack` for an environment and a connector, made at the first call.

        Raises:
            RuntimeError: the function's code cannot be staged.
        """
        environment_id, environment_part = identity(stack, "environment_id", environment_id)
        connector_id, connector_part = identity(stack, "connector_id", connector_id)
        set_id = f"EvsEntitlements{environment_part}{connector_part}"
        found = stack.node.try_find_child(set_id)
        # The CDK's Python runtime keeps every object for ever, so that this is the very object made before.
        return found if isinstance(found, DeclaredSet) else cls(stack, set_id, environment_id, connector_id)

    def __init__(self, stack: Stack, set_id: str, environment_id: str, connector_id: str) -> None:
        self._provider = Provider.of(stack)
        super().__init__(stack, set_id)
        self._stack = stack
        self._identity = {"EnvironmentId": environment_id, "ConnectorId": connector_id}
        names = f"environment {words(stack, environment_id)}, connector {words(stack, connector_id)}"
        self._label = f"{stack.node.path}, {names}"
        self._declarations: list[tuple[Declaration, Settings]] = []
        self._literals: set[str] = set()
        self._handed_on: dict[int, CfnResource] = {}
        self.resource = SetResource(
            self,
            lambda: bool(self._declared()),
            {
                "ServiceToken": self._provider.service_token,
                "ServiceTimeout": later(lambda _: self._settings().timeout_property()),
                **self._identity,
                "VmIds": later(self._union),
                "AdoptExisting": later(lambda _: self._settings().adopt_existing),
                # Also beside the template's DeletionPolicy, which CloudFormation does not update by itself.
                "RemovalPolicy": later(lambda _: self._removal_policy().name),
                # So that a table that is replaced reaches the function as an Update, while the former table exists.
                "LedgerTable": self._provider.ledger_table_name,
            },
        )
        self.resource.render("DeletionPolicy", lambda: template_word(self._removal_policy()))
        # A changed set is a replacement to CloudFormation. Retained, it would leave every VM that left the set
        # entitled and paid for. Overridden, since aspects such as RemovalPolicies set it for all resources.
        self.resource.render("UpdateReplacePolicy", lambda: "Delete")
        # All that a Delete needs must outlive this resource; CloudFormation deletes in reverse order of
        # dependency.
        self.node.add_dependency(self._provider)
        literal = environment_id if ENVIRONMENT_ID.fullmatch(environment_id) else None
        self._policy = self._provider.environment_policy(literal)
        self._provider.use(self._policy, self)
        self.node.add_dependency(self._policy)
        self.node.add_validation(cast(IValidation, _Check(self)))

    @property
    def environment_id(self) -> str:
        """Id of the environment; may be a token."""
        return self._identity["EnvironmentId"]

    @property
    def connector_id(self) -> str:
        """Id of the connector; may be a token."""
        return self._identity["ConnectorId"]

    @property
    def place(self) -> Place:
        """Both together."""
        return Place(self.environment_id, self.connector_id)

    @property
    def is_declared(self) -> bool:
        """Whether a construct in the tree declares something for it."""
        return bool(self._declared())

    def declare(self, construct: Construct, vm_ids: VmIds, settings: Settings) -> Declaration:
        """Add the VMs that a construct declares.

        Raises:
            ValueError: the construct and an earlier one disagree, or the event of the function would be too
                large.
        """
        self._check_agreement(construct.node.path, settings)
        self._check_size(construct.node.path, vm_ids)
        self._literals.update(vm_ids.literals)
        shown = {
            **self._identity,
            "VmIds": [*vm_ids.literals, *vm_ids.tokens],
            "AdoptExisting": settings.adopt_existing,
            "RemovalPolicy": settings.removal_policy.name,
            "ServiceTimeout": settings.timeout_property(),
        }
        declaration = Declaration(construct, self.resource, vm_ids, settings.removal_policy, shown)
        self._declarations.append((declaration, settings))
        return declaration

    def disagreements(self) -> list[str]:
        """Return what is wrong once all aspects have been at work; called by the CDK before it writes the template."""
        declared = self._declared()
        wrong = []
        policies = {declaration.path: self._policy_of(declaration).name for declaration in declared}
        if len(set(policies.values())) > 1:
            wrong.append(f"removal_policy: {two_values(policies, self._label)}")
        conditions = {each.path: each.condition.node.path if each.condition else "none" for each in declared}
        if len(set(conditions.values())) > 1:
            wrong.append(f"condition: {two_values(conditions, self._label)}")
        for declaration in declared:
            wrong += [
                f"{name}: got one for {declaration.path}, expected none: it means nothing for entitlements"
                for name in declaration.unsupported()
            ]
        return wrong

    def settle(self) -> None:
        """Hand on what can be known only once all aspects have been at work: dependencies and the condition."""
        declared = self._declared()
        wanted = {id(each): each for declaration in declared for each in declaration.dependencies()}
        for key, dependency in self._handed_on.items():
            if key not in wanted:
                self.resource.remove_resource_dependency(dependency)
        for key, dependency in wanted.items():
            if key not in self._handed_on:
                self.resource.add_resource_dependency(dependency)
        self._handed_on = wanted
        if declared and declared[0].condition is not None:
            self.resource.cfn_options.condition = declared[0].condition

    def finish(self) -> None:
        """Tell the user what reaches nothing, pass acknowledgements on, and take away what nobody declares any more."""
        declared = self._declared()
        if not declared:
            self._provider.release(self._policy, self)
            return
        neighbourhood.pass_acknowledgements(declared, [self._provider, self._policy, self])
        neighbourhood.warn_of_aspects(declared, self._provider)

    def _declared(self) -> list[Declaration]:
        return still_declared(declaration for declaration, _ in self._declarations)

    def _settings(self) -> Settings:
        declared = {id(each) for each in self._declared()}
        found = (settings for declaration, settings in self._declarations if id(declaration) in declared)
        return next(found, self._declarations[0][1])

    def _policy_of(self, declaration: Declaration) -> RemovalPolicy:
        # What is nearer to the construct counts before what holds for the whole stack, and both before its argument.
        return declaration.applied_policy or self.resource.applied_policy or declaration.removal_policy

    def _removal_policy(self) -> RemovalPolicy:
        declared = self._declared() or [self._declarations[0][0]]
        return self._policy_of(declared[0])

    def _union(self, context: IResolveContext) -> list[str | IResolvable]:
        if context.preparing:
            # After all aspects and before the template is written.
            self.settle()
        declared = self._declared()
        # By number, as a person would sort them. Tokens follow, each a VM id or a list for the function to
        # flatten. What a token stands for is asked only now: a Lazy that is resolved before keeps, for ever, what it
        # was then.
        literals = {vm_id for declaration in declared for vm_id in declaration.vm_ids.literals}
        in_order = sorted(literals, key=lambda vm_id: (int(vm_id.removeprefix("vm-")), vm_id))
        tokens = {token_key(self._stack, token): token for each in declared for token in each.vm_ids.tokens}
        return [*in_order, *(token for _, token in sorted(tokens.items()))]

    def _check_agreement(self, path: str, settings: Settings) -> None:
        if not self._declarations:
            return
        first, before = self._declarations[0]
        wrong = self._difference((path, settings), (first.path, before))
        if wrong is None:
            return
        # Rarely so far: the first may have been removed from the tree since.
        self._forget_removed()
        if self._declarations:
            first, before = self._declarations[0]
            wrong = self._difference((path, settings), (first.path, before))
            if wrong is not None:
                raise ValueError(wrong)

    def _difference(self, one: tuple[str, Settings], other: tuple[str, Settings]) -> str | None:
        values = {path: settings.comparable(self._stack) for path, settings in (one, other)}
        for name in values[one[0]]:
            found = {path: value[name] for path, value in values.items()}
            if len(set(found.values())) > 1:
                return f"{name}: {two_values(found, self._label)}"
        return None

    def _forget_removed(self) -> None:
        declared = {id(each) for each in self._declared()}
        self._declarations = [entry for entry in self._declarations if id(entry[0]) in declared]
        self._literals = {vm_id for declaration, _ in self._declarations for vm_id in declaration.vm_ids.literals}

    def _check_size(self, path: str, vm_ids: VmIds) -> None:
        if fits(self._literals.union(vm_ids.literals)):
            return
        # Rarely so far: constructs may have been removed from the tree since.
        self._forget_removed()
        declared = self._literals.union(vm_ids.literals)
        if not fits(declared):
            raise too_many(declared, self._label, path)


@jsii.implements(IValidation)
class _Check:
    """Called by the CDK after all aspects, before it writes the template."""

    def __init__(self, declared_set: DeclaredSet) -> None:
        self._declared_set = declared_set

    def validate(self) -> list[str]:
        wrong = self._declared_set.disagreements()
        if not wrong:
            self._declared_set.finish()
        return wrong
