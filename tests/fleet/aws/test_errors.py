"""Each way in which AWS can't be asked is one line on stderr and exit status 2, for each command."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_aws import LocalAws
from local_aws.evs_api import EvsControl
from tests.fleet.aws.conftest import ENVIRONMENT, Run, use, write_lock

COMMANDS = {
    "environments": ["environments"],
    "list": ["list", "--environment", ENVIRONMENT],
    "check": ["check"],
    "import": ["import", "--environment", ENVIRONMENT, "--connector", "cnctr-abcde12345", "--lock", "new.lock.json"],
    "watch": ["watch", "--timeout", "0"],
}
each_command = pytest.mark.parametrize("command", list(COMMANDS.values()), ids=list(COMMANDS))


@pytest.fixture(autouse=True)
def lock(here: Path) -> Path:
    return write_lock(here / "entitlements.lock.json", "vm-101")


@each_command
def test_no_credentials(command: list[str], evs: EvsControl, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    ran = run(*command)
    assert ran.status == 2
    assert ran.error.startswith("no AWS credentials: log in (`aws sso login`")
    assert ran.out == ""


@each_command
@pytest.mark.parametrize("code", ["ExpiredTokenException", "ExpiredToken", "RequestExpired"])
def test_expired_credentials(command: list[str], code: str, evs: EvsControl, run: Run) -> None:
    evs.fault(
        "error", code=code, status=400, message="The security token included in the request is expired", count=None
    )
    ran = run(*command)
    assert ran.status == 2
    assert ran.error.startswith("the AWS credentials have expired: log in again")


@each_command
def test_no_region(command: list[str], evs: EvsControl, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    ran = run(*command)
    assert ran.status == 2
    assert ran.error == "no AWS region: give --region, set AWS_REGION, or add a region to your profile"


@each_command
def test_unknown_profile(command: list[str], evs: EvsControl, run: Run) -> None:
    ran = run("--profile", "nobody", *command)
    assert ran.status == 2
    assert "profile (nobody) could not be found" in ran.error


@each_command
def test_access_denied_names_the_action(command: list[str], evs: EvsControl, run: Run) -> None:
    evs.fault("access_denied", count=None)
    ran = run(*command)
    assert ran.status == 2
    assert ran.error.startswith("access denied: evs:List")
    assert "is not authorized to perform" in ran.error


@each_command
def test_throttling_is_ridden_out(command: list[str], evs: EvsControl, run: Run) -> None:
    evs.entitle(["vm-101"])
    evs.fault("throttle", count=2)
    assert run(*command).status == 0


@each_command
def test_throttling_without_end(command: list[str], evs: EvsControl, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    evs.fault("throttle", count=None)
    ran = run(*command)
    assert ran.status == 2
    assert "AWS asks for fewer calls (ThrottlingException)" in ran.error


@each_command
def test_a_service_that_fails(command: list[str], evs: EvsControl, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    evs.fault("error", count=None)
    ran = run(*command)
    assert ran.status == 2
    assert "AWS failed with InternalServerException and went on to" in ran.error


@each_command
def test_nobody_answers(
    command: list[str], evs: EvsControl, run: Run, monkeypatch: pytest.MonkeyPatch, closed_port: int
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_EVS", f"http://127.0.0.1:{closed_port}")
    ran = run(*command)
    assert ran.status == 2
    assert f"http://127.0.0.1:{closed_port}/" in ran.error
    assert "AWS was not reached" in ran.error
    assert "us-east-1" in ran.error


@pytest.mark.parametrize("name", ["list", "check", "watch", "import"])
def test_an_unknown_environment(name: str, evs: EvsControl, run: Run, here: Path) -> None:
    evs.by_hand("remove_environment", ENVIRONMENT)
    ran = run(*COMMANDS[name])
    assert ran.status == 2
    assert ran.error == (
        f"environment {ENVIRONMENT} was not found in us-east-1 of this account: "
        "`evs-entitlements environments` lists all"
    )


def test_an_unknown_connector(evs: EvsControl, run: Run) -> None:
    ran = run("list", "--environment", ENVIRONMENT, "--connector", "cnctr-0000000000")
    assert ran.status == 2
    assert ran.error.startswith("connector cnctr-0000000000 was not found in us-east-1")


def test_a_clock_that_is_wrong(evs: EvsControl, run: Run) -> None:
    message = "Signature expired: 20260101T000000Z is now earlier than 20260102T000000Z"
    evs.fault("error", code="InvalidSignatureException", status=400, message=message, count=None)
    ran = run("environments")
    assert ran.status == 2
    assert "is this machine's clock right?" in ran.error


def test_an_unknown_stack(evs: EvsControl, run: Run) -> None:
    ran = run("check", "--stack", "Nowhere")
    assert ran.status == 2
    assert "Nowhere" in ran.error
    assert "does not exist" in ran.error


def test_a_stack_without_entitlements(evs: EvsControl, run: Run, aws: LocalAws) -> None:
    client = aws.boto3_client("cloudformation")
    template = '{"Resources": {"P": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "1"}}}}'
    client.create_stack(StackName="Empty", TemplateBody=template)
    client.get_waiter("stack_create_complete").wait(StackName="Empty", WaiterConfig={"Delay": 0.2})
    ran = run("check", "--stack", "Empty")
    assert ran.status == 2
    assert ran.error.startswith("stack Empty declares no Windows Server entitlements")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list", "--environment", "env-1"], "--environment: got 'env-1', expected an id that matches"),
        (["list", "--environment", ENVIRONMENT, "--connector", "x"], "--connector: got 'x', expected an id"),
        (["list", "--all", "--environment", ENVIRONMENT], "--all and --environment or --connector: got both"),
        (["list", "--output", "xml"], "Invalid value for '--output'"),
        (["check", "--lock", "nowhere.json"], "nowhere.json: no such file"),
        (["import", "--environment", ENVIRONMENT], "entitlements.lock.json is there already"),
        (["watch", "--timeout", "soon"], "Invalid value for '--timeout'"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str, evs: EvsControl, run: Run) -> None:
    ran = run(*arguments)
    assert ran.status == 2
    assert words in ran.error
    assert ran.out == ""


@pytest.fixture(scope="module")
def guarded() -> Iterator[LocalAws]:
    with LocalAws(auth=True) as aws:
        yield aws


def test_keys_that_aws_does_not_know(guarded: LocalAws, here: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    use(guarded, here, monkeypatch)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANOBODY0000000000")
    ran = run("environments")
    assert ran.status == 2
    assert ran.error.startswith("AWS does not take these credentials")


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
