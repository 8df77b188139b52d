"""What was measured, and who was: the values that targets, tables and the plot are made of."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass, field

from benchmarks import monitoring
from benchmarks.measure import Results, Synth, Wait

OURS, FLOOR, PLAIN, NODE = "this project", "smallest handler", "plain crhelper", "AwsCustomResource"


@dataclass
class Figures:
    """All that was measured."""

    results: Results = field(default_factory=dict)
    waits: list[Wait] = field(default_factory=list)
    synths: dict[int, list[Synth]] = field(default_factory=dict)
    template_bytes: dict[int, int] = field(default_factory=dict)
    monitor: list[monitoring.Runs] = field(default_factory=list)
    resources: dict[str, Counter[str]] = field(default_factory=dict)
    assets: dict[str, int] = field(default_factory=dict)
    unzipped: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    reproducible: bool = False
    sleeping_delete: float | None = None
    seconds: float = 0.0

    def cpu(self, contender: str, step: str, vms: int) -> float | None:
        """Return the median of CPU seconds."""
        series = self.results.get((contender, step, vms))
        return statistics.median(one.cpu for one in series.measured) if series else None
