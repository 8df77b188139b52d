"""The app: context in, one stack out, and one clear line when a value is missing or wrong."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parents[3]
APP = runpy.run_path(str(PROJECT / "app.py"), run_name="app")
GOOD: dict[str, object] = {
    "environmentId": "env-abcde12345",
    "connectorId": "cnctr-abcde12345",
    "vmIds": "vm-101, vm-102",
}


def read(**context: object) -> Any:
    return APP["read_settings"]({**GOOD, **context}.get)


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


def test_values_of_the_command_line() -> None:
    settings = read(adoptExisting="true", retain="True", timeoutMinutes="15", stackName="Licences")
    assert settings.vm_ids == ["vm-101", "vm-102"]
    assert (settings.adopt_existing, settings.retain) == (True, True)
    assert (settings.timeout_minutes, settings.stack_name) == (15, "Licences")


def test_values_of_cdk_json_have_types_of_their_own() -> None:
    settings = read(adoptExisting=False, timeoutMinutes=15, vmIds=["vm-1", "vm-2"])
    assert (settings.adopt_existing, settings.timeout_minutes, settings.vm_ids) == (False, 15, ["vm-1", "vm-2"])


def test_defaults() -> None:
    settings = read()
    assert (settings.adopt_existing, settings.retain, settings.timeout_minutes) == (False, False, 60)
    assert settings.stack_name == "EvsWindowsServerEntitlements"


@pytest.mark.parametrize(
    ("name", "known"),
    [("Retain", "retain"), ("adoptExistng", "adoptExisting"), ("vmids", "vmIds"), ("timeoutMinute", "timeoutMinutes")],
)
def test_a_misspelt_name_is_refused(name: str, known: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}: got a context value of this name, expected {known}$"):
        APP["refuse_misspelt"]([*GOOD, name])


def test_names_that_are_none_of_the_apps_are_no_matter_of_its() -> None:
    APP["refuse_misspelt"]([*APP["_NAMES"], "@aws-cdk/core:target-partitions", "environment", "stage", "timeout", "vm"])


def test_file_of_vm_ids(tmp_path: Path) -> None:
    path = tmp_path / "vms.txt"
    path.write_text("\ufeff# web\nvm-101\n\n  vm-102  # the second\r\n", encoding="utf-8")
    assert read(vmIds=None, vmIdsFile=str(path)).vm_ids == ["vm-101", "vm-102"]


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
    assert result.stderr.startswith("error: aws-cdk-lib: got 2.100.0, expected 2.275.0 or newer")
    assert result.returncode == 1


def test_wrong_ids_of_a_file_are_told_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "vms.txt").write_text("vm-1\nweb01\n")
    context = {**GOOD, "vmIds": None, "vmIdsFile": "vms.txt"}
    assert run(tmp_path, context).stderr.startswith("error: vmIdsFile: got 'web01' (1 of 2 are wrong), expected")


def test_right_run_says_nothing_and_needs_neither_installation_nor_path(tmp_path: Path) -> None:
    flags = json.loads((PROJECT / "cdk.json").read_text())["context"]
    context = {**flags, **GOOD, "retain": "true", "timeoutMinutes": "5", "stackName": "Licences"}
    # No Node on the PATH: were jsii not told where the environment's own one is, it could not start.
    result = run(tmp_path, context, PATH="/nowhere")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    out = tmp_path / "cdk.out"
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["artifacts"]["EvsWindowsServerEntitlements"]["properties"]["stackName"] == "Licences"
    template = json.loads((out / "EvsWindowsServerEntitlements.template.json").read_text())
    resource = template["Resources"]["EvsEntitlementsEnvabcde12345Cnctrabcde12345"]
    assert resource["Properties"]["VmIds"] == ["vm-101", "vm-102"]
    assert resource["Properties"]["ServiceTimeout"] == "300"
    assert resource["DeletionPolicy"] == "RetainExceptOnCreate"


def test_stack_names_no_account_or_region(tmp_path: Path) -> None:
    run(tmp_path, GOOD, CDK_DEFAULT_ACCOUNT="111122223333", CDK_DEFAULT_REGION="eu-central-1")
    text = (tmp_path / "cdk.out" / "EvsWindowsServerEntitlements.template.json").read_text()
    assert "111122223333" not in text
    assert "eu-central-1" not in text
