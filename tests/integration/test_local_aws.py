"""AWS on this machine as a whole: started, told apart from its neighbours, guarded by IAM, and gone when stopped."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil  # type: ignore[import-untyped]
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from click.testing import CliRunner

from local_aws import LocalAws, Settings, instances, ministack_venv
from local_aws.cli import cli
from local_aws.iam import policy_source
from local_aws.launcher import running
from local_aws.ministack import StartError

ROOT = Path(__file__).resolve().parents[2]
PLACE = {
    "environmentId": "env-abcde12345",
    "connectorId": "cnctr-abcde12345",
    "entitlementType": "WINDOWS_SERVER",
}
ENVIRONMENT_ARN = "arn:aws:evs:us-east-1:000000000000:environment/env-abcde12345"
TRUST = """{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
    "Principal": {"AWS": "arn:aws:iam::000000000000:root"}}]}"""


def policy(*actions: str, effect: str = "Allow", resource: str = ENVIRONMENT_ARN) -> str:
    quoted = ", ".join(f'"{action}"' for action in actions)
    statement = f'{{"Effect": "{effect}", "Action": [{quoted}], "Resource": "{resource}"}}'
    return f'{{"Version": "2012-10-17", "Statement": [{statement}]}}'


@pytest.fixture(scope="module")
def aws() -> Iterator[LocalAws]:
    with LocalAws(settings=Settings(create_latency=0)) as aws:
        yield aws


class Role:
    """A role of a test's own, with clients that have its session credentials."""

    def __init__(self, aws: LocalAws, name: str) -> None:
        self.aws, self.name = aws, name
        self.iam = aws.boto3_client("iam")
        arn = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        sts = aws.boto3_client("sts")
        self.credentials = sts.assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]

    def put(self, document: str, name: str = "evs") -> None:
        self.iam.put_role_policy(RoleName=self.name, PolicyName=name, PolicyDocument=document)

    def evs(self, **credentials: str) -> Any:
        return boto3.client(
            "evs",
            endpoint_url=self.aws.api.url,
            region_name="us-east-1",
            aws_access_key_id=self.credentials["AccessKeyId"],
            aws_secret_access_key=self.credentials["SecretAccessKey"],
            aws_session_token=credentials.get("token", self.credentials["SessionToken"]),
            config=Config(proxies={}, retries={"total_max_attempts": 1}),
        )


def gone(pids: list[int], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(psutil.pid_exists(pid) and _lives(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def _lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


# Permissions.


def test_a_role_may_do_what_its_policy_allows_and_no_more(aws: LocalAws) -> None:
    role = Role(aws, "lists-and-creates")
    role.put(policy("evs:ListVmEntitlements", "evs:CreateEntitlement"))
    evs = role.evs()
    evs.create_entitlement(**PLACE, vmIds=["vm-101"])
    assert [row["vmId"] for row in evs.list_vm_entitlements(**PLACE)["entitlements"]] == ["vm-101"]
    with pytest.raises(ClientError) as caught:
        evs.delete_entitlement(**PLACE, vmIds=["vm-101"])
    message = caught.value.response["Error"]["Message"]
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    assert "User: arn:aws:sts::000000000000:assumed-role/lists-and-creates/test is not authorized" in message
    assert f"to perform: evs:DeleteEntitlement on resource: {ENVIRONMENT_ARN}" in message
    assert aws.evs.held() == ["vm-101"]


def test_another_environment_needs_its_own_permission(aws: LocalAws) -> None:
    role = Role(aws, "one-environment")
    role.put(policy("evs:*"))
    other = {**PLACE, "environmentId": "env-zyxwv98765", "connectorId": "cnctr-zyxwv98765"}
    with pytest.raises(ClientError, match="environment/env-zyxwv98765"):
        role.evs().list_vm_entitlements(**other)


def test_a_changed_policy_counts_at_once(aws: LocalAws) -> None:
    role = Role(aws, "changing")
    evs = role.evs()
    with pytest.raises(ClientError, match="AccessDenied"):
        evs.list_vm_entitlements(**PLACE)
    role.put(policy("evs:ListVmEntitlements"))
    time.sleep(0.3)
    evs.list_vm_entitlements(**PLACE)
    role.put(policy("evs:*", effect="Deny"), name="deny")
    time.sleep(0.3)
    with pytest.raises(ClientError, match="explicit deny"):
        evs.list_vm_entitlements(**PLACE)


def test_credentials_that_nobody_has_are_refused(aws: LocalAws) -> None:
    role = Role(aws, "wrong-token")
    role.put(policy("evs:*"))
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        role.evs(token="wrong").list_vm_entitlements(**PLACE)


def test_a_session_counts_as_its_role() -> None:
    session = "arn:aws:sts::000000000000:assumed-role/some-role/session"
    assert policy_source(session) == "arn:aws:iam::000000000000:role/some-role"
    assert policy_source("arn:aws:iam::000000000000:user/me") == "arn:aws:iam::000000000000:user/me"


# CloudFormation and its functions.

FUNCTION = """
import json, os, time, urllib.request
import boto3

def handler(event, context):
    marker = os.path.join(os.environ["TMPDIR"], event["RequestId"])
    if event["RequestType"] == "Create" and not os.path.exists(marker):
        open(marker, "w").close()
        time.sleep(60)
    try:
        place = {k[0].lower() + k[1:]: event["ResourceProperties"][k] for k in ("EnvironmentId", "ConnectorId")}
        evs = boto3.client("evs")
        act = evs.delete_entitlement if event["RequestType"] == "Delete" else evs.create_entitlement
        act(**place, entitlementType="WINDOWS_SERVER", vmIds=event["ResourceProperties"]["VmIds"])
        answer = {"Status": "SUCCESS"}
    except Exception as error:
        answer = {"Status": "FAILED", "Reason": str(error)}
    answer |= {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    deleting = event["RequestType"] == "Delete"
    set_id = event["PhysicalResourceId"] if deleting else "-".join(event["ResourceProperties"]["VmIds"])
    answer["PhysicalResourceId"] = set_id
    request = urllib.request.Request(event["ResponseURL"], json.dumps(answer).encode(), method="PUT")
    urllib.request.urlopen(request)
    print("answered", answer["Status"])
"""


def template(*actions: str) -> str:
    statement = {"Effect": "Allow", "Action": actions, "Resource": ENVIRONMENT_ARN}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    principal = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    role = {
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [principal]},
        "Policies": [{"PolicyName": "evs", "PolicyDocument": document}],
    }
    function = {
        "Runtime": "python3.14",
        "Handler": "index.handler",
        "Timeout": 2,
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        "Code": {"ZipFile": FUNCTION},
    }
    properties = {
        "ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]},
        "ServiceTimeout": 20,
        "EnvironmentId": PLACE["environmentId"],
        "ConnectorId": PLACE["connectorId"],
        "VmIds": ["vm-110", "vm-111"],
    }
    resources = {
        "Role": {"Type": "AWS::IAM::Role", "Properties": role},
        "Function": {"Type": "AWS::Lambda::Function", "Properties": function},
        "Entitlements": {"Type": "Custom::Entitlements", "Properties": properties},
    }
    return json.dumps({"Resources": resources})


def settled_status(cloudformation: Any, stack: str) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        status = str(cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])
        if not status.endswith("_IN_PROGRESS"):
            return status
        time.sleep(0.1)
    raise TimeoutError(stack)


def test_a_function_that_is_killed_is_invoked_again_and_entitles_with_its_own_role(aws: LocalAws) -> None:
    cloudformation = aws.boto3_client("cloudformation")
    body = template("evs:CreateEntitlement", "evs:DeleteEntitlement")
    stack = cloudformation.create_stack(StackName="killed", TemplateBody=body, Capabilities=["CAPABILITY_IAM"])[
        "StackId"
    ]
    assert settled_status(cloudformation, stack) == "CREATE_COMPLETE"
    assert {"vm-110", "vm-111"} <= set(aws.evs.held())
    call = aws.evs.calls("CreateEntitlement", "vm-110")[-1]
    assert ":assumed-role/killed-Role" in call["principal"]
    log = aws.log_path.read_text(encoding="utf-8")
    assert "Task timed out after 2" in log
    changed = body.replace('"vm-111"', '"vm-112"')
    cloudformation.update_stack(StackName=stack, TemplateBody=changed, Capabilities=["CAPABILITY_IAM"])
    assert settled_status(cloudformation, stack) == "UPDATE_COMPLETE"
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    statuses = [event["ResourceStatus"] for event in events if event["LogicalResourceId"] == "killed"]
    assert statuses[:2] == ["UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"]
    cloudformation.delete_stack(StackName=stack)
    assert settled_status(cloudformation, stack) == "DELETE_COMPLETE"
    assert not {"vm-110", "vm-111"} & set(aws.evs.held())


def test_a_function_without_the_permission_fails_its_stack_with_the_reason(aws: LocalAws) -> None:
    cloudformation = aws.boto3_client("cloudformation")
    stack = cloudformation.create_stack(
        StackName="denied", TemplateBody=template("evs:ListVmEntitlements"), Capabilities=["CAPABILITY_IAM"]
    )["StackId"]
    assert settled_status(cloudformation, stack) == "ROLLBACK_COMPLETE"
    events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    reasons = [event.get("ResourceStatusReason", "") for event in events]
    assert any("not authorized to perform: evs:CreateEntitlement" in reason for reason in reasons)
    assert any("answered FAILED" in line for line in aws.function_logs())


# Side by side, and on ports that others want.


def test_two_instances_know_nothing_of_each_other(aws: LocalAws) -> None:
    with LocalAws(auth=False, variables={"STAGE": "test"}) as other:
        other.boto3_client("ssm").put_parameter(Name="/mine", Value="x", Type="String")
        other.evs.entitle(["vm-105"])
        with pytest.raises(ClientError, match="ParameterNotFound"):
            aws.boto3_client("ssm").get_parameter(Name="/mine")
        assert "vm-105" not in aws.evs.held()
        assert {aws.name, other.name} <= set(running_names())
        with pytest.raises(LookupError, match="several"):
            running()
        everybody = boto3.client(
            "evs",
            endpoint_url=other.environment()["AWS_ENDPOINT_URL_EVS"],
            region_name="us-east-1",
            aws_access_key_id="nobody",
            aws_secret_access_key="nobody",
            config=Config(proxies={}),
        )
        assert everybody.list_vm_entitlements(**PLACE)["entitlements"][0]["vmId"] == "vm-105"
    assert other.name not in running_names()
    assert not (other.directory / "tmp").exists()
    assert "Ready" in other.log_path.read_text(encoding="utf-8")


def running_names() -> list[str]:
    return list(instances.running())


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match=str(port)):
            LocalAws(port=port).start()


def test_a_port_that_is_taken_in_the_last_moment_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from local_aws import ministack

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports = iter([taken.getsockname()[1], ministack._free_port()])
        monkeypatch.setattr(ministack, "_free_port", lambda: next(ports))
        with LocalAws() as aws:
            assert aws.ministack.port != taken.getsockname()[1]


def test_an_instance_has_its_name_to_itself(aws: LocalAws) -> None:
    with pytest.raises(FileExistsError, match=aws.name):
        LocalAws(name=aws.name).start()
    assert aws.evs.healthy()


def test_the_environment_of_children_leads_here_and_nowhere_else(aws: LocalAws) -> None:
    base = {"PATH": "/bin", "AWS_PROFILE": "production", "AWS_SESSION_TOKEN": "real", "CDK_DEBUG": "1"}
    environment = aws.child_environment(base)
    assert "AWS_PROFILE" not in environment
    assert "AWS_SESSION_TOKEN" not in environment
    assert environment["PATH"] == "/bin"
    assert environment["AWS_ENDPOINT_URL_EVS"] == aws.evs.url
    code = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
    environment["PATH"] = os.environ["PATH"]
    shown = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "000000000000"


# Nothing is left behind.


def test_a_stop_leaves_no_process() -> None:
    aws = LocalAws().start()
    pid = aws.ministack.pid
    assert pid is not None
    aws.stop()
    aws.stop()
    assert gone([pid])
    with pytest.raises(RuntimeError, match="not running"):
        aws.environment()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_command_line_runs_until_a_signal_and_leaves_no_process(number: signal.Signals) -> None:
    name = f"cli-{os.getpid()}-{number}"
    with subprocess.Popen(
        [sys.executable, "-m", "local_aws", "start", "--name", name, "--create-latency", "0-0.1"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr
            assert process.stdout
            first = process.stderr.readline()
            assert f"Instance {name} is running" in first
            descendants = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
            assert descendants
            runner = CliRunner()
            table = runner.invoke(cli, ["entitlements", "--name", name])
            assert "Nothing is entitled" in table.output
            changed = runner.invoke(cli, ["settings", "--name", name, "create_latency=7"])
            assert "create_latency=7" in changed.output
            lost = runner.invoke(cli, ["connector", "--name", name, "unreachable", "cnctr-abcde12345"])
            assert lost.output == "cnctr-abcde12345 of env-abcde12345 is unreachable\n"
            wrong = runner.invoke(cli, ["connector", "--name", name, "unreachable", "cnctr-nowhere000"])
            assert (wrong.exit_code, wrong.output.count("\n")) == (1, 1)
            assert "no connector cnctr-nowhere000; there are cnctr-" in wrong.output
            healed = runner.invoke(cli, ["connector", "--name", name, "reachable"])
            assert healed.output.count(" is reachable\n") == 3
            assert '"throttle"' in runner.invoke(cli, ["faults", "--name", name, "throttle", "count=2"]).output
            process.send_signal(number)
            code = process.wait(15)
            printed = process.stdout.read()
        finally:
            process.kill()
    assert code == (-number if number == signal.SIGKILL else 0)
    assert "export AWS_ENDPOINT_URL_EVS=http://127.0.0.1:" in printed
    assert "unset AWS_PROFILE" in printed
    assert gone([*descendants, process.pid])
    assert name not in running_names()


def test_help_explains_itself_and_errors_are_one_line() -> None:
    runner = CliRunner()
    assert "cdk bootstrap" in runner.invoke(cli, ["--help"]).output
    wrong = runner.invoke(cli, ["entitlements", "--name", "nobody"])
    assert (wrong.exit_code, wrong.output.count("\n")) == (1, 1)
    assert "nobody" in wrong.output


def test_set_up_is_quick_when_done_and_safe_at_once() -> None:
    ministack_venv.python()
    begin = time.perf_counter()
    threads = [threading.Thread(target=ministack_venv.python) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.perf_counter() - begin < 1
