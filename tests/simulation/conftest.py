"""Worlds for hand-written histories, judged when the test ends."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from .scene import Scene, SceneStack


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


@pytest.fixture
def stack(world: Scene) -> SceneStack:
    """A stack in it."""
    return world.new_stack()


@pytest.fixture
def make_unjudged() -> Iterator[Callable[..., Scene]]:
    """Make worlds as `make_world` does, that are not judged: nothing follows the one request of a test."""
    worlds: list[Scene] = []

    def make(**weather: Any) -> Scene:
        worlds.append(Scene(**weather))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()
