"""One history's world: all models on one clock, and the handler that is tried.

Owns what belongs to no single model: who exists, what runs, and troubles that make answers open.
"""

import logging
import os
import random
from collections.abc import Callable
from typing import Any

from .answers import Answers
from .clock import Clock
from .declared import Properties
from .evs import Evs
from .evs_list import Listing
from .functions import CAPTURE, Handler, Invocation
from .handler import run
from .judge import Judge
from .requests import Request
from .rows import Where
from .stacks import Stack
from .story import Story
from .trouble import Trouble
from .weather import Weather

ENVIRONMENT = "env-abcde12345"
CONNECTOR = "cnctr-abcde12345"
OTHER_CONNECTOR = "cnctr-other12345"
HERE: Where = (ENVIRONMENT, CONNECTOR)
THERE: Where = (ENVIRONMENT, OTHER_CONNECTOR)
#: What the function's environment says. The models serve each function its own table of this name.
os.environ["LEDGER_TABLE_NAME"] = "ledger"


class World:
    """One world. Close it when it is over."""

    def __init__(self, seed: object = 0, weather: Weather | None = None, handler: Handler = run) -> None:
        self.seed = seed
        # The handler draws its back-off from the module's generator.
        random.seed(f"{seed}/handler")
        self.clock = Clock()
        self.weather = weather or Weather()
        self.handler = handler
        self.story = Story(self.clock)
        self.judge = Judge(self)
        self.evs = Evs(self.clock, self.weather, random.Random(f"{seed}/evs"), self.story)
        self.evs.places |= {HERE, THERE}
        self.evs.on_deletion = self.judge.deleting
        self.listing = Listing(self.clock, self.evs)
        self.trouble = Trouble(self.weather, ENVIRONMENT)
        self.answers = Answers(self)
        #: Requests of which nothing is delivered, such as those to a function that is not there.
        self.is_lost: Callable[[Request], bool] = lambda _: False
        self.requests: dict[str, Request] = {}
        self.invocations: list[Invocation] = []
        self.stacks: dict[str, Stack] = {}
        self.troubles = 0
        self._troubled_until = 0.0
        #: Services that were out of reach, since when, and until when.
        self.outages: list[tuple[str, float, float]] = []
        self._root_handlers, self._root_level = logging.root.handlers[:], logging.root.level
        logging.root.handlers[:] = [CAPTURE]

    def close(self) -> None:
        """End everything that still runs."""
        for invocation in self.invocations:
            invocation.is_running = False
        self.clock.close()
        logging.root.handlers[:] = self._root_handlers
        logging.root.setLevel(self._root_level)

    # --- stacks ---------------------------------------------------------------------------------------------------

    def stack(
        self,
        name: str = "",
        *,
        nested: bool = False,
        function_timeout: float | None = None,
        shares: Stack | None = None,
    ) -> Stack:
        """Make a stack that does not exist yet: its first operation creates it."""
        name = name or f"stack-{len(self.stacks) + 1}"
        stack = self.stacks[name] = Stack(self, name, nested=nested, function_timeout=function_timeout, shares=shares)
        # No invocation has the time to read its events: see docs/limits.md.
        is_unread = self.weather.event_page < 10 and self.weather.latency > 1 and stack.function.timeout < 60
        is_out = self.trouble.outages.get("cloudformation", (0.0, 0.0))[1] > self.clock.now
        stack.is_unsure = is_out or is_unread
        return stack

    def issue(self, request: Request) -> None:
        """Deliver a request."""
        self.requests[request.request_id] = request
        self.story("CloudFormation:", str(request), request.physical_id or "", _shown(request.properties))
        for delay in request.delays():
            request.stack.function.deliver(request.event, request, delay)

    def operations_of_others(self, stack: Stack) -> int:
        """Count the operations of other stacks so far."""
        return sum(one.operations for one in self.stacks.values() if one is not stack)

    def others_are_busy(self, stack: Stack) -> bool:
        """Tell whether an operation of another stack is under way, or a request that it waits for no more."""
        others = [one for one in self.stacks.values() if one is not stack]
        return any(one.under_way for one in others) or any(
            request.is_unheard and not request.bodies and self.clock.now < request.deadline
            for one in others
            for request in one.requests
        )

    # --- time -----------------------------------------------------------------------------------------------------

    def run_for(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.run(self.clock.now + seconds)

    def after(self, seconds: float, do: Callable[..., Any], *arguments: Any) -> None:
        """Let something happen in so many seconds."""
        self.clock.after(seconds, do, *arguments)

    def settle(self, most: float = 9000.0) -> None:
        """Let time pass until no invocation runs, all has landed, and the list shows everything."""
        ends = self.clock.now + most
        self.clock.run(ends, done=lambda: all(not one.is_running for one in self.invocations))
        self.clock.run(self.clock.now + 400.0)

    # --- trouble --------------------------------------------------------------------------------------------------

    @property
    def is_troubled(self) -> bool:
        """Whether something lasts that may change any answer."""
        return self.clock.now < self._troubled_until or bool(self.evs.stuck)

    def note_trouble(self, seconds: float = 0.0) -> None:
        """Note that from now on answers are open, for so many seconds and for requests that are under way."""
        self.troubles += 1
        self._troubled_until = max(self._troubled_until, self.clock.now + seconds)

    def outage(self, service: str, seconds: float) -> None:
        """Let a service be out of reach."""
        if service == "dynamodb" and not self.weather.dated_urls:
            return
        self.story("outage:", service, f"for {seconds:.0f} s")
        self.note_trouble(seconds + 1)
        if service == "cloudformation":
            for stack in self.stacks.values():
                stack.is_unsure = True
        self.trouble.outages[service] = (self.clock.now, self.clock.now + seconds)
        self.outages.append((service, self.clock.now, self.clock.now + seconds))


def _shown(properties: Properties) -> str:
    vm_ids = properties.get("VmIds")
    shown = " ".join(map(str, vm_ids)) if isinstance(vm_ids, list) and len(vm_ids) < 20 else f"{len(vm_ids or ())} VMs"
    adopts = " adopts" if properties.get("AdoptExisting") == "true" else ""
    retains = " RETAIN" if properties.get("RemovalPolicy") == "RETAIN" else ""
    return f"{properties.get('ConnectorId')}: {shown}{adopts}{retains}"
