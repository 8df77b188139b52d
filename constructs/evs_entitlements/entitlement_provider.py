"""The function alone, for stacks that are not written with this package: plain templates, TypeScript, Terraform.

Owns how its ServiceToken is made known, which environments it serves, which stacks it may be asked by, and the settings
of a stack's function. Never declares an entitlement: the stacks that use the function do, by a custom resource of type
`Custom::EvsWindowsServerEntitlements`.
"""

import re
from collections.abc import Sequence
from typing import Unpack, cast

from aws_cdk import Annotations, CfnOutput, NestedStack, Stack, Token
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from evs_entitlements import lookups, validation
from evs_entitlements.function_settings import FunctionSettings, StackSettings, checked
from evs_entitlements.identity import known_id
from evs_entitlements.lookups import Checks
from evs_entitlements.provider import PROVIDER_ID, Provider
from evs_entitlements.validation import ENVIRONMENT_ID

#: Logical id of the output, and the end of the export's and the parameter's name.
OUTPUT = "ServiceToken"
#: Id of the warning, to acknowledge it by.
PROTECTION_WARNING = "evs-entitlements:terminationProtection"
#: The name of a stack, with wildcards of IAM. The end of a nested stack's name is made by CloudFormation.
STACK_NAMES = re.compile(r"[A-Za-z*?][A-Za-z0-9*?-]{0,127}")
#: Lambda's rule for the name of a function.
_FUNCTION_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class EntitlementProvider(Construct):
    """The function that makes entitlements so, usable from other stacks of the same account and region.

    Other stacks name it as ServiceToken of a custom resource of type `Custom::EvsWindowsServerEntitlements`. Each has a
    ledger of its own, by the stack's id. The function's ARN is given as

    - an output `ServiceToken` of the stack, exported as `<stack name>-ServiceToken`. Import it (`Fn::ImportValue`):
      CloudFormation then refuses to delete this stack while another uses it,
    - a parameter of Parameter Store, `/<stack name>/ServiceToken`. It protects from nothing.

    **A stack that uses the function can't be deleted once the function is gone.** So the stack of this construct should
    have `termination_protection=True`. There is a warning where it has not (`evs-entitlements:terminationProtection`).

    Everybody who may deploy a stack and invoke the function can entitle VMs of the given environments.

    `WindowsServerEntitlements` of the same stack use the same function.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002  the name that every construct gives it
        *,
        environment_ids: Sequence[str],
        stack_names: Sequence[str] = ("*",),
        function_name: str | None = None,
        **settings: Unpack[FunctionSettings],
    ) -> None:
        """Make the function, and make it known.

        Args:
            scope: the construct that this one is in, within a Stack; one for each stack.
            id: the id in that scope.
            environment_ids: ids of the EVS environments that the function may work in, one or more. With a token it may
                work in every environment of the account and region. Take an environment out only when no stack declares
                anything for it any more.
            stack_names: names of the stacks that use the function, with the wildcards `*` and `?`, such as
                `Licences-*`. The function asks CloudFormation about a stack that declares entitlements, and refuses one
                that it may not ask about. A nested stack and those around it have to be covered, too. Default: every
                stack of the account and region.
            function_name: name of the function. With a name of your own the function keeps its ARN when this stack was
                deleted by mistake and is deployed again: only so can stacks that still use it be updated or deleted.
                Default: made by CloudFormation.
            **settings: of the function, see `FunctionSettings`.

        Raises:
            TypeError: a value is of a wrong type, or a setting is not known.
            ValueError: a value is wrong, or the stack has a function already.
            RuntimeError: the function's code cannot be staged.
        """
        super().__init__(scope, id)
        stack = Stack.of(self)
        checks = Checks()
        with checks.check():
            _check_environments(stack, environment_ids)
        with checks.check():
            _check_names("stack_names", stack_names, STACK_NAMES)
        with checks.check():
            if function_name is not None:
                _check_names("function_name", [function_name], _FUNCTION_NAME)
        lookups.report(self, checks.errors)
        if checks.errors:
            # The CDK CLI shows them, and deploys nothing; the rest of the app is still looked at.
            environment_ids, stack_names, function_name = [], ["*"], None
        _configure(stack, settings, self.node.path)
        self._provider = provider = Provider(stack, shared_with=stack_names, function_name=function_name)
        policies = dict.fromkeys(provider.environment_policy(_literal(stack, each)) for each in environment_ids)
        for policy in policies:
            provider.use(policy, self)
        parameter = ssm.StringParameter(
            self,
            "Parameter",
            parameter_name=f"/{stack.stack_name}/{OUTPUT}",
            # Also where the name is a token, as that of a nested stack.
            simple_name=False,
            string_value=self.service_token,
            description="ServiceToken for Custom::EvsWindowsServerEntitlements",
        )
        # Who reads the parameter finds a function that may do all that it needs.
        parameter.node.add_dependency(provider, *policies)
        output = CfnOutput(
            self,
            OUTPUT,
            value=self.service_token,
            export_name=f"{stack.stack_name}-{OUTPUT}",
            description="ServiceToken for Custom::EvsWindowsServerEntitlements: import it by its export's name",
        )
        output.override_logical_id(OUTPUT)
        if not stack.termination_protection and not isinstance(stack, NestedStack):
            Annotations.of(self).add_warning_v2(
                PROTECTION_WARNING,
                "this stack has no termination protection: once its function is deleted, a stack that uses it can be "
                "neither updated nor deleted; set termination_protection=True on the Stack",
            )

    @staticmethod
    def configure(stack: Stack, **settings: Unpack[FunctionSettings]) -> None:
        """Set up the function that the `WindowsServerEntitlements` of a stack share, where no other stack uses it.

        Call it once for a stack, before anything is declared there.

        Args:
            stack: whose function.
            **settings: see `FunctionSettings`.

        Raises:
            TypeError: a setting is not known.
            ValueError: one is wrong, the stack has settings already, or its function is made already.
        """
        _configure(stack, settings, stack.node.path)

    @property
    def service_token(self) -> str:
        """ARN of the function, the ServiceToken of custom resources."""
        return self._provider.service_token


def _configure(stack: Stack, given: FunctionSettings, path: str) -> None:
    if stack.node.try_find_child(PROVIDER_ID) is not None:
        raise ValueError(
            f"{path}: got settings of the function of {stack.node.path}, which is made already, expected them before "
            "the first WindowsServerEntitlements or EntitlementProvider of that stack"
        )
    settings = checked(cast(dict[str, object], given))
    if not settings:
        return
    if StackSettings.of(stack):
        raise ValueError(f"{path}: got settings of the function of {stack.node.path} a second time, expected one place")
    StackSettings(stack, settings)


def _check_environments(stack: Stack, environment_ids: Sequence[str]) -> None:
    _check_list("environment_ids", environment_ids, "env-abcde12345")
    for each in environment_ids:
        known = known_id(stack, each)
        if known is not None:
            validation.check_id("environment_ids", known, ENVIRONMENT_ID)


def _check_list(name: str, values: object, example: str) -> None:
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise TypeError(f"{name}: got {values!r}, expected a list such as [{example!r}]")
    if not values:
        raise ValueError(f"{name}: got an empty list, expected one or more, such as {example}")


def _check_names(name: str, values: Sequence[str], pattern: re.Pattern[str]) -> None:
    _check_list(name, values, "Licences-*")
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f"{name}: got {value!r}, expected a string that matches {pattern.pattern}")
        if not Token.is_unresolved(value) and not pattern.fullmatch(value):
            raise ValueError(f"{name}: got {value!r}, expected a string that matches {pattern.pattern}")


def _literal(stack: Stack, environment_id: str) -> str | None:
    known = known_id(stack, environment_id)
    return known if isinstance(known, str) and ENVIRONMENT_ID.fullmatch(known) else None
