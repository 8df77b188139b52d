"""A Create or Update that fails or waits for long says what is wrong with the connector; nothing depends on that."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from . import evs
from .errors import refuse
from .requests import Request
from .scene import LOGICAL_ID, Scene, SceneStack
from .trouble import Fate, broken, denied, garbage, internal_error, not_found, silence, throttled, unreachable
from .world import CONNECTOR, ENVIRONMENT, HERE, OTHER_CONNECTOR

Make = Callable[..., Scene]
QUESTION = "ListEnvironmentConnectors"
FAILED_CHECK = re.compile(
    rf"onnector {CONNECTOR}: check VCENTER_REACHABILITY is FAILED since 20\d\d-\d\d-\d\d \d\d:\d\d UTC"
)
HOUR = 3600.0


class Asked:
    """Counts the questions that leave, whatever becomes of them, and gives them a fate."""

    def __init__(self, world: Scene, fate: Fate | None = None) -> None:
        self.times: list[float] = []
        before = world.trouble.fate

        def counted(service: str, operation: str, now: float, *rest: Any, **more: Any) -> Fate:
            if operation != QUESTION:
                return before(service, operation, now, *rest, **more)
            self.times.append(now)
            return fate or before(service, operation, now, *rest, **more)

        world.trouble.fate = counted  # type: ignore[method-assign]


def lines(world: Scene, begin: str) -> list[str]:
    return [str(fact[2]) for _, fact in world.story.facts if fact[0] == "log" and str(fact[2]).startswith(begin)]


def refused(stack: SceneStack, **given: Any) -> Request:
    """Declare a VM that EVS entitles and one that it refuses, to the answer."""
    stack.world.evs.bad["vm-13"] = "refused"
    request = stack.issue("Create", ["vm-1", "vm-13"], **given)
    assert stack.answer(request)["Status"] == "FAILED"
    return request


def clean(stack: SceneStack, request: Request) -> None:
    stack.ask("Delete", ["vm-1"], request.answer["PhysicalResourceId"])


def test_what_goes_well_asks_nothing(make_world: Make) -> None:
    world = make_world(creation_takes=50.0)
    asked = Asked(world)
    stack = world.new_stack()
    stack.declare(["vm-1", "vm-2"])
    stack.declare(["vm-1"])
    stack.delete()
    assert asked.times == []


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_a_failure_names_the_vms_and_the_check_that_failed(world: Scene, stack: SceneStack, kind: str) -> None:
    if kind == "Update":
        stack.declare(["vm-1"])
    world.evs.lose_connector(HOUR)
    asked = Asked(world)
    world.evs.bad["vm-13"] = "refused"
    request = stack.issue(kind, ["vm-1", "vm-13"], stack.physical_id if kind == "Update" else None)
    reason = stack.answer(request)["Reason"]
    assert "vm-13" in reason
    assert FAILED_CHECK.search(reason)
    assert "(log stream" in reason
    assert len(asked.times) == 1
    assert len(lines(world, "failed; connector")) == 1
    world.evs.bad.clear()
    if kind == "Create":
        clean(stack, request)
    else:
        stack.delete()


def test_a_failure_that_the_connector_has_no_part_in_says_nothing_of_it(world: Scene, stack: SceneStack) -> None:
    asked = Asked(world)
    request = refused(stack)
    assert "onnector" not in request.answer["Reason"]
    assert len(asked.times) == 1
    clean(stack, request)


def test_a_connector_of_another_type_fails_at_once_and_the_right_one_is_named(world: Scene, stack: SceneStack) -> None:
    world.evs.types[CONNECTOR] = "SDDC_MANAGER"
    request = stack.issue("Create", ["vm-1"])
    reason = stack.answer(request)["Reason"]
    assert f"onnector {CONNECTOR}: its type is SDDC_MANAGER, and entitlements need one of type VCENTER" in reason
    assert f"of type VCENTER the environment has {OTHER_CONNECTOR}" in reason
    assert request.answered_at - request.issued_at < 2
    world.evs.types.clear()


def test_a_connector_that_is_not_listed_is_said_with_the_one_that_is(world: Scene, stack: SceneStack) -> None:
    request = stack.issue("Create", ["vm-1"], ConnectorId="cnctr-unknown123")
    reason = stack.answer(request)["Reason"]
    assert "onnector cnctr-unknown123 is not one of environment" in reason
    assert f"of type VCENTER the environment has {CONNECTOR}, {OTHER_CONNECTOR}" in reason


@pytest.mark.parametrize("function_timeout", [30.0, 900.0])
def test_a_request_that_waits_says_once_what_for(make_world: Make, function_timeout: float) -> None:
    world = make_world(creation_takes=400.0, function_timeout=function_timeout)
    world.evs.lose_connector(10 * 60.0)
    asked = Asked(world)
    stack = world.new_stack()
    operation = stack.declare(["vm-1"])
    assert stack.status == "CREATE_COMPLETE"
    [line] = lines(world, "waiting; ")
    assert FAILED_CHECK.search(line)
    [at] = asked.times
    assert 60 < at - operation.requests[0].issued_at < 90
    stack.delete()


def test_what_was_found_while_it_waited_is_in_the_reason_at_the_end(make_world: Make) -> None:
    world = make_world(creation_takes=4000.0, function_timeout=60.0)
    world.evs.lose_connector(100 * 60.0)
    asked = Asked(world)
    stack = world.new_stack()
    request = stack.issue("Create", ["vm-1"], ServiceTimeout="600")
    reason = stack.answer(request)["Reason"]
    assert "time is up: 1 VM of 1 still CREATING: vm-1" in reason
    assert FAILED_CHECK.search(reason)
    assert len(asked.times) == 1
    world.run_for(4000)
    clean(stack, request)


FATES = [
    throttled(),
    throttled(30),
    internal_error(None),
    broken(None),
    silence(None),
    unreachable(),
    garbage(),
    denied(),
    not_found(ENVIRONMENT),
    Fate("late answer", 0.0, late=60.0),
]


@pytest.mark.parametrize("fate", FATES, ids=lambda fate: f"{fate.name} {fate.effect}")
@pytest.mark.parametrize("service_timeout", [30, 120, 3600])
def test_a_question_that_fails_changes_nothing(
    world: Scene, stack: SceneStack, fate: Fate, service_timeout: int
) -> None:
    """The same reason, in time, after one attempt."""
    world.evs.lose_connector(HOUR)
    asked = Asked(world, fate)
    request = refused(stack, ServiceTimeout=str(service_timeout))
    assert "1 of 2 VMs could not be entitled: vm-13" in request.answer["Reason"]
    assert "onnector" not in request.answer["Reason"]
    assert request.answered_at - request.issued_at < min(service_timeout, 90)
    assert len(asked.times) == 1
    assert len(lines(world, "failed; EVS does not say how connector")) == 1
    clean(stack, request)


@pytest.mark.parametrize("fate", FATES, ids=lambda fate: f"{fate.name} {fate.effect}")
@pytest.mark.parametrize("function_timeout", [30.0, 900.0])
def test_a_question_that_fails_while_it_waits_holds_nothing_up(
    make_world: Make, fate: Fate, function_timeout: float
) -> None:
    world = make_world(creation_takes=200.0, function_timeout=function_timeout)
    asked = Asked(world, fate)
    stack = world.new_stack()
    operation = stack.declare(["vm-1"])
    assert stack.status == "CREATE_COMPLETE"
    assert operation.requests[0].answered_at - operation.requests[0].issued_at < 240
    assert len(asked.times) == 1
    stack.delete()


def test_an_older_model_of_evs_without_the_operation_changes_nothing(
    world: Scene, stack: SceneStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    from .platform import _METHODS

    older = {name: what for name, what in _METHODS["evs"].items() if what != QUESTION}
    monkeypatch.setitem(_METHODS, "evs", older)
    request = refused(stack)
    assert "1 of 2 VMs could not be entitled: vm-13" in request.answer["Reason"]
    clean(stack, request)


@pytest.mark.parametrize("nonsense", [[None], [{"checks": 7}], [{"checks": [None]}], 5], ids=str)
def test_an_answer_of_nonsense_changes_nothing(world: Scene, stack: SceneStack, nonsense: Any) -> None:
    world.listing.connectors = lambda environment_id: {"connectors": nonsense}  # type: ignore[method-assign]
    request = refused(stack)
    assert "1 of 2 VMs could not be entitled: vm-13" in request.answer["Reason"]
    clean(stack, request)


@pytest.mark.parametrize("function_timeout", [30.0, 900.0])
def test_where_the_time_is_up_nothing_is_asked(make_world: Make, function_timeout: float) -> None:
    """The undo takes all that is left, as EVS does not take a deletion."""
    world = make_world(creation_takes=1.0, function_timeout=function_timeout)
    world.evs.bad["vm-13"] = "fails"
    world.evs.stuck.add("vm-1")
    asked = Asked(world, silence(None))
    stack = world.new_stack()
    request = stack.issue("Create", ["vm-1", "vm-13"], ServiceTimeout="50")
    assert "vm-13" in stack.answer(request)["Reason"]
    assert request.answered_at - request.issued_at < 50
    assert asked.times == []
    world.evs.stuck.clear()
    clean(stack, request)


def test_an_undo_that_takes_all_the_time_there_is_does_not_silence_the_reason(make_world: Make) -> None:
    """As a connector that is out of reach would have it: nothing can be deleted either."""
    world = make_world(refusal="unnamed")
    world.evs.bad["vm-13"] = "fails"
    world.evs.stuck.add("vm-1")
    world.evs.lose_connector(HOUR)
    asked = Asked(world)
    stack = world.new_stack()
    request = stack.issue("Create", ["vm-1", "vm-13"], ServiceTimeout="200")
    reason = stack.answer(request)["Reason"]
    assert "vm-13" in reason
    assert "left to the next request: vm-1" in reason
    assert FAILED_CHECK.search(reason)
    assert [at < request.issued_at + 10 for at in asked.times] == [True]
    world.evs.stuck.clear()
    clean(stack, request)


def test_a_killed_invocation_asks_again_at_most_once(make_world: Make) -> None:
    """Lambda's retry knows what the ledger holds: that the request failed, not what EVS said of the connector."""
    reasons = []
    for step in range(1, 40):
        world = make_world()
        world.evs.bad["vm-13"] = "refused"
        world.evs.lose_connector(HOUR)
        asked = Asked(world)
        stack = world.new_stack()
        request = stack.issue("Create", ["vm-1", "vm-13"])
        request.planned.append((step, "kill", 0.0))
        answer = stack.answer(request)
        assert answer["Status"] == "FAILED"
        assert len(asked.times) <= 2
        reasons.append(answer["Reason"])
        clean(stack, request)
    assert all(FAILED_CHECK.search(reason) and "vm-13" in reason for reason in reasons)


@pytest.mark.parametrize("message", ["m" * 5000, "\U0001f600" * 800, "ä" * 3000])
def test_vms_and_connector_are_visible_in_a_reason_that_is_cut(
    world: Scene, stack: SceneStack, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.evs.lose_connector(HOUR)
    monkeypatch.setattr(evs, "refuse", lambda vm_ids, why, how: refuse(vm_ids, f"{why} {message}", how))
    for number in range(20, 25):
        world.evs.bad[f"vm-{number}"] = "refused"
    request = stack.issue("Create", [f"vm-{number}" for number in range(18, 25)])
    answer = stack.answer(request)
    assert "5 of 7 VMs could not be entitled: vm-20" in answer["Reason"]
    assert FAILED_CHECK.search(answer["Reason"])
    assert "(log stream" in answer["Reason"]
    clean(stack, request)


def test_adopting_and_held_vms_are_untouched_by_a_failure_that_explains_itself(world: Scene, stack: SceneStack) -> None:
    stack.declare(["vm-1"])
    world.by_hand("vm-2")
    world.evs.lose_connector(HOUR)
    operation = stack.declare(["vm-1", "vm-2"])
    assert "vm-2" in operation.reason
    assert world.entitled(HERE) == {"vm-1", "vm-2"}
    assert stack.model.resources[LOGICAL_ID].physical_id
    stack.delete()
