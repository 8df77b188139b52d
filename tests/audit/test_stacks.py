"""cdk-nag's AwsSolutions and cfn-lint find nothing in any stack that this project shows."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.audit.stacks import PROJECT, STACKS, cfn_lint


@dataclass(frozen=True)
class Audit:
    """What was found in all stacks, and in a template with a mistake that cfn-lint saw beside them."""

    nag: subprocess.CompletedProcess[str]
    templates: list[Path]
    lint: subprocess.CompletedProcess[str]
    wrong: Path


@pytest.fixture(scope="module")
def audit(tmp_path_factory: pytest.TempPathFactory) -> Audit:
    """Made once for all: cfn-lint reads the specification of every resource for seconds."""
    folder = tmp_path_factory.mktemp("stacks")
    command = [sys.executable, "-m", "tests.audit.synthesize", str(folder)]
    nag = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=500)
    templates = sorted(path for name in STACKS for path in (folder / name).glob("*.template.json"))
    wrong = folder / "wrong.template.json"
    wrong.write_text(
        json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicNam": {"Ref": "None"}}}}})
    )
    lint = cfn_lint(*templates, PROJECT / "examples" / "cloudformation" / "template.yaml", wrong)
    return Audit(nag, templates, lint, wrong)


def test_cdk_nag_and_cfn_lint_find_nothing_in_any_stack(audit: Audit) -> None:
    """With a Lambda runtime that is newer than the one that was tried, as a user's aws-cdk-lib may know it."""
    assert audit.nag.returncode == 0, audit.nag.stderr
    assert len(audit.templates) == len(STACKS)
    of_stacks = [line for line in audit.lint.stdout.splitlines() if not line.startswith(f"{audit.wrong}:")]
    assert of_stacks == []
    assert audit.lint.stderr == ""


def test_every_script_of_an_app_is_audited() -> None:
    apps = {
        path.relative_to(PROJECT).as_posix()
        for folder in (PROJECT, PROJECT / "examples", PROJECT / "demo")
        for path in folder.glob("*.py" if folder == PROJECT else "**/*.py")
        if "node_modules" not in path.parts and "app = App()" in path.read_text()
    }
    # The app of the demo is the Python example with the VMs of a lock.
    assert apps - {"demo/fleet_app.py"} == {script for script, *_ in STACKS.values()}


def test_cfn_lint_does_find_what_is_wrong(audit: Audit) -> None:
    assert audit.lint.returncode != 0
    assert "TopicNam" in audit.lint.stdout
