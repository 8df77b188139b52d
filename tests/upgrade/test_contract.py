"""This version's templates keep what the newest stored version has promised to deployed stacks."""

import copy
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lambda_handler.cloudformation.physical_id import set_id
from lambda_handler.values import Connector
from testing.cdk import CLI, PROJECT

from . import fixed_app, fixed_scene
from .contract import CUSTOM, broken
from .versions import Version, newest

#: What `cdk diff` says of a resource, or of a property, where CloudFormation would make a new one or take one away.
REPLACED = re.compile(r"replace|destroy|orphan|removal")


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cloud assembly of the fixed app, as the working tree makes it."""
    return fixed_app.synthesize(tmp_path_factory.mktemp("upgrade") / "cdk.out")


def template(assembly: Path, stack: str) -> dict[str, Any]:
    made: dict[str, Any] = json.loads((assembly / f"{stack}.template.json").read_text())
    return made


def _environment(assembly: Path) -> dict[str, str]:
    """Return an environment in which the CLI asks no AWS, and writes nowhere but beside the cloud assembly."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CDK_"))}
    path = f"{PROJECT / '.venv' / 'bin'}{os.pathsep}{own.get('PATH', '')}"
    home = str(assembly.parent / "home")
    return {**own, "PATH": path, "CDK_HOME": home, "HOME": home, "AWS_EC2_METADATA_DISABLED": "true"}


def differences(assembly: Path, stack: str, before: Path) -> list[str]:
    """Return what the CDK CLI says would be replaced or taken away; it goes by AWS's own resource specification."""
    done = subprocess.run(
        [str(CLI), "diff", stack, "--app", str(assembly), "--template", str(before), "--no-color", "--no-notices"],
        cwd=assembly,
        capture_output=True,
        text=True,
        timeout=240,
        env=_environment(assembly),
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout + done.stderr
    assert f"Stack {stack}" in said, said
    found, resource = [], ""
    for line in said.splitlines():
        resource = line if line.startswith("[") else resource
        # Whether a custom resource is replaced, its function says: test_ledger.py looks at that.
        is_open = CUSTOM in resource and "may " in line
        if REPLACED.search(line) and not is_open:
            found.append(line)
    return found


@pytest.mark.parametrize("stack", newest().stacks)
def test_no_contract_of_the_newest_stored_version_is_broken(assembly: Path, stack: str) -> None:
    assert broken(newest().template(stack), template(assembly, stack)) == []


@pytest.mark.parametrize("stack", newest().stacks)
def test_an_upgrade_replaces_nothing_by_aws_own_specification(assembly: Path, stack: str) -> None:
    assert differences(assembly, stack, newest().template_path(stack)) == []


def test_what_would_be_replaced_is_seen(assembly: Path, tmp_path: Path) -> None:
    """The check itself would notice, and takes a property that a custom resource gets for no replacement."""
    stored = newest().template(fixed_app.LICENCES)
    del stored["Resources"][fixed_scene.WINDOWS]["Properties"]["RemovalPolicy"]
    (table,) = [one for one in stored["Resources"].values() if one["Type"] == "AWS::DynamoDB::Table"]
    for part in (table["Properties"]["KeySchema"], table["Properties"]["AttributeDefinitions"]):
        part[0]["AttributeName"] = "Key"
    (tmp_path / "before.json").write_text(json.dumps(stored))
    found = differences(assembly, fixed_app.LICENCES, tmp_path / "before.json")
    assert any("KeySchema (requires replacement)" in line for line in found)
    assert not any("RemovalPolicy" in line or CUSTOM in line for line in found)


def test_a_set_keeps_its_id(version: Version) -> None:
    """Another id for the same set would be a replacement: the function would be asked to delete the former one."""
    for logical_id, physical_id in version.ids.items():
        connector = Connector.parse(physical_id.rpartition("/")[0])
        declared = fixed_app.VM_IDS if logical_id == fixed_scene.WINDOWS else fixed_app.OTHER_VM_IDS
        assert set_id(logical_id, connector, frozenset(declared)) == physical_id
    golden = frozenset(fixed_scene.GOLDEN)
    assert set_id(fixed_scene.WINDOWS, Connector(*fixed_scene.HERE), golden) == version.golden_id


def test_the_sets_of_the_app_are_those_of_the_ledgers(version: Version) -> None:
    resources = version.template(fixed_app.LICENCES)["Resources"]
    sets = {name: one["Properties"] for name, one in resources.items() if one["Type"] == CUSTOM}
    assert set(sets) == set(version.ids) == {fixed_scene.WINDOWS, fixed_scene.ELSEWHERE}
    assert sets[fixed_scene.WINDOWS]["VmIds"] == list(fixed_app.VM_IDS)


class TestComparison:
    """The comparison sees each breach, and takes no addition for one."""

    @pytest.fixture
    def stored(self) -> dict[str, Any]:
        return newest().template(fixed_app.SHARED) | {"Resources": self._resources()}

    def _resources(self) -> dict[str, Any]:
        return {**newest().template(fixed_app.WATCHED)["Resources"], **newest().template("Shared")["Resources"]}

    def _named(self, template: dict[str, dict[str, Any]], kind: str) -> str:
        return next(str(name) for name, one in template["Resources"].items() if one["Type"] == kind)

    def test_additions_and_code_break_nothing(self, stored: dict[str, Any]) -> None:
        now = copy.deepcopy(stored)
        now["Resources"]["Another"] = {"Type": "AWS::SNS::Topic"}
        now["Outputs"]["Another"] = {"Value": "1"}
        function = now["Resources"][self._named(now, "AWS::Lambda::Function")]["Properties"]
        function["Code"]["S3Key"], function["MemorySize"] = "another.zip", 1024
        now["Resources"][self._named(now, CUSTOM)]["Properties"]["Another"] = "1"
        assert broken(stored, now) == []

    @pytest.mark.parametrize(
        ("kind", "change", "said"),
        [
            (CUSTOM, lambda one: one["Properties"].pop("RemovalPolicy"), "property RemovalPolicy is gone"),
            (CUSTOM, lambda one: one["Properties"].update(ServiceToken="arn"), "its ServiceToken was"),
            (CUSTOM, lambda one: one.update(Type="Custom::Another"), "its type was"),
            (CUSTOM, lambda one: one.update(DeletionPolicy="Retain"), "its DeletionPolicy was Delete and is Retain"),
            ("AWS::Lambda::Function", lambda one: one["Properties"].update(FunctionName="f"), "its FunctionName was"),
            ("AWS::DynamoDB::Table", lambda one: one["Properties"].update(TableName="t"), "its TableName was None and"),
            ("AWS::SSM::Parameter", lambda one: one["Properties"].update(Name="/x"), "its Name was /Shared/"),
            ("AWS::CloudWatch::Alarm", lambda one: one["Properties"].update(MetricName="x"), "its MetricName was"),
        ],
    )
    def test_a_changed_resource_is_said(self, stored: dict[str, Any], kind: str, change: Any, said: str) -> None:
        now = copy.deepcopy(stored)
        name = self._named(now, kind)
        change(now["Resources"][name])
        (sentence,) = broken(stored, now)
        assert sentence.startswith(name)
        assert said in sentence

    def test_a_resource_that_is_gone_or_renamed_is_said(self, stored: dict[str, Any]) -> None:
        now = copy.deepcopy(stored)
        name = self._named(now, "AWS::DynamoDB::Table")
        now["Resources"]["Renamed"] = now["Resources"].pop(name)
        assert broken(stored, now) == [
            f"{name} (AWS::DynamoDB::Table): is not in the template any more, CloudFormation would delete it"
        ]

    def test_an_output_or_its_export_that_changes_is_said(self, stored: dict[str, Any]) -> None:
        now = copy.deepcopy(stored)
        now["Outputs"]["ServiceToken"]["Export"]["Name"] = "Another"
        assert "its Export was {'Name': 'Shared-ServiceToken'}" in broken(stored, now)[0]
        del now["Outputs"]["ServiceToken"]
        assert broken(stored, now) == ["output ServiceToken is gone"]


def test_the_stored_files_name_no_path_of_a_machine(version: Version) -> None:
    for path in version.folder.iterdir():
        assert str(PROJECT) not in path.read_text(), path
