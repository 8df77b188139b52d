"""When EVS is asked how a connector is: only where there is time to spare, in the invocation and in the request."""

from types import SimpleNamespace
from typing import Any

import pytest

from lambda_handler.clock import Clock
from lambda_handler.pace import Pace
from lambda_handler.steps.carried import Carried
from lambda_handler.steps.explain import SPARE, explain
from lambda_handler.values import Connector
from tests.unit.handler.test_clock import Invocation

HERE = Connector("env-abcde12345", "cnctr-abcde12345")
ROW = {"connectorId": HERE.connector_id, "type": "VCENTER", "state": "UPDATING"}


def context(left: float, rows: Any = (ROW,)) -> Any:
    """Return what a step has in an invocation of 900 s, of which so many seconds are left."""
    invocation = Invocation(900.0)
    clock = Clock(invocation, invocation, Pace())
    invocation.left = left
    asked: list[str] = []

    def connectors(environment_id: str) -> tuple[list[Any], bool]:
        asked.append(environment_id)
        return list(rows), True

    return SimpleNamespace(clock=clock, carried=Carried(), evs=SimpleNamespace(connectors=connectors), asked=asked)


#: A call takes 3 s to connect and 15 s to be answered at most.
LONGEST = 18.0
#: Kept for the hand-over: two calls of 1 s to connect and 4 s to be answered, and 2.2 s for the answer and all else.
KEPT = 12.2


@pytest.mark.parametrize(("left", "asks"), [(LONGEST + KEPT + 0.1, True), (LONGEST + KEPT - 0.1, False), (1.0, False)])
def test_the_invocation_has_time_for_it_and_for_the_hand_over(left: float, asks: bool) -> None:
    here = context(left)
    explain(here, HERE, "waiting", 9e9)
    assert here.asked == ([HERE.environment_id] if asks else [])
    assert here.carried.connector_asked == asks
    assert ("its state is UPDATING" in here.carried.connector_wrong) == asks


@pytest.mark.parametrize(
    ("spare", "until", "asks"),
    [
        (SPARE, LONGEST + SPARE + 0.1, True),
        (SPARE, LONGEST + SPARE - 0.1, False),
        (60.0, LONGEST + 59.9, False),
        (60.0, LONGEST + 60.1, True),
        (SPARE, -1.0, False),
    ],
)
def test_the_request_has_time_for_it_and_for_what_comes_next(spare: float, until: float, asks: bool) -> None:
    here = context(900.0)
    explain(here, HERE, "failed", here.clock.now() + until, spare)
    assert bool(here.asked) == asks


def test_it_is_asked_once_and_what_was_said_stays() -> None:
    here = context(900.0)
    explain(here, HERE, "waiting", 9e9)
    explain(here, HERE, "failed", 9e9)
    assert len(here.asked) == 1
    assert here.carried.connector_wrong == (
        "connector cnctr-abcde12345: its state is UPDATING, not ACTIVE (as of 00:01 UTC)"
    )
