"""This version goes on from a stored version's ledger, and that version from this one's.

The simulation plays it with the real code of both. Each scene is judged when its test ends: nothing left behind,
nothing foreign touched, nothing lost, every request answered once.
"""

import itertools
from collections.abc import Callable
from importlib import import_module
from random import Random
from typing import Any
from uuid import UUID

import pytest
from greenlet import getcurrent  # type: ignore[import-untyped]

from lambda_handler.ledger.packing import packed_body, read_item, unpacked
from lambda_handler.values import Connector
from tests.simulation.functions import Handler
from tests.simulation.handler import run as run_of_this_version
from tests.simulation.history import draw
from tests.simulation.play import Player
from tests.simulation.requests import Request
from tests.simulation.scene import Scene, SceneStack

from . import fixed_scene
from .fixed_app import VM_IDS
from .fixed_scene import ELSEWHERE, HERE, THERE, WINDOWS, resources
from .stored_code import StoredCode
from .versions import AT_REST, UNDER_WAY, Version

CHANGED = ["vm-102", "vm-103", "vm-104"]
HISTORIES = 120
SEED = 20261127


@pytest.fixture
def run_of_stored_version(code: StoredCode) -> Handler:
    """Serves an event with the stored version's code."""
    invocation = code.modules()
    numbers = itertools.count()

    def numbered() -> UUID:
        # As tests/simulation/handler.py does it for this version's code.
        now = getattr(getcurrent(), "invocation", None)
        return UUID(int=(now.number if now else next(numbers)) << 80)

    package = invocation.__name__.rpartition(".")[0]
    fence: Any = import_module(f"{package}.ledger.fence")
    fence.uuid4 = numbered
    run: Handler = invocation.run
    return run


def restored(world: Scene, version: Version) -> SceneStack:
    """A stack at rest whose ledger is the stored one."""
    stack = fixed_scene.at_rest(world)
    fixed_scene.put(stack, version.ledger(AT_REST))
    return stack


def changes(world: Scene, since: int) -> dict[str, list[list[str]]]:
    return {name: world.calls(name, since) for name in ("CreateEntitlement", "DeleteEntitlement")}


# --- reading ---------------------------------------------------------------------------------------------------------


def test_a_stored_ledger_is_read_as_it_was_meant(version: Version) -> None:
    state = read_item(version.ledger(AT_REST))
    assert {one.logical_id: physical_id for physical_id, one in state.sets.items()} == version.ids
    assert {one.logical_id: one.vm_ids for one in state.sets.values()} == {
        WINDOWS: frozenset(VM_IDS),
        ELSEWHERE: frozenset({"vm-110"}),
    }
    assert all(one.live and not one.kept and not one.retained for one in state.sets.values())
    assert {str(connector): (held.owned, set(held.adopted)) for connector, held in state.holdings.items()} == {
        "/".join(HERE): (frozenset(VM_IDS), {fixed_scene.ADOPTED}),
        "/".join(THERE): (frozenset({"vm-110"}), set()),
    }
    assert not state.calls


def test_a_stored_call_under_way_is_read_as_it_was_meant(version: Version) -> None:
    state = read_item(version.ledger(UNDER_WAY))
    (call,) = state.calls.values()
    assert call.operation == "CreateEntitlement"
    assert call.connector == Connector(*HERE)
    assert call.vm_ids == {"vm-104"}
    assert 0 < call.lands_by - call.left_at < call.until - call.left_at
    pending = [one.vm_ids for one in state.sets.values() if not one.live]
    assert pending == [frozenset(fixed_scene.CHANGED)]


@pytest.mark.parametrize("name", [AT_REST, UNDER_WAY])
def test_nothing_of_a_stored_ledger_is_lost_when_it_is_written_again(version: Version, name: str) -> None:
    state = read_item(version.ledger(name))
    calls = {call_id: text["S"] for call_id, text in version.ledger(name)["Calls"]["M"].items()}
    assert unpacked(packed_body(state), calls, state.claims) == state


# --- this version on a stored ledger ---------------------------------------------------------------------------------


def test_a_change_a_clean_up_and_a_deletion_on_a_stored_ledger(version: Version, world: Scene) -> None:
    stack = restored(world, version)
    since = len(world.story.facts)
    stack.deploy(resources(CHANGED))
    assert stack.status == "UPDATE_COMPLETE"
    assert changes(world, since) == {"CreateEntitlement": [["vm-104"]], "DeleteEntitlement": [["vm-101"]]}
    assert world.entitled(HERE) == set(CHANGED)
    stack.delete()
    assert world.entitled(HERE) | world.entitled(THERE) == set()


def test_an_update_that_changes_no_set_makes_no_call_on_a_stored_ledger(version: Version, world: Scene) -> None:
    """A new version may add a property: CloudFormation then sends an Update."""
    stack = restored(world, version)
    since = len(world.story.facts)
    declared = {name: {**one, "AddedByANewVersion": "1"} for name, one in resources(VM_IDS).items()}
    stack.deploy(declared)
    assert stack.status == "UPDATE_COMPLETE"
    assert changes(world, since) == {"CreateEntitlement": [], "DeleteEntitlement": []}
    assert {name: one.physical_id for name, one in stack.model.resources.items()} == version.ids


def test_a_rollback_on_a_stored_ledger_takes_back_what_the_update_has_made(version: Version, world: Scene) -> None:
    stack = restored(world, version)
    since = len(world.story.facts)
    stack.deploy(resources(CHANGED), fails_after=1.0, fails_last=True)
    assert stack.status == "UPDATE_ROLLBACK_COMPLETE"
    assert changes(world, since) == {"CreateEntitlement": [["vm-104"]], "DeleteEntitlement": [["vm-104"]]}
    assert world.entitled(HERE) == set(VM_IDS)


def test_a_set_that_leaves_on_a_stored_ledger(version: Version, world: Scene) -> None:
    stack = restored(world, version)
    stack.deploy({ELSEWHERE: resources(VM_IDS)[ELSEWHERE]})
    assert world.entitled(HERE) == set()
    assert world.entitled(THERE) == {"vm-110"}


def under_way(world: Scene, version: Version) -> tuple[SceneStack, Request]:
    stack, request = fixed_scene.under_way(world)
    fixed_scene.put(stack, version.ledger(UNDER_WAY))
    return stack, request


def test_an_update_back_goes_on_from_a_stored_call_that_nobody_heard_of(version: Version, world: Scene) -> None:
    stack, _ = under_way(world, version)
    _back(stack)
    assert world.entitled(HERE) == set(VM_IDS)


def test_a_deletion_goes_on_from_a_stored_call_that_nobody_heard_of(version: Version, world: Scene) -> None:
    stack, _ = under_way(world, version)
    stack.delete()
    assert world.entitled(HERE) | world.entitled(THERE) == set()


def _back(stack: SceneStack) -> None:
    resource = stack.model.resources[WINDOWS]
    request = Request(
        stack.model,
        "Update",
        WINDOWS,
        resource.physical_id,
        fixed_scene.properties(VM_IDS),
        fixed_scene.properties(fixed_scene.CHANGED),
        "back",
    )
    stack.model.issue(request)
    answer = stack.answer(request)
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", resource.physical_id)


# --- both versions ---------------------------------------------------------------------------------------------------


@pytest.fixture(params=["stored, then this", "this, then stored"])
def versions_in_turn(request: pytest.FixtureRequest, run_of_stored_version: Handler) -> tuple[Handler, Handler]:
    both = (run_of_stored_version, run_of_this_version)
    return both if request.param.startswith("stored") else both[::-1]


def test_one_version_goes_on_from_what_the_other_has_written(
    versions_in_turn: tuple[Handler, Handler], world: Scene
) -> None:
    world.handler, then = versions_in_turn
    stack = fixed_scene.at_rest(world)
    world.handler = then
    since = len(world.story.facts)
    stack.deploy(resources(CHANGED))
    assert changes(world, since) == {"CreateEntitlement": [["vm-104"]], "DeleteEntitlement": [["vm-101"]]}
    world.handler = versions_in_turn[0]
    since = len(world.story.facts)
    stack.deploy(resources(VM_IDS))
    assert changes(world, since) == {"CreateEntitlement": [["vm-101"]], "DeleteEntitlement": [["vm-104"]]}
    stack.delete()
    assert world.entitled(HERE) | world.entitled(THERE) == set()


def test_one_version_goes_on_from_a_call_of_the_other_that_nobody_heard_of(
    versions_in_turn: tuple[Handler, Handler], world: Scene
) -> None:
    """An upgrade is rolled back, or a downgrade is, while an update is under way."""
    world.handler, then = versions_in_turn
    stack, _ = fixed_scene.under_way(world)
    world.handler = then
    _back(stack)
    assert world.entitled(HERE) == set(VM_IDS)
    stack.delete()
    assert world.entitled(HERE) | world.entitled(THERE) == set()


def test_one_version_goes_on_in_a_request_that_the_other_has_handed_over(
    versions_in_turn: tuple[Handler, Handler], make_world: Callable[..., Scene]
) -> None:
    """The function's code is changed while a chain of its invocations is under way."""
    world = make_world(function_timeout=30.0, creation_takes=90.0)
    world.handler, then = versions_in_turn
    stack = world.new_stack()
    operation, process = stack.begin({WINDOWS: fixed_scene.properties(VM_IDS)})
    world.clock.run(world.clock.now + 290, done=lambda: len(world.invocations) > 1)
    assert len(world.invocations) > 1
    world.handler = then
    world.clock.wait_for(process)
    assert operation.is_well, world.story.tell()
    assert world.entitled(HERE) == set(VM_IDS)
    stack.delete()


@pytest.mark.parametrize("part", range(4))
def test_random_histories_in_which_each_invocation_may_be_of_either_version(
    run_of_stored_version: Handler, part: int
) -> None:
    """Upgrades and downgrades at any moment, also within a request: nothing is lost or left behind."""
    for seed in range(SEED + part, SEED + HISTORIES, 4):
        random = Random(f"{seed}/version")

        def either(event: dict[str, Any], context: Any, platform: Any, random: Random = random) -> None:
            random.choice([run_of_this_version, run_of_stored_version])(event, context, platform)

        player = Player(draw(seed))
        player.world.handler = either
        try:
            player.play()
            violations = player.world.judge.violations
            assert not violations, "\n".join([f"SEED={seed}", player.world.story.tell(), *violations])
        finally:
            player.world.close()
