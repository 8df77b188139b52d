"""Faults that the local EVS API has on demand: refusals, errors, lost answers, delays, and calls held back.

A rule says which calls it applies to and what happens to them. This module decides and waits; it never sends.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
import threading
import time
from dataclasses import dataclass
from typing import Any, Literal, get_args

from local_aws.evs_api.calls import Call

Effect = Literal["throttle", "error", "access_denied", "close_before", "close_after", "hang", "hold"]

#: Effects that let the call go on afterwards.
DELAYS = frozenset({"hang", "hold"})


@dataclass(frozen=True)
class FaultRule:
    """What happens to which calls.

    Attributes
    ----------
    effect
        ``throttle``: ThrottlingException. ``error``: the error ``code`` with HTTP ``status``.
        ``access_denied``: IAM's refusal. ``close_before``, ``close_after``: the connection is closed without
        an answer, before the work or after it is done. ``hang``: a delay of ``seconds``. ``hold``: the call
        waits until it is released.
    operations
        Names of operations; empty for all.
    vm_ids
        The rule applies to calls that are about one of these VMs; empty for all calls.
    count
        To how many calls it applies; None for no end.
    after_calls
        How many matching calls it lets pass first.
    probability
        With what probability it applies to a matching call.
    when
        Whether ``hang`` and ``hold`` come ``before`` or ``after`` the work.
    seconds
        How long ``hang`` delays.
    code, status, message
        Of ``error``.
    retry_after_seconds
        Of ``throttle``.
    id
        Names the rule; made up if empty.
    """

    effect: Effect
    operations: tuple[str, ...] = ()
    vm_ids: tuple[str, ...] = ()
    count: int | None = 1
    after_calls: int = 0
    probability: float = 1.0
    when: Literal["before", "after"] = "before"
    seconds: float = 0.0
    code: str = "InternalServerException"
    status: int = 500
    message: str = "An unexpected error occurred."
    retry_after_seconds: int | None = None
    id: str = ""

    def __post_init__(self) -> None:
        if self.effect not in get_args(Effect):
            raise ValueError(f"effect: got {self.effect!r}, expected one of {', '.join(get_args(Effect))}")
        if self.when not in ("before", "after"):
            raise ValueError(f"when: got {self.when!r}, expected 'before' or 'after'")
        for name in ("operations", "vm_ids"):
            if isinstance(getattr(self, name), str):
                raise TypeError(f"{name}: got a string, expected a list")
            object.__setattr__(self, name, tuple(getattr(self, name)))

    def matches(self, call: Call) -> bool:
        """Return whether a call is one that the rule is for."""
        return (not self.operations or call.operation in self.operations) and (
            not self.vm_ids or not set(self.vm_ids).isdisjoint(call.vm_ids)
        )


@dataclass
class _Armed:
    rule: FaultRule
    seen: int = 0
    applied: int = 0


class Faults:
    """The rules in force and the calls held back; safe to use from several threads."""

    def __init__(self, seed: int = 0) -> None:
        self._changed = threading.Condition()
        self._armed: list[_Armed] = []
        self._held: dict[int, str] = {}
        self._random = random.Random(seed)  # noqa: S311  which fault comes, and the same again by the seed
        self._names = itertools.count(1)

    def add(self, rule: FaultRule) -> FaultRule:
        """Put a rule into force behind the others and return it with its id."""
        with self._changed:
            named = rule if rule.id else dataclasses.replace(rule, id=f"rule-{next(self._names)}")
            self._armed.append(_Armed(named))
            return named

    def clear(self, seed: int | None = None) -> None:
        """Drop all rules and release all calls; a seed restarts what is drawn by lot."""
        with self._changed:
            self._armed.clear()
            self._held.clear()
            if seed is not None:
                self._random.seed(seed)
            self._changed.notify_all()

    def rules(self) -> list[dict[str, Any]]:
        """Return the rules as JSON values, each with how many calls it ``applied`` to."""
        with self._changed:
            return [{**dataclasses.asdict(item.rule), "applied": item.applied} for item in self._armed]

    def draw(self, call: Call) -> list[FaultRule]:
        """Return the rules that apply to a call, and count it.

        At most one of them ends the call, so that rules come to their turn one call after the other; delays
        come on top.
        """
        with self._changed:
            drawn: list[FaultRule] = []
            for item in self._armed:
                ended = any(rule.effect not in DELAYS for rule in drawn)
                if (item.rule.effect in DELAYS or not ended) and self._applies(item, call):
                    drawn.append(item.rule)
            return drawn

    def _applies(self, item: _Armed, call: Call) -> bool:
        rule = item.rule
        if not rule.matches(call):
            return False
        item.seen += 1
        spent = rule.count is not None and item.applied >= rule.count
        if item.seen <= rule.after_calls or spent or self._random.random() >= rule.probability:
            return False
        item.applied += 1
        return True

    def hold(self, call: Call, rule: FaultRule) -> None:
        """Keep a call back until it is released."""
        with self._changed:
            self._held[call.number] = rule.id
            self._changed.notify_all()
            self._changed.wait_for(lambda: call.number not in self._held)

    def held(self) -> dict[int, str]:
        """Return the numbers of calls that are held back, with the id of the rule that holds each."""
        with self._changed:
            return dict(self._held)

    def wait_held(self, rule_id: str | None = None, *, count: int = 1, timeout: float = 10.0) -> list[int]:
        """Wait until so many calls are held back, by one rule if given, and return their numbers.

        Raises
        ------
        TimeoutError
            They were not within timeout seconds.
        """
        deadline = time.monotonic() + timeout
        with self._changed:
            while True:
                numbers = [number for number, by in self._held.items() if rule_id in (None, by)]
                if len(numbers) >= count:
                    return numbers
                if not self._changed.wait(deadline - time.monotonic()) and time.monotonic() >= deadline:
                    raise TimeoutError(f"{len(numbers)} of {count} calls held back after {timeout} s")

    def release(self, rule_id: str | None = None) -> int:
        """Let calls go on, those of one rule or all, and return how many."""
        with self._changed:
            numbers = [number for number, by in self._held.items() if rule_id in (None, by)]
            for number in numbers:
                del self._held[number]
            self._changed.notify_all()
            return len(numbers)
