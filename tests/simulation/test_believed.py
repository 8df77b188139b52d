"""What one answer, or an old one, says is not believed: a table, an environment or a page that is said not to exist."""

from collections.abc import Callable
from typing import Any

import pytest

from .errors import Refusal, client_error
from .rows import Where
from .scene import Scene, vms
from .trouble import GOOD, Fate, not_found, throttled
from .world import ENVIRONMENT

Make = Callable[..., Scene]
FOR_GOOD = 1e12


@pytest.mark.parametrize("operation", ["GetItem", "PutItem", None], ids=["GetItem", "PutItem", "control"])
def test_dynamodb_says_once_that_the_table_does_not_exist(make_unjudged: Make, operation: str | None) -> None:
    """Without its ledger the Delete would go by its properties, and end what was adopted and is to be given back."""
    world = make_unjudged()
    world.by_hand("vm-1")
    stack = world.new_stack()
    create = stack.ask("Create", ["vm-1", "vm-2"], adopts=True)
    stack.model.reach("ROLLBACK_IN_PROGRESS")
    if operation:
        error = client_error(operation, "ResourceNotFoundException", "Requested resource not found", 400)
        world.trouble.plan(operation, Fate("not found", None, lambda _: error))
    stack.ask("Delete", ["vm-1", "vm-2"], create["PhysicalResourceId"], adopts=True)
    assert world.entitled() == {"vm-1"}


def test_a_page_token_that_is_not_found(make_unjudged: Make) -> None:
    """The first page can be read, so the environment is there."""
    world = make_unjudged(page_size=2)
    stack = world.new_stack()
    stack.declare(vms(1, 5))
    page = world.listing.page

    def stale(where: Where, token: str | None, most: int) -> dict[str, Any]:
        if token is not None:
            raise Refusal("ResourceNotFoundException", "Not found", 404, resourceId=token, resourceType="nextToken")
        return page(where, None, most)

    world.listing.page = stale  # type: ignore[method-assign]
    world.after(20.0, setattr, world.listing, "page", page)
    answer = stack.ask("Delete", vms(1, 5), stack.physical_id)
    assert (answer["Status"], world.entitled()) == ("SUCCESS", set())


def test_what_an_event_carries_is_older_than_what_its_first_delivery_has_learnt(make_unjudged: Make) -> None:
    """EVS says NotFound twice; the next invocation can list, and is killed. Lambda's retry is told NotFound once.

    Its event still says "twice, since two minutes". It must not make three of them.
    """
    world = make_unjudged(function_timeout=30.0)
    stack = world.new_stack()
    stack.declare(["vm-1"])
    world.run_for(100)
    once = not_found(ENVIRONMENT)
    world.trouble.plan("ListVmEntitlements", once, once, throttled(14), GOOD, once)
    request = stack.issue("Delete", ["vm-1"], stack.physical_id)
    request.planned = [None, (8, "kill", 0.0)]
    stack.model.release("Windows", stack.physical_id)
    assert stack.answer(request)["Status"] == "SUCCESS"
    assert world.entitled() == set()


@pytest.mark.parametrize("apart", [0.002, 0.0], ids=["each at its own time", "control: all at once"])
def test_a_look_at_rows_that_began_at_different_times_is_handed_on(make_unjudged: Make, apart: float) -> None:
    """9,000 rows, a page a second, and 30 s for the function: no invocation could read the whole list."""
    world = make_unjudged(function_timeout=30.0)
    stack = world.new_stack()
    stack.declare(["vm-1"])
    for vm_id in vms(10_000, 18_999):
        world.clock.now += apart
        world.by_hand(vm_id)
    world.weather.latency = 1.0
    request = stack.issue("Delete", ["vm-1"], stack.physical_id)
    stack.model.release("Windows", stack.physical_id)
    assert stack.answer(request)["Status"] == "SUCCESS", f"{request.invocations} invocations"
