"""The app's other form: a stack with the function alone, for stacks that are not written with this package.

    cdk deploy -c providerOnly=true -c environmentIds=env-abcde12345,env-zyxwv98765

Owns what context values mean then, and that stack. Needs neither the CDK nor the construct to be installed before the
stack is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app_context import architecture, flag, stack_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_cdk import App

#: Default name of the stack.
STACK_NAME = "EvsEntitlementProvider"
#: What a stack of entitlements has, and the function alone has not.
_OF_ENTITLEMENTS = (
    "environmentId",
    "connectorId",
    "vmIds",
    "vmIdsFile",
    "lockFile",
    "adoptExisting",
    "retain",
    "timeoutMinutes",
)
#: What the function alone has, with what is meant where it is given for entitlements.
_OF_PROVIDER = {"environmentIds": "environmentId", "stackNames": "stackName"}


@dataclass(frozen=True)
class ProviderSettings:
    """The context values; ids are left for the construct to check."""

    environment_ids: list[str]
    stack_names: list[str]
    stack_name: str
    architecture: str


def is_provider_only(context: Callable[[str], object]) -> bool:
    """Tell which form of the app is asked for.

    Raises:
        ValueError: values of both forms are given.
    """
    if flag(context, "providerOnly"):
        for name in _OF_ENTITLEMENTS:
            if context(name) is not None:
                meant = "environmentIds" if name == "environmentId" else "nothing"
                raise ValueError(
                    f"{name}: got a value beside providerOnly=true, expected {meant}: a stack with the function alone "
                    "declares no entitlement"
                )
        return True
    for name, meant in _OF_PROVIDER.items():
        if context(name) is not None:
            raise ValueError(f"{name}: got a value without providerOnly=true, expected that too, or {meant}")
    return False


def read_provider_settings(context: Callable[[str], object]) -> ProviderSettings:
    """Read the context values.

    Raises:
        ValueError: a value is missing or wrong; the message names it.
    """
    return ProviderSettings(
        environment_ids=_listed(context, "environmentIds", "env-abcde12345,env-zyxwv98765"),
        stack_names=["*"] if context("stackNames") is None else _listed(context, "stackNames", "Licences-*"),
        stack_name=stack_name(context, STACK_NAME),
        architecture=architecture(context),
    )


def make_stack(app: App, settings: ProviderSettings) -> str:
    """Make the stack; return what to say of it.

    Raises:
        ValueError: a value is wrong.
        RuntimeError: the function's code cannot be staged.
    """
    from aws_cdk import Stack
    from aws_cdk.aws_lambda import Architecture

    from evs_entitlements import EntitlementProvider, validation
    from evs_entitlements.entitlement_provider import STACK_NAMES

    for environment_id in settings.environment_ids:
        validation.check_id("environmentIds", environment_id, validation.ENVIRONMENT_ID)
    for name in settings.stack_names:
        validation.check_id("stackNames", name, STACK_NAMES)
    stack = Stack(
        app,
        STACK_NAME,
        stack_name=settings.stack_name,
        description="The function that carries out Windows Server entitlements of Amazon EVS VMs, for other stacks",
        # Other stacks can be neither updated nor deleted once it is gone.
        termination_protection=True,
    )
    EntitlementProvider(
        stack,
        "Provider",
        environment_ids=settings.environment_ids,
        stack_names=settings.stack_names,
        # Deployed again after it was deleted by mistake, it has the same ARN. Lambda's names are shorter than stacks'.
        function_name=settings.stack_name[:64],
        architecture=Architecture.X86_64 if settings.architecture == "x86_64" else Architecture.ARM_64,
    )
    return (
        f"the function alone, for {', '.join(settings.environment_ids)}; stack {settings.stack_name}; ServiceToken is "
        f"exported as {settings.stack_name}-ServiceToken and in the parameter /{settings.stack_name}/ServiceToken"
    )


def _listed(context: Callable[[str], object], name: str, example: str) -> list[str]:
    value = context(name)
    given = value if isinstance(value, list) else str("" if value is None else value).split(",")
    listed = list(dict.fromkeys(text for each in given if (text := str(each).strip())))
    if not listed:
        shown = "nothing" if value is None else repr(value)
        raise ValueError(f"{name}: got {shown}, expected one or more: add -c {name}={example}")
    return listed
