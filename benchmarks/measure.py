"""The measurements: life cycles of sets of VMs, single requests of those that can do no more, waits, and synths."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import FIRST_VM, HERE
from benchmarks.arena import HOST_443, Arena
from benchmarks.processes import Contender, Measured, invoke
from testing.events import token_of
from testing.receiver import Receiver

#: What is asked of a contender, in order. An update takes one VM out and puts one in; the clean-up after it is the
#: Delete of the former set, for those that replace.
STEPS = ("Create", "Update", "Clean-up", "Delete")
#: Seconds that an entitlement is CREATING where nothing else is said.
LATENCY = 1.0
#: Seconds after a handler's end in which its answer has come.
ANSWERED_WITHIN = 2.0


@dataclass
class Series:
    """The same thing measured several times."""

    contender: str
    step: str
    vms: int
    measured: list[Measured] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    answer_bytes: int = 0
    event_bytes: int = 0


Results = dict[tuple[str, str, int], Series]


def vm_ids(count: int, skip: int = 0) -> list[str]:
    """Return the first VMs of the inventory."""
    return [f"vm-{FIRST_VM + number}" for number in range(skip, skip + count)]


class Life:
    """Takes a contender through Create, Update, clean-up and Delete of a set."""

    def __init__(self, arena: Arena, results: Results) -> None:
        self._arena = arena
        self._results = results

    def run(self, contender: Contender, vms: int, *, replaces: bool) -> None:
        """Go through it once; `replaces`: an update is a replacement, with a clean-up."""
        arena = self._arena
        arena.reset(LATENCY)
        environment = arena.environment(arena.table(), bundle=contender.bundle) | {"SLEEP_ON_DELETE": "0"}
        before, after = vm_ids(vms), vm_ids(vms, skip=1)
        first = self._step(contender, vms, "Create", arena.event("Create", before), environment)
        update = arena.event("Update", after, first)
        update["OldResourceProperties"] = {**update["ResourceProperties"], "VmIds": before}
        second = self._step(contender, vms, "Update", update, environment)
        if replaces:
            arena.ledger.physical_id = second
            self._step(contender, vms, "Clean-up", arena.event("Delete", before, first), environment)
        self._step(contender, vms, "Delete", arena.event("Delete", after, second), environment)
        if arena.aws.evs.held():
            raise AssertionError(f"{contender.name}: {vms} VMs: something is left")

    def _step(
        self, contender: Contender, vms: int, step: str, event: dict[str, Any], environment: dict[str, str]
    ) -> str:
        self._arena.forget()
        measured = invoke(contender, event, environment)
        received = self._arena.bucket.wait(token_of(event), ANSWERED_WITHIN)
        answer, body = received.answer, received.body
        if answer["Status"] != "SUCCESS":
            raise AssertionError(f"{contender.name}: {step} of {vms} VMs: {answer}\n{measured.output[-3000:]}")
        series = self._results.setdefault((contender.name, step, vms), Series(contender.name, step, vms))
        series.measured.append(measured)
        series.calls, series.answer_bytes = self._arena.calls(), len(body)
        series.event_bytes = len(json.dumps(event).encode())
        return str(answer["PhysicalResourceId"])


class OneCall:
    """A cold request of AwsCustomResource: one call of DynamoDB's, as its SDK has no client for EVS here."""

    def __init__(self, arena: Arena, bucket: Receiver, results: Results) -> None:
        self._arena, self._bucket, self._results = arena, bucket, results

    def run(self, contender: Contender) -> None:
        """Send it a Create and a Delete."""
        table = self._arena.table()
        environment = self._arena.environment(table, bundle=True)
        call = json.dumps(
            {
                "service": "dynamodb",
                "action": "GetItem",
                "physicalResourceId": {"id": "entitlements"},
                "parameters": {"TableName": table, "Key": {"Id": {"S": "none"}}},
            }
        )
        for step in ("Create", "Delete"):
            event = self._arena.event(step, vm_ids(3), "" if step == "Create" else "entitlements", at=HOST_443)
            event["ResourceProperties"] |= {"Create": call, "Delete": call, "InstallLatestAwsSdk": "false"}
            measured = invoke(contender, event, environment)
            received = self._bucket.wait(token_of(event), ANSWERED_WITHIN)
            body = received.body
            if received.answer["Status"] != "SUCCESS":
                raise AssertionError(f"{contender.name}: {body!r}")
            series = self._results.setdefault((contender.name, step, 3), Series(contender.name, step, 3))
            series.measured.append(measured)
            series.answer_bytes, series.event_bytes = len(body), len(json.dumps(event).encode())


# --- waiting -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wait:
    """A Create whose VMs are CREATING for a while."""

    vms: int
    seconds: float
    #: From CREATED to the answer, in seconds.
    delay: float
    #: ListVmEntitlements calls from the last CreateEntitlement on, and what that is in a minute.
    lists: int
    lists_a_minute: float
    cpu: float


def wait(arena: Arena, contender: Contender, vms: int, seconds: float) -> Wait:
    """Create VMs that take their time."""
    arena.reset(seconds)
    event = arena.event("Create", vm_ids(vms))
    measured = invoke(contender, event, arena.environment(arena.table(), bundle=contender.bundle))
    received = arena.bucket.wait(token_of(event), ANSWERED_WITHIN)
    answered = received.at
    if received.answer["Status"] != "SUCCESS":
        raise AssertionError(f"wait of {seconds} s: {received.body!r}")
    calls = arena.aws.evs.calls()
    created = max(call["ended"] for call in calls if call["operation"] == "CreateEntitlement")
    lists = [call for call in calls if call["operation"] == "ListVmEntitlements" and call["time"] > created]
    return Wait(
        vms, seconds, answered - created - seconds, len(lists), len(lists) * 60 / (answered - created), measured.cpu
    )


def sleeping_delete(arena: Arena, contender: Contender) -> Measured:
    """Return a Delete of crhelper with its default of sleep_on_delete."""
    event = arena.event("Delete", vm_ids(3), "entitlements")
    return invoke(contender, event, arena.environment(arena.table(), bundle=True))


def in_background(work: Callable[[], Any]) -> Callable[[], Any]:
    """Start work in a thread; returns what waits for its result."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again where the result is asked for
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def result() -> Any:
        thread.join()
        if isinstance(outcome[0], BaseException):
            raise outcome[0]
        return outcome[0]

    return result


# --- synth and assets ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Synth:
    """One synth in a process of its own, node's CPU included."""

    cpu: float
    wall: float
    template: Path


def synth(kind: str, vms: int, folder: Path) -> Synth:
    """Synthesize a stack."""
    began = time.time()
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.synth", kind, str(vms), str(folder)],
        cwd=HERE.parent,
        env={**os.environ, "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"synth of {kind} ended with {process.returncode}")
    return Synth(usage.ru_utime + usage.ru_stime, time.time() - began, folder / "Stack.template.json")


def resources(template: Path) -> Counter[str]:
    """Count a template's resources by type."""
    found = json.loads(template.read_text(encoding="utf-8"))["Resources"]
    return Counter(resource["Type"] for resource in found.values())


def assets(folder: Path) -> list[Path]:
    """Return the folders of code in a cloud assembly."""
    return sorted(path for path in folder.glob("asset.*") if path.is_dir())


def zipped(*folders: Path) -> int:
    """Return the bytes of a function's code, zipped."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, path in _files(folders):
            archive.writestr(name, path.read_bytes())
    return len(target.getvalue())


def unzipped(*folders: Path) -> int:
    """Return the bytes of a function's code, unpacked."""
    return sum(path.stat().st_size for _, path in _files(folders))


def _files(folders: tuple[Path, ...]) -> Iterator[tuple[str, Path]]:
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyi":
                yield path.relative_to(folder.parent).as_posix(), path
