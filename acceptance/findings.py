"""What a run has seen: a verdict for each assumption, what was measured, and each answer as it came.

Owns that every assumption has exactly one verdict, and that one contradiction outweighs any number of confirmations.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from acceptance.assumptions import ASSUMPTIONS

Verdict = Literal["same", "different", "not seen"]
_WEIGHT: dict[str, int] = {"not seen": 0, "same": 1, "different": 2}


@dataclass
class Finding:
    """What was seen of one assumption."""

    verdict: Verdict = "not seen"
    seen: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Measurement:
    """Something that was measured or learnt and that nothing was assumed of."""

    what: str
    value: str


class Findings:
    """All of one run."""

    def __init__(self) -> None:
        self._found: dict[str, Finding] = {name: Finding() for name in ASSUMPTIONS}
        self.measured: list[Measurement] = []
        self.calls: list[dict[str, Any]] = []

    def saw(self, name: str, as_assumed: bool, seen: str) -> None:
        """Note that an assumption was put to the test.

        Args:
            name: of the assumption.
            as_assumed: whether it holds.
            seen: what was seen, in words.
        """
        self._note(name, "same" if as_assumed else "different", seen)

    def not_seen(self, name: str, why: str) -> None:
        """Note why an assumption could not be put to the test; no effect where it was."""
        self._note(name, "not seen", why)

    def none_seen(self, names: Iterable[str], why: str) -> None:
        """Note why several could not be put to the test."""
        for name in names:
            self.not_seen(name, why)

    def measure(self, what: str, value: str) -> None:
        """Note what was measured or learnt."""
        self.measured.append(Measurement(what, value))

    def of(self, name: str) -> Finding:
        """Return what was seen of one assumption."""
        return self._found[name]

    def with_verdict(self, verdict: Verdict) -> list[str]:
        """Return the names of the assumptions that have a verdict."""
        return [name for name, finding in self._found.items() if finding.verdict == verdict]

    def _note(self, name: str, verdict: Verdict, seen: str) -> None:
        found = self._found[name]
        if _WEIGHT[verdict] > _WEIGHT[found.verdict]:
            found.verdict, found.seen = verdict, [seen]
        elif verdict == found.verdict and seen not in found.seen:
            found.seen.append(seen)
