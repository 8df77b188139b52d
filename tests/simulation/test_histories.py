"""Random histories, 120 of them in `make test` and 600 in `make test-long`; `make soak` plays as many as one likes.

HISTORIES (how many) and SEED (of the first) come from the environment.
"""

import os

import pytest

from .history import draw
from .play import play
from .shrink import shrunk

HISTORIES = int(os.environ.get("HISTORIES", "120"))
SEED = int(os.environ.get("SEED", "20261126"))
PARTS = 10


@pytest.mark.parametrize("part", range(PARTS))
def test_random_histories(part: int) -> None:
    """Nothing is lost, left behind, or left without an answer, whatever happens."""
    for seed in range(SEED + part, SEED + HISTORIES, PARTS):
        history = draw(seed)
        violations = play(history).violations
        if violations:
            smaller = shrunk(history, violations)
            outcome = play(smaller, told=True)
            pytest.fail("\n".join([f"SEED={seed}", str(smaller), outcome.story, *violations]), pytrace=False)


def test_a_seed_reproduces_a_history() -> None:
    """The same seed tells the same story, to the millisecond."""
    for seed in range(SEED, SEED + 5):
        assert play(draw(seed), told=True).story == play(draw(seed), told=True).story
