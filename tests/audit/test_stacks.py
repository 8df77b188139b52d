"""cdk-nag's AwsSolutions and cfn-lint find nothing in any stack that this project shows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.audit.stacks import PROJECT, STACKS, cfn_lint


def test_cdk_nag_and_cfn_lint_find_nothing_in_any_stack(tmp_path: Path) -> None:
    """With a Lambda runtime that is newer than the one that was tried, as a user's aws-cdk-lib may know it."""
    command = [sys.executable, "-m", "tests.audit.synthesize", str(tmp_path)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    templates = sorted(path for name in STACKS for path in (tmp_path / name).glob("*.template.json"))
    assert len(templates) == len(STACKS)
    linted = cfn_lint(*templates, PROJECT / "examples" / "cloudformation" / "template.yaml")
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_every_script_of_an_app_is_audited() -> None:
    apps = {
        path.relative_to(PROJECT).as_posix()
        for folder in (PROJECT, PROJECT / "examples", PROJECT / "demo")
        for path in folder.glob("*.py" if folder == PROJECT else "**/*.py")
        if "node_modules" not in path.parts and "app = App()" in path.read_text()
    }
    # The app of the demo is the Python example with the VMs of a lock.
    assert apps - {"demo/fleet_app.py"} == {script for script, *_ in STACKS.values()}


def test_cfn_lint_does_find_what_is_wrong(tmp_path: Path) -> None:
    template = tmp_path / "wrong.template.json"
    template.write_text(
        json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic", "Properties": {"TopicNam": {"Ref": "None"}}}}})
    )
    done = cfn_lint(template)
    assert done.returncode != 0
    assert "TopicNam" in done.stdout
