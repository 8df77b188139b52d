"""Lambda: one function of one stack, its asynchronous queue, and its invocations.

Owns deliveries (late, twice, out of order), retries after an error or a time-out, the function's time, and invocations
that are killed or frozen between two steps. An invocation is a process; a killed one is never resumed.
"""

import json
import logging
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

from greenlet import GreenletExit, getcurrent  # type: ignore[import-untyped]

from .clock import Event, Process

if TYPE_CHECKING:
    from .requests import Request
    from .world import World

#: Lambda tries an asynchronous invocation that failed again after so many seconds, then no more.
RETRIES = (60.0, 120.0)
#: An event that finds no room (reserved concurrency) is tried again: after a second at first, then at longer intervals
#: up to five minutes, as long as the event may grow old.
#: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
THROTTLED_FIRST, THROTTLED_MOST, EVENT_AGE = 1.0, 300.0, 3600.0
#: Most bytes of an asynchronous invocation's payload.
PAYLOAD = 262_144

Handler = Callable[[dict[str, Any], Any, Any], None]


class Function:
    """A deployed function."""

    def __init__(self, world: "World", name: str, timeout: float) -> None:
        self.world = world
        self.name = name
        self.timeout = timeout
        self.arn = f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
        self.invocations: list[Invocation] = []
        #: Reserved concurrency: how many invocations may run at once; None for as many as come.
        self.concurrency: int | None = None
        #: How many starts have found no room.
        self.throttled = 0

    def deliver(
        self, event: dict[str, Any], request: "Request", delay: float, attempt: int = 0, held_up: float | None = None
    ) -> None:
        """Put an event into the queue, to be delivered after so many seconds.

        Args:
            held_up: for how many seconds the request will have been kept from running; the delay if not given.
        """
        held_up = delay if held_up is None else held_up
        self.world.clock.after(delay, self._start, json.dumps(event), request, attempt, held_up)

    def deliver_again(self, payload: bytes, by: "Invocation") -> None:
        """Queue what a function has sent to itself."""
        for delay in by.request.delays():
            self.world.clock.after(delay, self._start, payload.decode(), by.request, 0, by.held_up + delay)

    def _start(self, payload: str, request: "Request", attempt: int, held_up: float = 0.0, waited: float = 0.0) -> None:
        if request.stack.is_gone:
            return
        running = sum(one.is_running for one in self.invocations)
        if self.concurrency is not None and running >= self.concurrency:
            self.throttled += 1
            pause = min(max(waited, THROTTLED_FIRST), THROTTLED_MOST)
            if waited + pause <= EVENT_AGE:
                later = held_up + pause
                self.world.clock.after(pause, self._start, payload, request, attempt, later, waited + pause)
            return
        if held_up and self.world.clock.now > request.deadline:
            # By kills and late deliveries. CloudFormation may have issued a newer request by now.
            request.excuses.add("delivered too late")
        number = len(self.world.invocations) + 1
        invocation = Invocation(self, number, payload, request, attempt, held_up)
        self.invocations.append(invocation)
        self.world.invocations.append(invocation)
        request.invocations += 1
        invocation.start()

    def is_idle(self) -> bool:
        """Tell whether no invocation runs."""
        self.invocations = [one for one in self.invocations if one.is_running]
        return not self.invocations


class Invocation:
    """One invocation; also the context that Lambda hands to the handler.

    Attributes:
        held_up: for how many seconds deliveries that were late, kills and freezes have kept the request from running.
    """

    def __init__(
        self, function: Function, number: int, payload: str, request: "Request", attempt: int, held_up: float = 0.0
    ) -> None:
        world = self.world = function.world
        self.function = function
        self.number = number
        self.payload = payload
        self.request = request
        self.attempt = attempt
        self.held_up = held_up
        self.random = Random(f"{request.seed}/{request.invocations}")
        # Lambda's retries of one delivery have one id; deliveries of one event may well have, too.
        self.aws_request_id = f"delivery-of-{request.request_id}"
        self.invoked_function_arn = function.arn
        self.log_stream_name = f"2026/11/23/[$LATEST]{number:032x}"
        self.ends_at = world.clock.now + function.timeout
        self.is_running = True
        self.steps = 0
        self.lines: list[str] = []
        self.mishap: tuple[int, str, float] | None = request.mishap(self)
        self._has_met_mishap = False
        #: Its last write to the ledger never arrived.
        self.is_untold = False
        #: It has last asked for a page of the stack's events, and more are to come.
        self.is_reading = False
        self.killed_at = 0.0
        self.process: Process
        self._timer: Event

    def get_remaining_time_in_millis(self) -> int:
        """Return the time that Lambda still gives."""
        return max(int((self.ends_at - self.world.clock.now) * 1000), 0)

    def start(self) -> None:
        """Begin at this time."""
        world = self.world
        world.story("invocation", self.number, f"begins: {self.request} (attempt {self.attempt + 1})")
        self.process = world.clock.spawn(self._run)
        self.process.invocation = self
        self._timer = world.clock.at(self.ends_at, self.kill, "its time is up")

    def _run(self) -> None:
        from .platform import SimulatedPlatform

        try:
            self.world.handler(json.loads(self.payload), self, SimulatedPlatform(self))
        except GreenletExit:
            return
        except BaseException as error:  # noqa: BLE001 - what the handler raises, Lambda sees
            self._end(f"raises {type(error).__name__}: {error}")
            self._retry(is_held_up=False)
        else:
            self._end("ends")

    def _end(self, how: str) -> None:
        self.is_running = False
        self._timer.cancel()
        self.world.story("invocation", self.number, how)

    def kill(self, why: str) -> None:
        """End it between two steps, for good."""
        if not self.is_running:
            return
        self.killed_at = self.world.clock.now
        if self.request.is_invoke_unheard:
            # Who has handed over without an answer finds no trace of one that is killed at once, and gives up.
            self.request.excuses.add("killed after a hand-over without an answer")
        self._end(f"is killed: {why}")
        self.process.abandoned = True
        self._retry(is_held_up=self._has_met_mishap)

    def _retry(self, *, is_held_up: bool) -> None:
        if self.attempt < len(RETRIES) and self.request.is_retried:
            delay = RETRIES[self.attempt]
            held_up = self.held_up + (delay if is_held_up else 0.0)
            self.function.deliver(json.loads(self.payload), self.request, delay, self.attempt + 1, held_up)
        else:
            self.request.excuses.add("not retried")

    def step(self) -> None:
        """Pass a point at which an invocation may be killed or held up."""
        if not self.is_running:
            raise GreenletExit
        self.steps += 1
        if self.mishap is not None and self.mishap[0] == self.steps:
            _, what, seconds = self.mishap
            self._has_met_mishap = True
            if what == "kill":
                self.kill(f"at step {self.steps}")
                self.sleep(0.0)
            self.world.story("invocation", self.number, f"is held up for {seconds:.1f} s at step {self.steps}")
            self.held_up += seconds
            self.sleep(seconds)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.world.clock.sleep(max(seconds, 0.0))
        if not self.is_running:
            raise GreenletExit


class Capture(logging.Handler):
    """Keeps each log line with the invocation that wrote it."""

    def emit(self, record: logging.LogRecord) -> None:
        invocation = getattr(getcurrent(), "invocation", None)
        if invocation is not None:
            invocation.lines.append(self.format(record))
            if record.name.startswith("evs"):
                invocation.world.story("log", invocation.number, record.getMessage())


CAPTURE = Capture()
