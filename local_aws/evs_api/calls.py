"""The log of calls to the local EVS API: which VMs saw which calls, when, and with what outcome."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Call:
    """One call.

    Attributes
    ----------
    number
        Counted from 1, in the order in which calls came.
    time, ended
        When it came and when it was answered or given up, in seconds since 1970; None while it is open.
    operation
        Its name, or what the request asked for if there is no such operation.
    members
        What the request said.
    principal
        ARN of who called, where that is known.
    outcome
        ``ok``, an error's code, or what was done to it: ``closed before``, ``closed after``.
    effects
        Effects of fault rules that applied to it.
    done
        Whether the work was done, whatever the caller was told.
    """

    number: int
    time: float
    operation: str
    members: dict[str, Any] = field(default_factory=dict)
    principal: str | None = None
    outcome: str = "open"
    effects: list[str] = field(default_factory=list)
    done: bool = False
    ended: float | None = None

    @property
    def vm_ids(self) -> list[str]:
        """The VMs that the call is about."""
        given = self.members.get("vmIds")
        return [item for item in given if isinstance(item, str)] if isinstance(given, list) else []


class CallLog:
    """All calls since the start or the last `clear`; safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: list[Call] = []
        self._count = 0

    def begin(self, operation: str) -> Call:
        """Note a call that has just come."""
        with self._lock:
            self._count += 1
            call = Call(self._count, self._clock(), operation)
            self._calls.append(call)
            return call

    def end(self, call: Call, outcome: str) -> None:
        """Note how a call ended."""
        with self._lock:
            call.outcome, call.ended = outcome, self._clock()

    def find(self, operation: str | None = None, vm_id: str | None = None) -> list[Call]:
        """Return copies of the calls of an operation, about a VM, or all of them."""
        with self._lock:
            return [
                dataclasses.replace(call, effects=list(call.effects))
                for call in self._calls
                if operation in (None, call.operation) and (vm_id is None or vm_id in call.vm_ids)
            ]

    def clear(self) -> None:
        """Forget all calls."""
        with self._lock:
            self._calls.clear()
            self._count = 0
