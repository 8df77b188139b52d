"""Shows the command `evs-entitlements`: policy, resolve, deploy, check, on this machine.

    python -m demo.fleet

What is on the screen was checked: a step that leads to anything else ends the demo with exit status 1. An export of
govc stands for the vCenter.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.markup import escape

from demo.fleet_app import STACK_NAME
from demo.steps import CONNECTOR, ENVIRONMENT, UnexpectedError
from evs_entitlements import EntitlementLock
from evs_fleet.guests import id_of_name
from local_aws import Inventory, LocalAws, Settings
from local_aws.instances import DIRECTORY
from testing.cdk import PROJECT, Cdk, CdkTimeoutError, Done
from testing.observed import changing_calls, stack_status

#: Entitled in the console before anybody had heard of this project.
BY_HAND = ["vm-101", "vm-102"]
#: Registered anew in the course of the demo, under another id.
MOVED, NEW_ID = "vm-103", "vm-1103"
#: What this vCenter has, of the VMs of the shipped inventory: the last one runs Linux.
IN_VCENTER = ("vm-101", "vm-102", "vm-103", "vm-104", "vm-105", "vm-201")
POLICY = f"""\
environment = "{ENVIRONMENT}"
connector = "{CONNECTOR}"

[[include]]                     # domain controllers and databases
name = "dc*"
[[include]]
name = "sql*"

[[exclude]]
name = "sql03*"
reason = "own licence, contract 4711"
"""
#: Seconds that one run of the command may take.
LIMIT = 60.0


class FleetDemo:
    """The demo on a running local AWS, in a folder of its own."""

    def __init__(self, aws: LocalAws, directory: Path, console: Console) -> None:
        self._aws, self._directory, self._console = aws, directory, console
        self._cdk = Cdk(aws, directory / "cdk")
        self._ids = {vm.id: vm.id for vm in Inventory.load().vms.values()}
        self._number = 0

    def run(self) -> None:
        """Run all steps; raises UnexpectedError when one does not lead to what it has to lead to."""
        began = time.monotonic()
        self._aws.evs.entitle(BY_HAND, environment_id=ENVIRONMENT, connector_id=CONNECTOR)
        self._write_inventory()
        with self._step(f"What EVS holds: {' and '.join(BY_HAND)} were entitled in the console"):
            self._fleet("list", "--environment", ENVIRONMENT, "--connector", CONNECTOR)
        with self._step("A policy says in people's words which VMs are to be entitled; resolve makes a lock of it"):
            self._policy()
        with self._step("Deploy the lock: what was entitled is taken over with no call, the rest is created"):
            self._cdk_call("bootstrap")
            done = self._cdk_call("deploy")
            calls = changing_calls(self._aws, BY_HAND, since=done.began)
            self._check(not calls, f"VMs that were entitled already saw calls: {calls}")
            self._fleet("check", "--inventory", "vms.json", status=0)
        with self._step(f"{MOVED} is registered anew as {NEW_ID}: Windows runs unlicensed, and check says so"):
            self._ids[MOVED] = NEW_ID
            self._write_inventory()
            self._aws.evs.by_hand("set_vm", NEW_ID, name="sql01.corp.example.com")
            shown = self._fleet("check", "--inventory", "vms.json", status=1)
            self._check(f"{MOVED} -> {NEW_ID}" in shown, "check does not name the former and the new id")
        with self._step("Resolve and deploy again: the new id is licensed before the former one is given up"):
            self._fleet("resolve", "--inventory", "vms.json", status=0)
            self._cdk_call("deploy")
            self._licensed_in_order()
            self._fleet("check", "--inventory", "vms.json", status=0)
            self._fleet("check", "--stack", STACK_NAME, status=0)
        with self._step("Destroy: nothing is left that is paid for"):
            self._cdk_call("destroy")
            self._check(stack_status(self._aws, STACK_NAME) == "GONE", "the stack is still there")
            self._check(self._aws.evs.held() == [], f"still entitled: {self._aws.evs.held()}")
        self._console.print(f"\n[green]Shown in {time.monotonic() - began:.0f} s.[/]", highlight=False)

    def _policy(self) -> None:
        (self._directory / "entitlements.toml").write_text(POLICY, encoding="utf-8")
        self._console.print("$ cat entitlements.toml", style="bold", markup=False, highlight=False)
        self._console.print(POLICY, markup=False, highlight=False)
        self._fleet("resolve", "--inventory", "vms.json", status=0)
        expected = ["vm-101", "vm-102", "vm-103", "vm-104"]
        self._check(self._lock.vm_ids == expected, f"the lock has {self._lock.vm_ids}, and should have {expected}")

    @property
    def _lock(self) -> EntitlementLock:
        return EntitlementLock.load(self._directory / "entitlements.lock.json")

    def _licensed_in_order(self) -> None:
        intervals = self._aws.evs.intervals(MOVED), self._aws.evs.intervals(NEW_ID)
        (_, ended), (began, until) = intervals[0][-1], intervals[1][0]
        self._check(ended is not None and until is None and began <= ended, f"licensed were {intervals}")

    def _write_inventory(self) -> None:
        """Write what `govc vm.info -json` prints of this vCenter."""
        machines = [
            {
                "self": {"type": "VirtualMachine", "value": self._ids[vm.id]},
                "name": vm.name,
                "config": {
                    "instanceUuid": str(uuid.uuid5(uuid.NAMESPACE_DNS, vm.name)),
                    "guestId": id_of_name(vm.guest_os),
                    "guestFullName": vm.guest_os,
                    "hardware": {"numCPU": 4},
                },
                "runtime": {"powerState": vm.power_state, "connectionState": vm.connection_state},
            }
            for vm in Inventory.load().vms.values()
            if vm.id in IN_VCENTER
        ]
        text = json.dumps({"virtualMachines": machines})
        (self._directory / "vms.json").write_text(text, encoding="utf-8")

    # --- what the steps are made of ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _step(self, title: str) -> Iterator[None]:
        self._number += 1
        self._console.rule(f"[bold]{self._number}. {escape(title)}", align="left", style="dim")
        yield
        self._console.print()

    def _fleet(self, *arguments: str, status: int = 0) -> str:
        """Run `evs-entitlements`, show what it printed, and return that."""
        self._console.print(f"$ evs-entitlements {shlex.join(arguments)}", style="bold", markup=False, highlight=False)
        environment = self._aws.child_environment()
        environment["COLUMNS"] = str(self._console.width)
        done = subprocess.run(  # noqa: S603  our own command, no shell
            [sys.executable, "-m", "evs_fleet", *arguments],
            cwd=self._directory,
            env=environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=LIMIT,
            check=False,
        )
        self._console.print(done.stdout, markup=False, highlight=False, soft_wrap=True, end="")
        self._console.print(f"exit status {done.returncode}", style="dim", highlight=False)
        self._check(done.returncode == status, f"exit status is {done.returncode}, and should be {status}")
        return done.stdout

    def _cdk_call(self, command: str) -> Done:
        lock = self._directory / "entitlements.lock.json"
        app = f"python3 {PROJECT.joinpath('demo', 'fleet_app.py').relative_to(PROJECT)} {shlex.quote(str(lock))}"
        self._console.print(f"$ cdk {command}", style="bold", markup=False, highlight=False)
        done = self._cdk(command, app=app)
        self._check(done.exit_code == 0, f"cdk {command} failed:\n{done.output[-6000:]}")
        self._console.print(f"done in {done.seconds:.0f} s", style="dim", highlight=False)
        return done

    @staticmethod
    def _check(condition: bool, otherwise: str) -> None:
        if not condition:
            raise UnexpectedError(otherwise)


def main() -> int:
    """Run the demo; return 0 when everything was as it should be."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    console = Console() if sys.stdout.isatty() else Console(width=140)
    directory: Path | None = None
    try:
        console.print("Starting the local AWS: CloudFormation, Lambda, IAM and others, and Amazon EVS.")
        with LocalAws(settings=Settings(create_latency=1.0)) as aws:
            directory = DIRECTORY / f"{aws.name}-fleet"
            directory.mkdir(parents=True)
            FleetDemo(aws, directory, console).run()
    except (UnexpectedError, CdkTimeoutError, subprocess.TimeoutExpired) as error:
        console.print(f"\n[red]Not as it should be:[/] {escape(str(error))}", highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("\nStopped before the end.")
        return 130
    finally:
        if directory:
            shutil.rmtree(directory, ignore_errors=True)
    return 0


def _end(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
