"""What one version's monitor remembers, the other's reads: nothing is told twice, and nothing is lost."""

from collections.abc import Callable
from importlib import import_module

import pytest

from lambda_handler.monitor.run import run as run_of_this_version
from tests.unit.monitor import world as monitor_world
from tests.unit.monitor.world import HERE, MonitorWorld

from . import fixed_watch
from .fixed_app import WATCHED_VM_IDS
from .stored_code import StoredCode
from .versions import Version

Run = Callable[..., None]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in fixed_watch.VARIABLES.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def run_of_stored_version(code: StoredCode) -> Run:
    package = code.modules().__name__.rpartition(".")[0]
    run: Run = import_module(f"{package}.monitor.run").run
    return run


def kinds(world: MonitorWorld) -> list[str]:
    return [entry["Detail"]["change"] for entry in world.sent]


def goes_on(world: MonitorWorld) -> None:
    """The event that could not be sent comes once, then the one of the return."""
    (line,) = world.run()
    assert line["AtRisk"] == 2
    world.run()
    assert kinds(world) == ["At Risk"]
    assert world.sent[0]["Detail"]["vmIds"] == list(WATCHED_VM_IDS)
    world.healed()
    world.run()
    world.run()
    assert kinds(world) == ["At Risk", "Back"]


def test_what_a_stored_version_remembers_is_told_once(version: Version) -> None:
    world = fixed_watch.at_risk()
    world.memory.restore({str(HERE): version.memory()})
    goes_on(world)


@pytest.mark.parametrize("stored_first", [True, False], ids=["stored, then this", "this, then stored"])
def test_one_version_remembers_and_the_other_tells(
    run_of_stored_version: Run, stored_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, then = (run_of_stored_version, run_of_this_version)[:: 1 if stored_first else -1]
    monkeypatch.setattr(monitor_world, "run", first)
    world = fixed_watch.at_risk()
    monkeypatch.setattr(monitor_world, "run", then)
    goes_on(world)
