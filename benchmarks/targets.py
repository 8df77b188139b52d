"""What this project has to reach, and whether the measured figures do."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from math import ceil

from benchmarks.figures import FLOOR, OURS, PLAIN, Figures

#: Most bytes of an event that Lambda takes asynchronously, and of an answer that CloudFormation takes.
EVENT_BYTES, ANSWER_BYTES = 262_144, 4_096


@dataclass(frozen=True)
class Check:
    """A target, and what came of it."""

    target: str
    measured: str
    met: bool


def checks(figures: Figures) -> list[Check]:
    """Return every target that the run has figures for."""
    return [*_cold(figures), *_calls(figures), *_waiting(figures), *_scale(figures)]


def _ratio(figures: Figures, step: str, base: str) -> float | None:
    ours, other = figures.cpu(OURS, step, 3), figures.cpu(base, step, 3)
    return ours / other if ours and other else None


def _cold(figures: Figures) -> list[Check]:
    found = []
    for step in ("Create", "Delete"):
        for base, most in ((FLOOR, 1.2), (PLAIN, 1.0)):
            ratio = _ratio(figures, step, base)
            if ratio is not None:
                found.append(
                    Check(f"CPU of a cold {step} of 3 VMs: at most {most} x {base}", f"{ratio:.2f} x", ratio <= most)
                )
    return found


def _calls(figures: Figures) -> list[Check]:
    found = []
    for (contender, step, vms), series in sorted(figures.results.items(), key=lambda item: item[0][2]):
        if contender != OURS:
            continue
        calls, batches = series.calls, ceil(vms / 100)
        # Once all pages, and one page a look while a row is CREATING: a second, here.
        lists = ceil((vms + 1) / 100) + 3
        limits = {
            "Create": {"CreateEntitlement": batches, "DeleteEntitlement": 0, "ListVmEntitlements": lists},
            "Update": {"CreateEntitlement": 1, "DeleteEntitlement": 0, "ListVmEntitlements": lists},
            # The environment has one row more than the set has VMs.
            "Clean-up": {"DeleteEntitlement": 1, "CreateEntitlement": 0, "ListVmEntitlements": ceil((vms + 1) / 100)},
            "Delete": {"DeleteEntitlement": batches, "CreateEntitlement": 0, "ListVmEntitlements": 2 * batches},
        }[step]
        # Whether the whole stack is going, or merely a former set: nothing else tells.
        limits["CloudFormation"] = 1 if step == "Clean-up" else 0
        changes = batches if step in ("Create", "Delete") else 1
        wording = ", ".join(
            f"{most or 'no'} {name}" for name, most in limits.items() if most or name == "CloudFormation"
        )
        ledger = calls["GetItem"] + calls["PutItem"] + calls["UpdateItem"]
        found.append(
            Check(
                f"{step} of {vms:,}: at most {wording}, {4 + changes} ledger",
                f"{', '.join(f'{calls[name]} {name}' for name in limits if limits[name])}, {ledger} ledger",
                all(calls[name] <= most for name, most in limits.items()) and ledger <= 4 + changes,
            )
        )
    return found


def _waiting(figures: Figures) -> list[Check]:
    found = []
    for wait in figures.waits:
        most = 2 if wait.seconds <= 60 else 15
        found.append(
            Check(
                f"{wait.vms:,} VMs CREATING for {wait.seconds:.0f} s: the answer at most {most} s after CREATED",
                f"{wait.delay:.1f} s",
                wait.delay <= most,
            )
        )
        if wait.vms > 100:
            found.append(
                Check(
                    f"... with fewer than 100 list calls a minute (the whole list takes {ceil(wait.vms / 100)})",
                    f"{wait.lists_a_minute:.0f} a minute, {wait.lists} in all",
                    wait.lists_a_minute < 100,
                )
            )
    return found


def _scale(figures: Figures) -> list[Check]:
    found = []
    for contender, step, vms in ((OURS, "Create", 10_000), (OURS, "Update", 10_000)):
        if series := figures.results.get((contender, step, vms)):
            found.append(
                Check(
                    f"{step} of {vms:,}: an event of at most {EVENT_BYTES:,} bytes, an answer of {ANSWER_BYTES:,}",
                    f"{series.event_bytes:,} and {series.answer_bytes:,}",
                    series.event_bytes <= EVENT_BYTES and series.answer_bytes <= ANSWER_BYTES,
                )
            )
    if figures.synths:
        one, many = (statistics.median(made.cpu for made in figures.synths[vms]) for vms in (1, 10_000))
        found.append(
            Check("synth of 10,000 VMs: less than 1.2 x that of one, in CPU", f"{many / one:.2f} x", many < one * 1.2)
        )
    size = figures.assets[OURS]
    found.append(Check("asset: less than 130,000 bytes zipped", f"{size:,} bytes", size < 130_000))
    found.append(
        Check("asset: the same bytes when staged again", "yes" if figures.reproducible else "no", figures.reproducible)
    )
    return found
