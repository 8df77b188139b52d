"""The virtual clock: a heap of events, and processes that sleep on it.

Owns time and the order of events. A process is a greenlet, so that code which calls `sleep` as it would in production
runs unchanged. Two events of the same time happen in the order in which they were planned: a seed reproduces.
"""

import heapq
from collections.abc import Callable
from math import inf
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet  # type: ignore[import-untyped]

#: Epoch seconds at which every history begins: 2026-11-23T10:00:00Z.
BEGIN = 1795428000.0


class Event:
    """Something planned for a time. `cancel` takes it off the plan."""

    __slots__ = ("arguments", "do")

    def __init__(self, do: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self.do: Callable[..., Any] | None = do
        self.arguments = arguments

    def cancel(self) -> None:
        self.do = None


class Process(greenlet):  # type: ignore[misc]
    """A greenlet that knows whether it still lives. `invocation` is set where it is a function's."""

    ended: "Signal"
    invocation: Any = None
    abandoned = False


class Clock:
    """Virtual time in epoch seconds."""

    def __init__(self) -> None:
        self.now = BEGIN
        self._heap: list[tuple[float, int, Event]] = []
        self._planned = 0
        self._hub = getcurrent()
        self._processes: list[Process] = []

    def at(self, when: float, do: Callable[..., Any], *arguments: Any) -> Event:
        """Plan a call for a time."""
        event = Event(do, arguments)
        self._planned += 1
        heapq.heappush(self._heap, (max(when, self.now), self._planned, event))
        return event

    def after(self, seconds: float, do: Callable[..., Any], *arguments: Any) -> Event:
        """Plan a call for so many seconds from now."""
        return self.at(self.now + seconds, do, *arguments)

    def spawn(self, do: Callable[..., Any], *arguments: Any) -> Process:
        """Begin a process at this time."""
        process = Process(self._carry_out, self._hub)
        process.ended = Signal(self)
        self._processes.append(process)
        self.after(0, process.switch, process.ended, do, arguments)
        return process

    @staticmethod
    def _carry_out(ended: "Signal", do: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        do(*arguments)
        ended.set()

    def sleep(self, seconds: float) -> None:
        """Let the process that calls it sleep."""
        process = getcurrent()
        if process is self._hub:
            self.run(self.now + seconds)
            return
        self.after(seconds, self.resume, process)
        self._hub.switch()

    def resume(self, process: Any) -> None:
        """Go on with a process, unless it was abandoned."""
        if not process.abandoned and not process.dead:
            process.switch()

    def run(self, until: float | None = None, done: Callable[[], bool] | None = None) -> None:
        """Let events happen until a time, until `done`, or until nothing is planned any more."""
        heap = self._heap
        while heap and (until is None or heap[0][0] <= until) and not (done is not None and done()):
            when, _, event = heapq.heappop(heap)
            if event.do is not None:
                self.now = when
                event.do(*event.arguments)
        if until is not None and not (done is not None and done()):
            self.now = max(self.now, until)

    def wait_for(self, process: Process) -> None:
        """Let time pass until a process has ended."""
        if getcurrent() is self._hub:
            self.run(done=lambda: process.dead)
            return
        process.ended.wait(inf)

    def close(self) -> None:
        """Collect the processes that never ended."""
        self._heap.clear()
        for process in self._processes:
            if not process.dead:
                process.abandoned = True
                process.throw(GreenletExit)
        self._processes.clear()


class Signal:
    """Something that happens once. Processes wait for it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: list[Any] = []
        self.is_set = False
        self.value: Any = None

    def set(self, value: Any = None) -> None:
        """Let it happen."""
        if self.is_set:
            return
        self.is_set, self.value = True, value
        for process in self._waiting:
            self._clock.after(0, self._wake, process)

    def wait(self, until: float) -> bool:
        """Wait until it happens or a time has come. Tell whether it happened."""
        clock, process = self._clock, getcurrent()
        if self.is_set or clock.now >= until:
            return self.is_set
        self._waiting.append(process)
        timer = clock.at(until, self._wake, process) if until < inf else None
        clock._hub.switch()
        if timer is not None:
            timer.cancel()
        return self.is_set

    def _wake(self, process: Any) -> None:
        if process in self._waiting:
            self._waiting.remove(process)
            self._clock.resume(process)


def any_of(clock: Clock, signals: list[Signal]) -> Signal:
    """Return a signal that is set with the first of others."""
    either = Signal(clock)
    for signal in signals:
        if signal.is_set:
            either.set(signal.value)
        else:
            signal._waiting.append(_Forward(either))
    return either


class _Forward:
    """Stands among the processes that wait for a signal, and passes it on."""

    abandoned = False
    dead = False

    def __init__(self, to: Signal) -> None:
        self.switch = to.set
