"""The steps of the demo, each with what it has to lead to.

A step that leads to anything else ends the demo: what is on the screen was checked, not only shown.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from app_context import default_stack_name
from local_aws import LocalAws
from local_aws.table import entitlement_table
from testing.cdk import PROJECT, Cdk, Done
from testing.observed import changing_calls, failures, stack_status, without_permission

ENVIRONMENT, CONNECTOR = "env-abcde12345", "cnctr-abcde12345"
STACK_NAME = default_stack_name(ENVIRONMENT)
LINUX_VM = "vm-201"
#: Entitled in the console before the demo begins; nothing here may touch it.
BY_HAND = "vm-110"
PARAMETER = "/corp/windows-licensing"
ACTION = "evs:CreateEntitlement"


class UnexpectedError(Exception):
    """Something was not as it should be."""


class Demo:
    """The demo on a running local AWS.

    Parameters
    ----------
    aws
        A running one.
    directory
        For what the CDK CLI writes.
    console
        Where it is shown.
    everything
        Whether a missing permission is shown too, which takes a minute and a half.
    """

    def __init__(self, aws: LocalAws, directory: Path, console: Console, *, everything: bool = False) -> None:
        self._aws, self._console, self._everything = aws, console, everything
        self._cdk = Cdk(aws, directory)
        self._number = 0
        self._began = 0.0

    def run(self) -> None:
        """Run all steps.

        Raises
        ------
        UnexpectedError
            A step did not lead to what it has to lead to.
        """
        began = time.monotonic()
        self._aws.evs.entitle([BY_HAND], environment_id=ENVIRONMENT, connector_id=CONNECTOR)
        self._aws.boto3_client("ssm").put_parameter(Name=PARAMETER, Value="somebody else's", Type="String")
        self._bootstrap()
        self._deploy()
        self._diff()
        self._update()
        self._linux_vm()
        self._somebody_elses()
        self._neighbour()
        if self._everything:
            self._permission()
        self._destroy()
        self._console.print(
            f"\n[green]Shown in {time.monotonic() - began:.0f} s:[/] the real cdk CLI deployed, changed and destroyed "
            f"Windows Server entitlements; {'four' if self._everything else 'three'} deployments failed, said why, and "
            "left every entitlement as it was; "
            f"nothing is left but {BY_HAND}, which was never this stack's.",
            highlight=False,
            soft_wrap=True,
        )

    # --- the steps -------------------------------------------------------------------------------------------------

    def _bootstrap(self) -> None:
        with self._step("Bootstrap the account, once"):
            self._call("bootstrap", *_context("vm-101"))
            self._expect([])

    def _deploy(self) -> None:
        with self._step("Deploy: three VMs become entitled"):
            self._call("deploy", *_context("vm-101", "vm-102", "vm-103"))
            self._expect(["vm-101", "vm-102", "vm-103"], untouched=[])

    def _diff(self) -> None:
        with self._step("Diff: nothing has changed, and nothing is asked of EVS"):
            done = self._call("diff", "--fail", *_context("vm-101", "vm-102", "vm-103"))
            self._check("There were no differences" in done.output, f"cdk diff shows a change:\n{done.output}")
            calls = [call["operation"] for call in self._aws.evs.calls() if call["time"] >= self._began]
            self._check(not calls, f"cdk diff led to calls of EVS: {calls}")
            self._expect(["vm-101", "vm-102", "vm-103"])

    def _update(self) -> None:
        with self._step("Update: vm-104 joins, vm-103 leaves"):
            self._call("deploy", *_context("vm-101", "vm-102", "vm-104"))
            self._expect(["vm-101", "vm-102", "vm-104"], untouched=["vm-101", "vm-102"])

    def _linux_vm(self) -> None:
        with self._step(f"An update fails: {LINUX_VM} runs Linux"):
            self._call("deploy", *_context("vm-101", "vm-102", "vm-104", LINUX_VM), fails_with=[LINUX_VM, "Ubuntu"])
            self._expect(["vm-101", "vm-102", "vm-104"])

    def _somebody_elses(self) -> None:
        with self._step(f"An update fails: {BY_HAND} was entitled in the console, by somebody else"):
            vm_ids = ("vm-101", "vm-102", "vm-104", BY_HAND)
            self._call("deploy", *_context(*vm_ids), fails_with=[BY_HAND, "already entitled", "AdoptExisting"])
            self._expect(["vm-101", "vm-102", "vm-104"])

    def _neighbour(self) -> None:
        with self._step("An update fails: vm-105 is entitled, then another resource of the stack fails"):
            vm_ids = ("vm-101", "vm-102", "vm-104", "vm-105")
            app = f"python3 {PROJECT.joinpath('demo', 'neighbour.py').relative_to(PROJECT)}"
            command = " ".join([app, ENVIRONMENT, CONNECTOR, PARAMETER, *vm_ids])
            self._call("deploy", app=command, fails_with=["Neighbour", "ParameterAlreadyExists"])
            created = changing_calls(self._aws, ["vm-105"], since=self._began)
            self._check(
                created == ["CreateEntitlement vm-105", "DeleteEntitlement vm-105"],
                f"vm-105 was to be created and then deleted; its calls: {created}",
            )
            self._expect(["vm-101", "vm-102", "vm-104"])

    def _permission(self) -> None:
        with self._step(f"An update fails: somebody took {ACTION} away from the function's role"):
            self._console.print(
                "A new role's policies take up to a minute to be known everywhere, so the function tries again "
                "for 75 s before it believes a refusal. Please wait.",
                style="dim",
            )
            with without_permission(self._aws, STACK_NAME, ACTION):
                self._call(
                    "deploy", *_context("vm-101", "vm-102", "vm-104", "vm-105"), fails_with=[ACTION, ENVIRONMENT]
                )
            self._expect(["vm-101", "vm-102", "vm-104"])

    def _destroy(self) -> None:
        with self._step("Destroy: the stack's entitlements end, and nobody else's"):
            self._call("destroy", *_context("vm-101", "vm-102", "vm-104"))
            self._check(stack_status(self._aws, STACK_NAME) == "GONE", "the stack is still there")
            self._expect([])

    # --- what they are made of -------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _step(self, title: str) -> Iterator[None]:
        self._number += 1
        self._console.rule(f"[bold]{self._number}. {escape(title)}", align="left", style="dim")
        self._began = time.time()
        clock, before = time.monotonic(), self._aws.evs.rows()
        yield
        title = f"Entitled in EVS, {time.monotonic() - clock:.0f} s later"
        self._console.print(entitlement_table(self._aws.evs.rows(), title, before))

    def _call(self, *arguments: str, app: str | None = None, fails_with: list[str] | None = None) -> Done:
        shown = [*arguments, "--app", repr(app)] if app else arguments
        self._console.print(f"$ cdk {' '.join(shown)}", style="cyan", highlight=False, markup=False)
        done = self._cdk(*arguments, app=app)
        if fails_with is None:
            self._check(done.exit_code == 0, f"cdk {arguments[0]} failed:\n{done.output[-6000:]}")
            return done
        self._check(done.exit_code != 0, f"cdk {arguments[0]} was to fail, and did not:\n{done.output[-6000:]}")
        reasons = failures(self._aws, STACK_NAME, since=done.began)
        self._check(bool(reasons), f"CloudFormation names no failed resource:\n{done.output[-6000:]}")
        reason = reasons[0]
        self._console.print(f"Failed, as it should. {reason}", style="yellow", highlight=False, markup=False)
        for word in fails_with:
            self._check(word in reason, f"the reason does not say {word}")
            self._check(word in done.words, f"cdk does not say {word}:\n{done.output[-6000:]}")
        status = stack_status(self._aws, STACK_NAME)
        self._check(status == "UPDATE_ROLLBACK_COMPLETE", f"the stack is {status}, not UPDATE_ROLLBACK_COMPLETE")
        return done

    def _expect(self, vm_ids: list[str], *, untouched: list[str] | None = None) -> None:
        """Check what EVS says is entitled, and that VMs that stayed saw no call."""
        rows = self._aws.evs.rows()
        found = {row["vmId"]: row["status"] for row in rows}
        self._check(
            found == dict.fromkeys([*vm_ids, BY_HAND], "CREATED"),
            f"entitled are {found}, and should be {', '.join([*vm_ids, BY_HAND])}",
        )
        stayed = [*(vm_ids if untouched is None else untouched), BY_HAND]
        calls = changing_calls(self._aws, stayed, since=self._began)
        self._check(not calls, f"VMs that stayed entitled saw calls: {calls}")

    @staticmethod
    def _check(condition: bool, otherwise: str) -> None:
        if not condition:
            raise UnexpectedError(otherwise)


def _context(*vm_ids: str) -> tuple[str, ...]:
    values = {"environmentId": ENVIRONMENT, "connectorId": CONNECTOR, "vmIds": ",".join(vm_ids)}
    return tuple(part for name, value in values.items() for part in ("-c", f"{name}={value}"))
