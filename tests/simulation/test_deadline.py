"""Every request is answered before CloudFormation gives up, however slow or silent a service is by then.

The scenes are not judged: the requests that would follow a failure are left out, so that each test is short. Parameters
whose id begins with `control` show that the scene itself is sound.
"""

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from lambda_handler.pace import Pace

from .platform import SimulatedPlatform
from .requests import Request
from .rows import Where
from .scene import Scene, properties, vms
from .trouble import Fate, silence

Make = Callable[..., Scene]
FOR_GOOD = 1e12


def slow(seconds: float) -> Fate:
    return Fate("slow", 0.0, late=seconds)


def assert_in_time(world: Scene, request: Request, after: float = 4000.0) -> None:
    world.run_for(request.service_timeout + after)
    assert request.bodies, f"never answered, {request.invocations} invocations"
    late = request.answered_at - request.deadline
    assert late < 0, f"answered {late:.0f} s too late, {request.invocations} invocations"


@pytest.mark.parametrize(
    ("function_timeout", "fate"),
    [(30.0, slow(3.0)), (45.0, slow(5.5)), (30.0, silence(None)), (60.0, slow(3.0))],
    ids=["30 s, 3 s an answer", "45 s, 5.5 s an answer", "30 s, silent", "control: 60 s"],
)
def test_a_create_whose_invocations_have_no_time_for_all_questions_to_cloudformation(
    make_unjudged: Make, monkeypatch: pytest.MonkeyPatch, function_timeout: float, fate: Fate
) -> None:
    """A shared function asks four questions first, where another resource declares a VM as well."""
    monkeypatch.setenv("SHARED_BY_STACKS", "true")
    world = make_unjudged(function_timeout=function_timeout)
    stack = world.new_stack()
    stack.declare(["vm-1"])
    world.run_for(200)
    world.trouble.lasting["cloudformation"] = fate, FOR_GOOD
    assert_in_time(world, stack.issue("Create", ["vm-1", "vm-2"], logical_id="Other", ServiceTimeout="600"))


@pytest.mark.parametrize("service_timeout", [300, 3600])
@pytest.mark.parametrize(
    ("function_timeout", "fate"),
    [(30.0, slow(5.5)), (30.0, silence(None)), (60.0, slow(5.5))],
    ids=["5.5 s an answer", "silent", "control: 60 s"],
)
def test_a_delete_whose_invocations_have_no_time_for_all_questions_to_cloudformation(
    make_unjudged: Make, function_timeout: float, fate: Fate, service_timeout: int
) -> None:
    """The stack is deleted, and another of its resources declares a VM as well: three questions."""
    world = make_unjudged(function_timeout=function_timeout)
    stack = world.new_stack()
    stack.deploy({"Windows": properties(["vm-1", "vm-2"]), "Other": properties(["vm-1", "vm-5"])})
    world.run_for(200)
    world.trouble.lasting["cloudformation"] = fate, world.clock.now + service_timeout + 3000
    stack.model.status = "DELETE_IN_PROGRESS"
    stack.model.release("Windows", stack.physical_id)
    vm_ids, timeout = ["vm-1", "vm-2"], str(service_timeout)
    assert_in_time(world, stack.issue("Delete", vm_ids, stack.physical_id, ServiceTimeout=timeout))


@pytest.mark.parametrize("kind", ["Create", "Update", "Delete"])
@pytest.mark.parametrize(
    ("function_timeout", "ledger", "evs"),
    [(20.5, 3.0, 2.0), (30.0, 5.0, 3.0), (60.0, 5.0, 3.0)],
    ids=["20.5 s", "30 s", "control: 60 s"],
)
def test_a_short_function_and_services_that_are_slow(
    make_unjudged: Make, kind: str, function_timeout: float, ledger: float, evs: float
) -> None:
    """GetItem, PutItem and a page take all that an invocation has. No chain of invocations outlives the deadline."""
    world = make_unjudged(function_timeout=function_timeout)
    stack = world.new_stack()
    if kind != "Create":
        stack.declare(vms(1, 250))
    world.run_for(200)
    world.trouble.lasting |= {"dynamodb": (slow(ledger), FOR_GOOD), "evs": (slow(evs), FOR_GOOD)}
    physical_id = None if kind == "Create" else stack.physical_id
    if kind == "Delete":
        stack.model.release("Windows", stack.physical_id)
    vm_ids = vms(1, 250) if kind == "Delete" else vms(2, 20)
    assert_in_time(world, stack.issue(kind, vm_ids, physical_id, ServiceTimeout="600"))


@pytest.mark.parametrize(
    ("service_timeout", "rows", "page"),
    [(200, 5000, 2.0), (300, 9000, 2.0), (300, 5000, 3.0), (300, 5000, 0.35)],
    ids=["200", "300, 9000 rows", "300, 3 s a page", "control: 0.35 s"],
)
def test_a_long_list_is_not_read_on_past_the_deadline_while_a_create_waits(
    make_unjudged: Make, service_timeout: int, rows: int, page: float
) -> None:
    """One invocation has the time to read on for long."""
    world = make_unjudged(creation_takes=1500.0, latency=0.01)
    world.by_hand(*vms(10_000, 10_000 + rows))
    stack = world.new_stack()
    world.trouble.lasting["evs"] = slow(page), FOR_GOOD
    assert_in_time(world, stack.issue("Create", ["vm-1"], ServiceTimeout=str(service_timeout)))


def test_a_list_that_has_no_end_any_more_while_a_create_waits(make_unjudged: Make) -> None:
    """Each page has a new token."""
    world = make_unjudged(creation_takes=400.0)
    stack = world.new_stack()
    numbers = itertools.count()

    def endless(where: Where, token: str | None, most: int) -> dict[str, Any]:
        return {"entitlements": [], "nextToken": f"more/{next(numbers)}"}

    request = stack.issue("Create", ["vm-1"], ServiceTimeout="600")
    world.after(5.0, setattr, world.listing, "page", endless)
    assert_in_time(world, request)


@pytest.mark.parametrize("service_timeout", [60, 300, 3600])
@pytest.mark.parametrize(("before", "lasts"), [(5.0, 60.0), (0.5, 60.0), (5.0, 0.0)], ids=["5 s", "0.5 s", "control"])
def test_a_ledger_that_is_silent_for_a_minute_when_the_time_is_up(
    make_unjudged: Make, service_timeout: int, before: float, lasts: float
) -> None:
    """Three calls hang in a row: one of the work, the one that notes the answer, and the last question before it."""
    world = make_unjudged()
    stack = world.new_stack()
    stack.declare(["vm-1"])
    world.weather.deletion_takes = 20_000.0
    world.run_for(10)
    due = world.clock.now + Pace().answer_by(0.0, service_timeout)
    request = stack.issue("Delete", ["vm-1"], stack.physical_id, ServiceTimeout=str(service_timeout))
    stack.model.release("Windows", stack.physical_id)
    trouble = silence(None), due - before + lasts
    world.clock.at(due - before, world.trouble.lasting.__setitem__, "dynamodb", trouble)
    assert_in_time(world, request)


@pytest.mark.parametrize("service_timeout", [30, 45, 90], ids=["30", "45", "control: 90"])
def test_one_put_without_an_answer_when_the_time_is_up(
    make_unjudged: Make, monkeypatch: pytest.MonkeyPatch, service_timeout: int
) -> None:
    """It hangs for no longer than is kept for it."""
    world = make_unjudged(creation_takes=300.0)
    stack = world.new_stack()
    put, hangs = SimulatedPlatform.put, [1]

    def hanging(self: SimulatedPlatform, url: str, body: bytes, timeout: float) -> int:
        if hangs:
            self._invocation.sleep(hangs.pop() * timeout)
            raise OSError("ReadTimeoutError")
        return put(self, url, body)

    monkeypatch.setattr(SimulatedPlatform, "put", hanging)
    assert_in_time(world, stack.issue("Create", ["vm-1"], ServiceTimeout=str(service_timeout)), 400.0)
