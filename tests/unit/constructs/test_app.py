"""The app: context in, one stack out, and one clear line when a value is missing or wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import app_context
import app_names
from evs_entitlements import EntitlementLock
from tests.support.app import APP, Done, run_app

PROJECT = Path(__file__).resolve().parents[3]
GOOD: dict[str, object] = {
    "environmentId": "env-abcde12345",
    "connectorId": "cnctr-abcde12345",
    "vmIds": "vm-101, vm-102",
}


def read(**context: object) -> Any:
    return app_context.read_settings({**GOOD, **context}.get)


def given(settings: Any) -> list[object]:
    return [vm_id.given for vm_id in settings.vm_ids]


def run(folder: Path, context: dict[str, object], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the app as the CDK CLI does."""
    variables = {name: value for name, value in os.environ.items() if name not in ("JSII_NODE", "PYTHONPATH")}
    variables |= {"CDK_OUTDIR": str(folder / "cdk.out"), "CDK_CONTEXT_JSON": json.dumps(context), **environment}
    return subprocess.run(
        [sys.executable, str(PROJECT / "app.py")],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=120,
    )


Here = Callable[[dict[str, object]], Done]


@pytest.fixture
def here(tmp_path: Path) -> Here:
    """Run the app in this process; the tests of `run` show that it starts."""
    return partial(run_app, tmp_path)


def test_values_of_the_command_line() -> None:
    settings = read(adoptExisting="true", retain="True", timeoutMinutes="15", stackName="Licences")
    assert given(settings) == ["vm-101", "vm-102"]
    assert (settings.adopt_existing, settings.retain) == (True, True)
    assert (settings.timeout_minutes, settings.stack_name) == (15, "Licences")


def test_a_monitor_and_its_topic() -> None:
    topic = "arn:aws:sns:eu-central-1:111122223333:on-call"
    assert (read().monitor, read().alarm_topic_arn) == (False, None)
    settings = read(monitor="true", alarmTopicArn=topic)
    assert (settings.monitor, settings.alarm_topic_arn) == (True, topic)
    with pytest.raises(ValueError, match="alarmTopicArn: got one without a monitor"):
        read(alarmTopicArn=topic)
    with pytest.raises(ValueError, match=r"alarmTopicArn: got 'on-call', expected the ARN of an SNS topic"):
        read(monitor="true", alarmTopicArn="on-call")


def test_the_monitor_is_in_the_template(tmp_path: Path, here: Here) -> None:
    topic = "arn:aws:sns:eu-central-1:111122223333:on-call"
    done = here({**GOOD, "monitor": "true", "alarmTopicArn": topic})
    assert done.returncode == 0, done.stderr
    (template,) = (tmp_path / "cdk.out").glob("*.template.json")
    resources = json.loads(template.read_text())["Resources"].values()
    assert len([each for each in resources if each["Type"] == "AWS::CloudWatch::Alarm"]) == 3
    assert all(topic in each["Properties"]["AlarmActions"] for each in resources if each["Type"].endswith("::Alarm"))


def test_values_of_cdk_json_have_types_of_their_own() -> None:
    settings = read(adoptExisting=False, timeoutMinutes=15, vmIds=["vm-1", "vm-2"])
    assert (settings.adopt_existing, settings.timeout_minutes, given(settings)) == (False, 15, ["vm-1", "vm-2"])


def test_defaults() -> None:
    settings = read()
    assert (settings.adopt_existing, settings.retain, settings.timeout_minutes) == (False, False, 60)
    assert settings.stack_name == "EvsWindowsServerEntitlements-env-abcde12345"


def test_two_environments_are_two_stacks() -> None:
    assert read().stack_name != read(environmentId="env-zyxwv98765").stack_name


@pytest.mark.parametrize(
    ("name", "value", "known"),
    [
        ("Retain", "true", "retain"),
        ("retian", "true", "retain"),
        ("retainEntitlements", "true", "retain"),
        ("removalPolicy", "RETAIN", "retain=true"),
        ("removal_policy", "RETAIN", "retain=true"),
        ("deletionPolicy", "Retain", "retain=true"),
        ("adopt", "true", "adoptExisting=true"),
        ("adoptExistng", "true", "adoptExisting"),
        ("adopt_existing", "true", "adoptExisting"),
        ("adopt-existing", "true", "adoptExisting"),
        ("timeout", "5", "timeoutMinutes"),
        ("timeoutMinute", "5", "timeoutMinutes"),
        ("timeout_minutes", "5", "timeoutMinutes"),
        ("vmids", "vm-1", "vmIds"),
        ("vm_ids", "", "vmIds"),
        ("vmId", "web01", "vmIds"),
        ("vms", "web01", "vmIds"),
        ("machines", "vm-1, vm-2", "vmIds"),
        ("machines", ["vm-1", "vm-2"], "vmIds"),
        ("vm_ids_file", "vms.txt", "vmIdsFile"),
        ("stack_name", "x", "stackName"),
        ("environment", "env-abcde12345", "environmentId"),
        ("env", "env-abcde12345", "environmentId"),
        ("environment_id", "x", "environmentId"),
        ("connector", "cnctr-abcde12345", "connectorId"),
    ],
)
def test_a_name_or_a_value_that_is_nearly_one_of_the_apps_is_refused(name: str, value: object, known: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name}: is no context value of this app; did you mean {known}\?$"):
        app_names.refuse_misspelt({**GOOD, name: value})


def test_names_that_are_none_of_the_apps_are_no_matter_of_its() -> None:
    others: dict[str, object] = {
        "@aws-cdk/core:target-partitions": ["aws"],
        "ssm:account=111122223333:parameterName=/vms:region=eu-central-1": "vm-1",
        "aws:cdk:bundling-stacks": ["**"],
        "availability-zones:account=1:region=x": ["a"],
        "environment": "prod",
        "stage": "prod",
        "owner": "licensing",
        "acknowledged-issue-numbers": [1, 2],
        "cli-telemetry": False,
    }
    app_names.refuse_misspelt({**dict.fromkeys(app_names.NAMES, "x"), **others})


def test_file_of_vm_ids(tmp_path: Path) -> None:
    path = tmp_path / "vms.txt"
    path.write_text("\ufeff# web\nvm-101\n\n  vm-102  # the second\r\n", encoding="utf-8")
    settings = read(vmIds=None, vmIdsFile=str(path))
    assert [(each.given, each.place) for each in settings.vm_ids] == [
        ("vm-101", f"line 2 of {path}"),
        ("vm-102", f"line 4 of {path}"),
    ]


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({"environmentId": None}, "environmentId: got nothing, expected a value: add -c environmentId=env-"),
        ({"connectorId": ""}, "connectorId: got nothing, expected a value: add -c connectorId=cnctr-"),
        ({"vmIds": None}, "vmIds: got nothing, expected a value: add -c vmIds=vm-101,vm-102 (or -c vmIdsFile=vms.txt)"),
        ({"vmIdsFile": "vms.txt"}, "vmIds and vmIdsFile: got both"),
        ({"vmIds": None, "vmIdsFile": "none.txt"}, "vmIdsFile: got 'none.txt' (No such file or directory), expected"),
        ({"vmIds": None, "vmIdsFile": "a\0b"}, "vmIdsFile: got 'a\\x00b' (embedded null byte), expected"),
        ({"vmIds": " , "}, "vmIds: got ' , ', which has no VM id, expected one or more; to entitle no VM at all: cdk"),
        ({"adoptExisting": "yes"}, "adoptExisting: got 'yes', expected true or false"),
        ({"retain": 1}, "retain: got 1, expected true or false"),
        ({"timeoutMinutes": "61"}, "timeoutMinutes: got '61', expected a whole number from 1 to 60"),
        ({"timeoutMinutes": "1.5"}, "timeoutMinutes: got '1.5', expected a whole number"),
        ({"stackName": "my stack"}, "stackName: got 'my stack', expected a string that matches"),
    ],
)
def test_missing_or_wrong_value_is_named(context: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError) as refusal:
        read(**context)
    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


def test_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "vms.xlsx"
    path.write_bytes(b"PK\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"vmIdsFile: got .*not a text file in UTF-8"):
        read(vmIds=None, vmIdsFile=str(path))


@pytest.mark.parametrize(
    ("context", "line"),
    [
        (
            {},
            (
                "error: environmentId: got nothing, expected a value: add -c environmentId=env-abcde12345 "
                "or set it in cdk.json"
            ),
        ),
        (
            {**GOOD, "connectorId": "cnctr-1"},
            "error: connectorId: got 'cnctr-1', expected a string that matches cnctr-[a-zA-Z0-9]{10}",
        ),
    ],
)
def test_wrong_run_is_one_line_and_exit_code_1(tmp_path: Path, context: dict[str, object], line: str) -> None:
    result = run(tmp_path, context)
    assert (result.returncode, result.stdout, result.stderr) == (1, "", f"{line}\n")


def test_a_node_that_cannot_be_started_is_one_line(tmp_path: Path) -> None:
    result = run(tmp_path, GOOD, JSII_NODE="/nowhere/node")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "/nowhere/node" in result.stderr


def test_an_old_cdk_library_is_named(tmp_path: Path) -> None:
    metadata = tmp_path / "site" / "aws_cdk_lib-2.100.0.dist-info" / "METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text("Metadata-Version: 2.1\nName: aws-cdk-lib\nVersion: 2.100.0\n")
    result = run(tmp_path, GOOD, PYTHONPATH=str(tmp_path / "site"))
    assert result.stderr.startswith("error: aws-cdk-lib: got 2.100.0, expected 2.252.0 or newer")
    assert result.returncode == 1


def test_wrong_ids_of_a_file_are_told_by_its_name(tmp_path: Path, here: Here) -> None:
    (tmp_path / "vms.txt").write_text("vm-1\nweb01\n")
    context = {**GOOD, "vmIds": None, "vmIdsFile": "vms.txt"}
    assert here(context).stderr == (
        "error: vmIdsFile: got 'web01' in line 2 of vms.txt (1 of 2 are wrong), expected VM ids such as vm-101, "
        "vm- and digits; 'web01' looks like the name of a VM: write its managed object id, such as 'vm-101', which "
        "the vSphere client shows in the address bar\n"
    )


@pytest.mark.parametrize(
    ("vm_ids", "words"),
    [
        ("VirtualMachine-vm-101", "looks like a VM's Id of PowerCLI or another tool: write 'vm-101'"),
        ("vm-101 vm-102", "looks like 2 VM ids in one text: write 'vm-101', 'vm-102', each by itself"),
        (["vm-101;vm-102"], "looks like 2 VM ids in one text: write 'vm-101', 'vm-102', each by itself"),
        (["vm-101", ""], "'' is an empty place: take it out"),
        ([101], "101 is a number: write 'vm-101'"),
        ("101", "'101' is a number: write 'vm-101'"),
        ([" vm-101"], "has blanks or other characters around the VM id: write 'vm-101'"),
        ("VM-101", "has capital letters: write 'vm-101'"),
        ("4207a5e2-0c6d-4d5b-9b59-8d9d7b3c1f11", "looks like a UUID: write the managed object id"),
        (["vm-1", None], "None is no text (NoneType): write VM ids only"),
    ],
)
def test_what_a_wrong_vm_id_looks_like_and_what_to_write(vm_ids: object, words: str) -> None:
    with pytest.raises(ValueError) as refusal:
        APP["checked_vm_ids"](read(vmIds=vm_ids))
    assert str(refusal.value).startswith("vmIds: got ")
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


class TestWhatIsDeclared:
    def line(self, count: int = 2, **variables: str) -> str:
        return str(APP["declaration"](read(), [f"vm-{number}" for number in range(101, 101 + count)], variables))

    def test_how_many_which_and_where(self) -> None:
        assert self.line(CDK_DEFAULT_ACCOUNT="111122223333", CDK_DEFAULT_REGION="eu-central-1", AWS_REGION="x") == (
            "2 VMs are declared for env-abcde12345 at cnctr-abcde12345: vm-101, vm-102; "
            "stack EvsWindowsServerEntitlements-env-abcde12345, account 111122223333, region eu-central-1"
        )

    def test_one(self) -> None:
        assert self.line(1).startswith("1 VM is declared for ")

    def test_that_no_region_is_set(self) -> None:
        line = self.line(CDK_DEFAULT_REGION="us-east-1")
        assert "account unknown (no credentials), region us-east-1 (no AWS_REGION is set" in line

    def test_many_are_counted_and_not_all_named(self) -> None:
        line = self.line(3000)
        assert line.startswith("3000 VMs are declared")
        assert " more; stack" in line
        assert len(line) < 500


def test_right_run_says_what_is_declared_and_needs_neither_installation_nor_path(tmp_path: Path) -> None:
    flags = json.loads((PROJECT / "cdk.json").read_text())["context"]
    context = {**flags, **GOOD, "retain": "true", "timeoutMinutes": "5", "stackName": "Licences"}
    # No Node on the PATH: were jsii not told where the environment's own one is, it could not start.
    result = run(tmp_path, context, PATH="/nowhere")
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr == (
        "2 VMs are declared for env-abcde12345 at cnctr-abcde12345: vm-101, vm-102; stack Licences\n"
    )
    out = tmp_path / "cdk.out"
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["artifacts"]["EvsWindowsServerEntitlements"]["properties"]["stackName"] == "Licences"
    template = json.loads((out / "EvsWindowsServerEntitlements.template.json").read_text())
    resource = template["Resources"]["EvsEntitlementsEnvabcde12345Cnctrabcde12345"]
    assert resource["Properties"]["VmIds"] == ["vm-101", "vm-102"]
    assert resource["Properties"]["ServiceTimeout"] == "300"
    assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
    assert {name: output["Value"] for name, output in template["Outputs"].items()} == {
        "DeclaredVms": "2",
        "VmIds": "vm-101, vm-102",
        "AddedVms": {"Fn::GetAtt": ["EvsEntitlementsEnvabcde12345Cnctrabcde12345", "Added"]},
    }


LOCK = {
    "version": 1,
    "environment_id": "env-abcde12345",
    "connector_id": "cnctr-abcde12345",
    "vms": [{"id": "vm-103", "name": "sql01"}, {"id": "vm-104", "name": "sql02"}],
}


def test_a_lock_says_environment_connector_and_vms(tmp_path: Path, here: Here) -> None:
    lock = tmp_path / "entitlements.lock.json"
    lock.write_text(json.dumps(LOCK))
    result = here({"lockFile": str(lock)})
    assert "2 VMs are declared for env-abcde12345 at cnctr-abcde12345: vm-103, vm-104" in result.stderr


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"vmIds": "vm-101"}, "lockFile and vmIds: got both"),
        ({"vmIdsFile": "vms.txt"}, "lockFile and vmIdsFile: got both"),
        ({"environmentId": "env-fghij67890"}, "environmentId: got 'env-fghij67890', expected env-abcde12345"),
    ],
)
def test_a_lock_beside_what_contradicts_it_is_one_line(tmp_path: Path, more: dict[str, str], said: str) -> None:
    lock = tmp_path / "entitlements.lock.json"
    lock.write_text(json.dumps(LOCK))
    with pytest.raises(ValueError, match=re.escape(said)) as raised:
        app_context.with_lock({"lockFile": str(lock), **more}.get, EntitlementLock.load)
    assert "\n" not in str(raised.value)


def test_a_vm_of_a_lock_that_the_construct_cannot_take_is_named(tmp_path: Path, here: Here) -> None:
    lock = tmp_path / "entitlements.lock.json"
    lock.write_text(json.dumps({**LOCK, "vms": [{"id": "i-0abc", "name": "sql01"}]}))
    result = here({"lockFile": str(lock)})
    assert result.returncode == 1
    assert "sql01" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_stack_names_no_account_or_region(tmp_path: Path) -> None:
    run(tmp_path, GOOD, CDK_DEFAULT_ACCOUNT="111122223333", CDK_DEFAULT_REGION="eu-central-1")
    text = (tmp_path / "cdk.out" / "EvsWindowsServerEntitlements.template.json").read_text()
    assert "111122223333" not in text
    assert "eu-central-1" not in text


# --- the function alone -------------------------------------------------------------------------------------------


def test_the_function_alone(tmp_path: Path, here: Here) -> None:
    done = here({"providerOnly": "true", "environmentIds": "env-abcde12345, env-zyxwv98765"})
    assert done.returncode == 0, done.stderr
    template = json.loads((tmp_path / "cdk.out" / "EvsEntitlementProvider.template.json").read_text())
    types = [resource["Type"] for resource in template["Resources"].values()]
    assert "Custom::EvsWindowsServerEntitlements" not in types
    assert types.count("AWS::Lambda::Function") == 1
    assert template["Outputs"].keys() == {"ServiceToken"}
    manifest = json.loads((tmp_path / "cdk.out" / "manifest.json").read_text())
    assert manifest["artifacts"]["EvsEntitlementProvider"]["properties"]["terminationProtection"] is True


def test_the_processor_of_either_form(tmp_path: Path, here: Here) -> None:
    done = here({**GOOD, "architecture": "x86_64"})
    assert done.returncode == 0, done.stderr
    template = json.loads((tmp_path / "cdk.out" / "EvsWindowsServerEntitlements.template.json").read_text())
    (function,) = (one for one in template["Resources"].values() if one["Type"] == "AWS::Lambda::Function")
    assert function["Properties"]["Architectures"] == ["x86_64"]


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ({"environmentIds": "env-abcde12345", "vmIds": "vm-1"}, "vmIds: got a value beside providerOnly=true"),
        (
            {"environmentId": "env-abcde12345"},
            "environmentId: got a value beside providerOnly=true, expected environmen",
        ),
        ({}, "environmentIds: got nothing, expected one or more"),
        ({"environmentIds": " , "}, "environmentIds: got ' , ', expected one or more"),
        ({"environmentIds": "env-1"}, "environmentIds: got 'env-1'"),
        ({"environmentIds": "env-abcde12345", "stackNames": "a b"}, "stackNames: got 'a b'"),
        ({"environmentIds": "env-abcde12345", "architecture": "amd64"}, "architecture: got 'amd64', expected arm64 or"),
        (
            {"environmentIds": "env-abcde12345", "providerOnly": "yes"},
            "providerOnly: got 'yes', expected true or false",
        ),
        (
            {"environmentIds": "env-abcde12345", "provideronly": "true"},
            "provideronly: is no context value of this app",
        ),
        ({**GOOD, "providerOnly": "false", "environmentIds": "env-abcde12345"}, "environmentIds: got a value without"),
        ({**GOOD, "providerOnly": "false", "stackNames": "a"}, "stackNames: got a value without providerOnly=true"),
    ],
)
def test_a_wrong_value_for_the_function_alone_is_one_line(here: Here, context: dict[str, object], message: str) -> None:
    done = here({"providerOnly": "true", **context})
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {message}"), done.stderr
    assert done.stderr.count("\n") == 1
