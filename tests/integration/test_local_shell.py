"""What a user's shell does with the printed environment: to the local AWS, or to no AWS at all."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from local_aws import LocalAws, instances
from local_aws.cli import cli

ROOT = Path(__file__).parents[2]
SHELLS = ["bash", "sh"]
#: What a real account would be reached by.
REAL = {
    "AWS_PROFILE": "production",
    "AWS_ACCESS_KEY_ID": "AKIAREAL",
    "AWS_SECRET_ACCESS_KEY": "real",
    "AWS_SESSION_TOKEN": "real",
    "AWS_ROLE_ARN": "arn:aws:iam::111122223333:role/real",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/real",
}


def run(shell: str, folder: Path, *lines: str) -> subprocess.CompletedProcess[str]:
    """Run lines as a user would paste them, with a `cdk` that tells what reached it."""
    fake = folder / "bin" / "cdk"
    fake.parent.mkdir(exist_ok=True)
    fake.write_text('#!/bin/sh\necho "cdk $* with $AWS_ACCESS_KEY_ID of $AWS_PROFILE at $AWS_ENDPOINT_URL"\n')
    fake.chmod(0o755)
    python = shlex.quote(sys.executable)
    text = "\n".join(lines).replace("python -m", f"{python} -m")
    variables = {**os.environ, **REAL, "PATH": f"{fake.parent}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run([shell, "-c", text], cwd=ROOT, env=variables, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("shell", SHELLS)
def test_without_an_instance_eval_fails_and_what_follows_reaches_no_aws(shell: str, tmp_path: Path) -> None:
    line = 'eval "$(python -m local_aws environment --name nobody)"'
    done = run(
        shell,
        tmp_path,
        f"{line} && echo went on",
        "echo status $?",
        "cdk deploy",
        "echo status $?",
        "command cdk deploy",
    )
    assert done.stdout == ("status 1\nstatus 1\ncdk deploy with no-local-aws-is-running of  at http://127.0.0.1:9\n")
    assert done.stderr.count("no instance nobody running") == 2


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("why", ["no folder", "no set-up"])
def test_where_the_command_can_not_run_nothing_of_what_follows_does(shell: str, why: str, tmp_path: Path) -> None:
    # Without site-packages, a Python has none of what this needs.
    bare = f"{shlex.quote(sys.executable)} -S -m local_aws environment"
    command = bare if why == "no set-up" else f"cd {tmp_path}/gone && python -m local_aws environment"
    line = f'lines="$({command})" && eval "$lines" && echo went on'
    done = run(shell, tmp_path, line, "echo status $?")
    assert "went on" not in done.stdout
    assert "status 0" not in done.stdout
    assert "Traceback" not in done.stderr
    if why == "no set-up":
        assert "run `make set-up`" in done.stderr
        # The short form fails as well.
        assert "went on" not in run(shell, tmp_path, f'eval "$({bare})" && echo went on').stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_with_an_instance_the_shell_reaches_it_until_it_has_gone(shell: str, tmp_path: Path) -> None:
    # The instance ends with the process that started it, here one of its own.
    code = (
        "import local_aws, sys; a = local_aws.LocalAws(name=sys.argv[1]).start(); print(flush=True); input(); a.stop()"
    )
    name = f"shell-{os.getpid()}-{shell}"
    command = [sys.executable, "-c", code, name]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            process.stdout.readline()
            shown = subprocess.run(
                [sys.executable, "-m", "local_aws", "environment", "--name", name],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            done = run(shell, tmp_path, shown, "cdk diff -c 'a=b c'", "echo status $?")
            assert done.stdout.startswith("cdk diff -c a=b c with test of  at https://localhost:")
            assert done.stdout.endswith("status 0\n")
        finally:
            process.communicate("\n", timeout=60)
    began = time.monotonic()
    done = run(shell, tmp_path, shown, "cdk diff", "echo status $?")
    assert done.stdout == "status 1\n"
    assert f"the local AWS {name} has gone" in done.stderr
    assert time.monotonic() - began < 5


def test_of_several_instances_one_has_to_be_named(aws: LocalAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instances, "running", lambda: {"one": {}, "two": {}})
    result = CliRunner().invoke(cli, ["environment"])
    assert result.exit_code == 1
    assert result.output.endswith("\nfalse\n")
    assert "several instances running: one, two" in result.output


def test_a_vm_without_an_environment_is_in_the_first_one_alone(aws: LocalAws) -> None:
    aws.evs.reset()
    evs = aws.boto3_client("evs")
    other = {"environmentId": "env-zyxwv98765", "connectorId": "cnctr-zyxwv98765", "entitlementType": "WINDOWS_SERVER"}
    evs.create_entitlement(**other, vmIds=["vm-101", "vm-401"])
    deadline = time.monotonic() + 20
    while any(row["status"] == "CREATING" for row in aws.evs.rows()) and time.monotonic() < deadline:
        time.sleep(0.2)
    statuses = {row["vmId"]: row["status"] for row in aws.evs.rows()}
    assert statuses == {"vm-101": "CREATE_FAILED", "vm-401": "CREATED"}
