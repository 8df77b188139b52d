"""What every stack operation is made of: requests that are sent and awaited, and clean-up.

Owns how CloudFormation waits: for an answer, until it gives up, or until the operation is cancelled; and how often it
tries a Delete.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from .clock import Process, Signal, any_of
from .declared import Properties
from .requests import Request
from .resources import Resource, Template
from .stacks import Stack

#: CloudFormation tries a Delete in clean-up so often, then skips it.
TRIES = 3


@dataclass(frozen=True)
class Ways:
    """How an operation goes.

    Attributes:
        fails_after: a neighbour fails after so many seconds, or once all else is done if that is earlier; None: never.
        fails_last: the neighbour fails once all else is done.
        rolls_back: on failure; else the stack stays as it is (rollback off).
        updates_back: in a rollback, an Update back goes before the Delete of what had succeeded.
        skips: what fails while rolling back is skipped.
    """

    fails_after: float | None = None
    fails_last: bool = False
    rolls_back: bool = True
    updates_back: bool = False
    skips: bool = False


class Requests:
    """The requests of one operation of one stack."""

    def __init__(self, stack: Stack, ways: Ways, seed: str) -> None:
        self.stack = stack
        self.world = stack.world
        self.ways = ways
        self._seed = seed
        self._random = Random(f"{seed}/operation")
        self._cancel = Signal(self.world.clock)
        self.requests: list[Request] = []
        self.reason = ""
        self._template = Template({})

    # --- requests -------------------------------------------------------------------------------------------------

    def send(
        self,
        kind: str,
        resource: Resource,
        physical_id: str | None,
        properties: Properties,
        old: Properties | None = None,
    ) -> Request:
        """Issue a request."""
        stack = self.stack
        request = Request(
            stack, kind, resource.logical_id, physical_id, properties, old, f"{self._seed}/{len(self.requests)}"
        )
        stack.issue(request)
        self.requests.append(request)
        return request

    def await_answer(self, request: Request, *, may_be_cancelled: bool = False) -> dict[str, Any] | None:
        """Wait for an answer; None where it did not come, or CloudFormation waits no more."""
        signals = [request.answered, self._cancel] if may_be_cancelled else [request.answered]
        any_of(self.world.clock, signals).wait(request.deadline)
        if request.answered.is_set:
            return request.answer
        request.is_unheard = True
        self.world.story("stack", self.stack.name, f"waits no more for {request}")
        return None

    def at_once(self, jobs: list[Callable[[], None]]) -> None:
        """Do several things at once."""
        processes: list[Process] = []
        for job in jobs:
            processes.append(self.world.clock.spawn(job))
            if not self.world.weather.same_second:
                self.world.clock.sleep(self._random.random())
        for process in processes:
            self.world.clock.wait_for(process)

    # --- clean-up ----

    def _skip(self, resource: Resource) -> None:
        """Leave a retained resource's entitlements."""
        stack = self.stack
        stack.keep(resource.logical_id, resource.properties)
        stack.release(resource.logical_id, resource.physical_id)
        stack.note(resource, resource.physical_id, "DELETE_SKIPPED")

    def _clean_up(self, doomed: list[tuple[Resource, str, Properties]], tries: int = TRIES) -> bool:
        outcomes: list[bool] = []
        self.at_once([partial(self._delete, *one, tries, outcomes) for one in doomed])
        return all(outcomes)

    def _delete(
        self, resource: Resource, physical_id: str, properties: Properties, tries: int, outcomes: list[bool]
    ) -> None:
        stack, logical_id = self.stack, resource.logical_id
        is_whole = physical_id == resource.physical_id
        for number in range(tries):
            if number:
                self.world.clock.sleep(5.0)
            if is_whole:
                resource.status = "DELETE_IN_PROGRESS"
            stack.note(resource, physical_id, "DELETE_IN_PROGRESS")
            answer = self.await_answer(self.send("Delete", resource, physical_id, properties))
            if answer is not None and answer["Status"] == "SUCCESS":
                stack.note(resource, physical_id, "DELETE_COMPLETE")
                if is_whole and stack.resources.get(logical_id) is resource:
                    del stack.resources[logical_id]
                outcomes.append(True)
                return
            stack.note(resource, physical_id, "DELETE_FAILED")
        stack.skip(properties)
        if is_whole:
            resource.status = "DELETE_FAILED"
            if tries == TRIES and stack.resources.get(logical_id) is resource:
                del stack.resources[logical_id]
        outcomes.append(False)
