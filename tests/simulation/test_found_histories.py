"""Histories that random play has found: each was violated once, by a fault that has been mended since.

They are kept shrunk, as plain values, since a change of how histories are drawn would make others of the same seeds.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from .history import History, Step
from .play import play

FOUND: list[dict[str, Any]] = json.loads((Path(__file__).parent / "found-histories.json").read_text())


def history_of(found: dict[str, Any]) -> History:
    """Return a history as it is stored."""
    steps = tuple(Step(**step) for step in found["steps"])
    return History(found["seed"], found["weather"], tuple(found["stacks"]), steps)


@pytest.mark.parametrize("found", FOUND, ids=lambda one: f"{one['seed']}-{one['found'].split(':')[0][:60]}")
def test_what_was_found_once_is_mended(found: dict[str, Any]) -> None:
    outcome = play(history_of(found), told=True)
    assert not outcome.violations, "\n".join([outcome.story, *outcome.violations])
