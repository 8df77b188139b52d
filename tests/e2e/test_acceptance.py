"""The acceptance run against the local AWS: all is as assumed there, and what is changed there is told as different."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from acceptance.assumptions import ASSUMPTIONS
from testing.cdk import PROJECT, SHORT_WAITS
from tests.e2e.conftest import Cloud
from tests.e2e.stacks import CONNECTOR, ENVIRONMENT, OTHER_CONNECTOR

WHERE = ("--environment", ENVIRONMENT, "--vm", "vm-101")
#: Names and hosts of the shipped inventory, ids, credentials: what a report must not have.
SECRETS = (
    ENVIRONMENT,
    CONNECTOR,
    OTHER_CONNECTOR,
    "vm-101",
    "vm-102",
    "000000000000",
    "corp.example.com",
    "dc01",
    "https://",
    "Signature",
    "127.0.0.1",
)


class Acceptance:
    """Runs of `python -m acceptance` against the local AWS, each in a process of its own."""

    def __init__(self, cloud: Cloud, directory: Path) -> None:
        self.cloud, self.directory = cloud, directory
        # Entitlements need one connector of type VCENTER, and there is one of another type to ask with.
        cloud.evs.by_hand("set_connector", OTHER_CONNECTOR, type="SDDC_MANAGER")

    def begin(self, *arguments: str) -> "subprocess.Popen[str]":
        environment = {
            **self.cloud.aws.child_environment(),
            "NODE_OPTIONS": f"--require {json.dumps(str(SHORT_WAITS))}",
        }
        return subprocess.Popen(
            [sys.executable, "-m", "acceptance", "--directory", str(self.directory), *arguments],
            cwd=PROJECT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, typed: str = "") -> tuple[int, str]:
        process = self.begin(*arguments)
        output, _ = process.communicate(typed, timeout=500)
        return process.returncode, output

    def report(self) -> dict[str, Any]:
        """The report of the last run."""
        path = max(self.directory.glob("*/report.json"))
        value: dict[str, Any] = json.loads(path.read_text())
        return value

    def verdicts(self) -> dict[str, str]:
        return {one["name"]: one["verdict"] for one in self.report()["assumptions"]}

    def changing_calls(self) -> list[str]:
        operations = ("CreateEntitlement", "DeleteEntitlement")
        return [call["operation"] for call in self.cloud.evs.calls() if call["operation"] in operations]

    def nothing_is_left(self) -> bool:
        stacks = self.cloud.aws.boto3_client("cloudformation").describe_stacks()["Stacks"]
        left = [stack["StackName"] for stack in stacks if stack["StackName"].startswith("EvsAcceptance")]
        return not left and not self.cloud.evs.held() and not list(self.directory.glob("*/record.json"))


@pytest.fixture
def acceptance(cloud: Cloud, tmp_path: Path) -> Acceptance:
    return Acceptance(cloud, tmp_path)


def until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.05)


def assert_the_report_tells_no_secret(acceptance: Acceptance) -> None:
    for path in acceptance.directory.glob("*/report.*"):
        text = path.read_text()
        assert "<vm>" in text
        assert "<connector>" in text
        for secret in SECRETS:
            assert secret not in text, f"{path.name}: {secret}"
    created = next(
        one for one in acceptance.report()["calls"] if one["operation"] == "CreateEntitlement" and not one["code"]
    )
    row = created["body"]["entitlements"][0]
    assert (row["vmId"], row["status"], row["vmName"]) == ("<vm>", "CREATING", "<string>")


def test_what_the_api_says_is_as_assumed(acceptance: Acceptance) -> None:
    code, output = acceptance.run(*WHERE, "--only", "questions,life", "--yes")
    assert code == 0, output
    verdicts = acceptance.verdicts()
    for name, each in ASSUMPTIONS.items():
        assert verdicts[name] == ("not seen" if each.part == "stack" else "same"), name
    assert acceptance.nothing_is_left()
    assert_the_report_tells_no_secret(acceptance)


def test_what_is_otherwise_is_told_as_different(acceptance: Acceptance) -> None:
    acceptance.cloud.evs.set(
        create_latency=2.0,
        already_entitled="refuse",
        unentitled_delete="refuse",
        keep_former_rows=True,
        refuse_delete_while_creating=True,
        hide_rows={"vm-101": 2},
    )
    code, output = acceptance.run(*WHERE, "--only", "questions,life", "--yes")
    assert code == 1, output
    different = {name for name, verdict in acceptance.verdicts().items() if verdict == "different"}
    assert different == {"create-again", "delete-again", "delete-while-creating", "deleted-row", "list-after-create"}
    assert "different: create-again: HTTP 400 ValidationException" in output
    seen = {one["name"]: one["seen"] for one in acceptance.report()["assumptions"]}
    assert seen["list-after-create"][0].startswith("listed at look 3")
    assert acceptance.nothing_is_left()


def test_a_vm_that_is_entitled_already_is_refused(acceptance: Acceptance) -> None:
    acceptance.cloud.evs.entitle(["vm-101"], environment_id=ENVIRONMENT, connector_id=CONNECTOR)
    code, output = acceptance.run(*WHERE, "--yes")
    assert code == 2
    assert output == (
        f"error: vm-101: EVS lists an entitlement already (CREATED at {CONNECTOR}); expected a VM without one: a run "
        "never touches what exists. Nothing was changed\n"
    )
    assert acceptance.changing_calls() == []
    assert acceptance.cloud.held() == ["vm-101"]


@pytest.mark.parametrize("typed", ["", "no\n"])
def test_it_asks_before_it_begins(acceptance: Acceptance, typed: str) -> None:
    code, output = acceptance.run(*WHERE, typed=typed)
    assert code == 2
    assert "0.046 USD a vCPU-hour" in output
    assert "nothing was done" in output
    assert acceptance.changing_calls() == []
    assert list(acceptance.directory.glob("*/*")) == []


def test_a_call_without_an_answer_ends_the_run_and_is_undone(acceptance: Acceptance) -> None:
    acceptance.cloud.evs.fault("close_after", operations=["CreateEntitlement"], vm_ids=["vm-101"])
    code, output = acceptance.run(*WHERE, "--only", "life", "--yes")
    assert code == 2, output
    assert "CreateEntitlement was not answered" in output
    assert acceptance.changing_calls()[0] == "CreateEntitlement"
    assert acceptance.nothing_is_left()


def test_ctrl_c_while_a_vm_is_being_entitled(acceptance: Acceptance) -> None:
    acceptance.cloud.evs.set(create_latency=3.0)
    process = acceptance.begin(*WHERE, "--only", "life", "--yes")
    until(lambda: acceptance.cloud.held() != [])
    process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 130, output
    assert acceptance.nothing_is_left()
    assert acceptance.report()["stopped"] == ["ended by a signal"]


def test_a_run_that_was_killed_is_cleaned_up_by_another(acceptance: Acceptance) -> None:
    acceptance.cloud.evs.set(create_latency=20.0)
    process = acceptance.begin(*WHERE, "--only", "life", "--yes")
    until(lambda: acceptance.cloud.held() != [])
    code, output = acceptance.run("--clean-up")
    assert code == 2
    assert "another run is under way" in output
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    assert "vm-101" in acceptance.cloud.held()
    code, output = acceptance.run(*WHERE, "--only", "life", "--yes")
    assert code == 2
    assert "--clean-up" in output
    code, output = acceptance.run("--clean-up")
    assert code == 0, output
    assert "nothing is left" in output
    assert acceptance.nothing_is_left()


@pytest.mark.long
def test_what_stacks_do_is_as_assumed(acceptance: Acceptance) -> None:
    code, output = acceptance.run(*WHERE, "--vm2", "vm-102", "--only", "stack", "--yes")
    assert code == 0, output
    verdicts = acceptance.verdicts()
    stack = {name: verdicts[name] for name, each in ASSUMPTIONS.items() if each.part == "stack"}
    # After a Create that failed, the CloudFormation of the local AWS sends no Delete.
    assert stack == {**dict.fromkeys(stack, "same"), "delete-after-failed-create": "not seen"}
    assert acceptance.nothing_is_left()


@pytest.mark.long
def test_one_vm_alone(acceptance: Acceptance) -> None:
    code, output = acceptance.run(*WHERE, "--only", "stack", "--yes")
    assert code == 0, output
    verdicts = acceptance.verdicts()
    not_seen = {"delete-after-failed-create", "changed-set", "stays-entitled"}
    for name, each in ASSUMPTIONS.items():
        if each.part == "stack":
            assert verdicts[name] == ("not seen" if name in not_seen else "same"), name
    assert acceptance.nothing_is_left()


@pytest.mark.long
def test_ctrl_c_while_a_stack_is_being_made(acceptance: Acceptance) -> None:
    acceptance.cloud.evs.set(create_latency=6.0)
    process = acceptance.begin(*WHERE, "--only", "stack", "--yes")
    until(lambda: acceptance.cloud.held() != [])
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 130, output
    assert acceptance.nothing_is_left()


@pytest.mark.long
def test_a_signal_while_a_stack_is_being_updated(acceptance: Acceptance) -> None:
    acceptance.cloud.evs.set(create_latency_by_vm={"vm-102": 6.0})
    process = acceptance.begin(*WHERE, "--vm2", "vm-102", "--only", "stack", "--yes")
    until(lambda: "vm-102" in acceptance.cloud.held())
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 130, output
    assert "cancelling the update" in output
    assert acceptance.nothing_is_left()
