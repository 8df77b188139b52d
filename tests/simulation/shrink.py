"""Makes a failing history smaller: fewer steps, calmer weather, fewer resources and VMs, and still the same violation.

Owns the search. It plays candidates again and again; each draw hangs on its step's own seed, so what is left goes as it
went before, or nearly so.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from .history import History, Step
from .play import play

_VARIES = re.compile(r"request-\d+|vm-\d+|stack-\d+|#\d+|\d+")
#: Most histories that are played for one shrinking.
MOST = 1500


def kind_of(violations: list[str]) -> str:
    """Return the kind of the first violation: its words without ids and numbers, up to the first colon but one."""
    return _VARIES.sub("_", violations[0])[:60] if violations else ""


def shrunk(history: History, violations: list[str]) -> History:
    """Return a smaller history that has a violation of the same kind."""
    kind, played = kind_of(violations), 0
    smaller: History | None = history
    while smaller is not None:
        history, smaller = smaller, None
        for candidate in _candidates(history):
            if (played := played + 1) > MOST:
                return history
            if kind_of(play(candidate).violations) == kind:
                smaller = candidate
                break
    return history


def _candidates(history: History) -> Iterator[History]:
    steps = history.steps
    size = len(steps) // 2
    while size:
        for start in range(0, len(steps), size):
            yield replace(history, steps=steps[:start] + steps[start + size :])
        size //= 2
    weather = list(history.weather)
    if len(weather) > 3:
        for half in (weather[: len(weather) // 2], weather[len(weather) // 2 :]):
            yield replace(history, weather={name: history.weather[name] for name in half})
    for name in weather:
        yield replace(history, weather={other: value for other, value in history.weather.items() if other != name})
    for number, step in enumerate(steps):
        for simpler in _simpler(step):
            yield replace(history, steps=(*steps[:number], simpler, *steps[number + 1 :]))


def _simpler(step: Step) -> Iterator[Step]:
    given = step.given
    for name in ("fails_after", "fails_last", "rolls_back", "updates_back", "skips"):
        if name in given:
            yield replace(step, given={other: value for other, value in given.items() if other != name})
    if given.get("together"):
        yield replace(step, given={**given, "together": False})
    resources: dict[str, dict[str, Any]] = given.get("resources", {})
    for logical_id, one in resources.items():
        if len(resources) > 1:
            rest = {other: value for other, value in resources.items() if other != logical_id}
            yield replace(step, given={**given, "resources": rest})
        for simpler in _simpler_resource(one):
            yield replace(step, given={**given, "resources": {**resources, logical_id: simpler}})


def _simpler_resource(one: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if one["adopts"]:
        yield {**one, "adopts": False}
    for name in ("there", "retain", "wrong"):
        if name in one:
            yield {other: value for other, value in one.items() if other != name}
    if len(one["vms"]) > 1:
        for vm_id in one["vms"]:
            yield {**one, "vms": [other for other in one["vms"] if other != vm_id]}
