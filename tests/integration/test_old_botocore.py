"""The staged asset in a Lambda whose own boto3 is older than the entitlement API."""

import hashlib
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from local_aws.launcher import LocalAws
from testing.receiver import Receiver
from tests.support.cloudformation import Stack
from tests.support.function import Lambda

PINS = Path(__file__).with_name("old-botocore.txt")
STATE = Path(__file__).resolve().parents[2] / ".local"

# One process for the whole file: its environment is made once, and its Lambda started once.
pytestmark = pytest.mark.xdist_group("old-botocore")


@pytest.fixture(scope="module")
def old_python() -> str:
    """An interpreter with the old boto3 and nothing of the project."""
    folder = STATE / "old-botocore-venv"
    stamp, wanted = folder / "set-up-for", f"{hashlib.sha256(PINS.read_bytes()).hexdigest()} {sys.version}"
    python = str(folder / "bin" / "python")
    STATE.mkdir(exist_ok=True)
    with FileLock(STATE / "old-botocore-venv.lock"):
        if not (stamp.exists() and stamp.read_text() == wanted):
            venv.EnvBuilder(with_pip=True, clear=True, symlinks=True).create(folder)
            options = ["--quiet", "--disable-pip-version-check", "--no-compile", "-r", str(PINS)]
            subprocess.run([python, "-m", "pip", "install", *options], check=True)
            stamp.write_text(wanted)
    return python


@pytest.fixture(scope="module")
def old_lambda(old_python: str, function: Lambda, directory: Path, aws: LocalAws) -> Iterator[Lambda]:
    old = Lambda(directory, aws, old_python, function.asset)
    yield old
    old.close()


@pytest.fixture
def old_stack(old_lambda: Lambda, receiver: Receiver, directory: Path) -> Iterator[Stack]:
    old_lambda.aws.evs.reset()
    old_lambda.aws.evs.set(create_latency=0.5)
    receiver.statuses.clear()
    stack = Stack(old_lambda, receiver, directory)
    yield stack
    stack.close()


def test_is_too_old_by_itself(old_python: str) -> None:
    script = (
        "import botocore.session; s = botocore.session.get_session(); s.get_service_model('evs').operation_model('{}')"
    )
    for operation, code in (("GetEnvironment", 0), ("CreateEntitlement", 1)):
        command = [old_python, "-c", script.format(operation)]
        assert subprocess.run(command, capture_output=True).returncode == code


def test_create_update_clean_up_and_delete(old_stack: Stack) -> None:
    first = old_stack.create(["vm-101", "vm-102"])
    assert first["Status"] == "SUCCESS", first
    second = old_stack.update(first["PhysicalResourceId"], ["vm-102", "vm-103"])
    assert second["Status"] == "SUCCESS", second
    assert old_stack.delete(first["PhysicalResourceId"], ["vm-101", "vm-102"])["Status"] == "SUCCESS"
    assert old_stack.evs.held() == ["vm-102", "vm-103"]
    assert old_stack.delete(second["PhysicalResourceId"], ["vm-102", "vm-103"])["Status"] == "SUCCESS"
    assert old_stack.evs.held() == []


def test_failure_is_named_and_undone(old_stack: Stack) -> None:
    old_stack.evs.set(fail_create={"vm-102": "VM_NOT_FOUND"})
    answer = old_stack.create(["vm-101", "vm-102"])
    assert answer["Status"] == "FAILED"
    assert "VM_NOT_FOUND" in answer["Reason"]
    assert old_stack.evs.held() == []


def test_errors_keep_their_details(old_stack: Stack) -> None:
    # By the members of an error that botocore parses only where its model has them.
    answer = old_stack.create(["vm-101"], connector="cnctr-zzzzz99999")
    assert answer["Status"] == "FAILED"
    assert "connector cnctr-zzzzz99999" in answer["Reason"]


def test_hands_over_to_a_fresh_invocation(old_stack: Stack) -> None:
    # Invoke, of Lambda's API.
    old_stack.evs.set(create_latency=14.0)
    event = old_stack.event("Create", ["vm-101"])
    assert old_stack.deliver(event, timeout=22).answer()["Status"] == "SUCCESS"
    assert old_stack.continuations


def test_asks_cloudformation(old_stack: Stack) -> None:
    # Both ways of asking speak XML, unlike the rest.
    old_stack.evs.entitle(["vm-101"])
    answer = old_stack.create(["vm-101"], AdoptExisting="true")
    assert answer["Status"] == "SUCCESS", answer
    old_stack.reached("CREATE_COMPLETE")
    assert old_stack.delete(answer["PhysicalResourceId"])["Status"] == "SUCCESS"
    assert set(old_stack.asked) == {"DescribeStacks", "DescribeStackEvents"}
    assert old_stack.evs.held() == []
