"""A history: weather and a list of steps, all plain values, drawn from a seed.

Owns what a history may hold and how it is drawn. Each step draws what happens within it from its own seed, so that a
step can be dropped (shrink.py) and the others still go as they went.
"""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from .weather import drawn, drawn_apart

#: VMs that can be entitled; those whose number ends in 9 can't.
POOL = [f"vm-{number}" for number in range(101, 109)]
BAD = {"vm-109": "refused", "vm-119": "fails", "vm-129": "failed"}
LOGICAL_IDS = ("Windows", "Database", "Web")
TOMORROW = ("SUSPENDED", "VERIFYING")


@dataclass(frozen=True)
class Step:
    """One thing that happens: `kind`, its seed, and its parameters."""

    kind: str
    seed: str
    given: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.given.items())
        return f"{self.kind}({shown})"


@dataclass(frozen=True)
class History:
    """What is to be played."""

    seed: int
    weather: dict[str, Any]
    stacks: tuple[dict[str, Any], ...]
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        lines = [f"history {self.seed}", f"  weather: {self.weather}", f"  stacks: {list(self.stacks)}"]
        return "\n".join([*lines, *(f"  {number + 1}. {step}" for number, step in enumerate(self.steps))])


def draw(seed: int) -> History:
    """Draw a history."""
    random = Random(seed)
    stacks = tuple({"nested": random.random() < 0.2} for _ in range(random.choice([1, 1, 1, 2])))
    steps: list[Step] = []
    for _ in range(random.choice([2, 3, 4, 6, 9])):
        number = len(steps)
        while random.random() < 0.3:
            steps.append(_background(random, f"{seed}/{len(steps)}"))
        steps.append(_operation(random, f"{seed}/{number}/op", len(stacks)))
        if random.random() < 0.3:
            seconds = random.choice([5.0, 60.0, 600.0, 6 * 3600.0, 85 * 86400.0])
            steps.append(Step("rest", f"{seed}/{number}/rest", {"seconds": round(seconds * random.random(), 1)}))
    return History(seed, drawn(random) | drawn_apart(Random(f"{seed}/apart")), stacks, tuple(steps))


def _operation(random: Random, seed: str, stacks: int) -> Step:
    lot, stack = random.random(), random.randrange(stacks)
    together = stacks > 1 and random.random() < 0.4
    if lot < 0.12:
        return Step("delete", seed, {"stack": stack, "together": together})
    if lot < 0.18:
        return Step("roll_back", seed, {"stack": stack, "skips": random.random() < 0.3})
    if lot < 0.22:
        return Step("lose_ledger", seed, {"stack": stack, "how": random.choice(["emptied", "gone", "older"])})
    given: dict[str, Any] = {"stack": stack, "together": together, "resources": _template(random, stack, stacks)}
    if random.random() < 0.35:
        given["fails_after"] = random.choice([0.1, 1.0, 5.0, 30.0, 120.0]) * random.random()
        given["fails_last"] = random.random() < 0.4
    if random.random() < 0.15:
        given["rolls_back"] = False
    if random.random() < 0.5:
        given["updates_back"] = True
    if random.random() < 0.2:
        given["skips"] = True
    return Step("deploy", seed, given)


def _template(random: Random, stack: int, stacks: int) -> dict[str, dict[str, Any]]:
    pool = POOL if stacks == 1 else POOL[stack * 2 : stack * 2 + 6]
    own = POOL if stacks == 1 else (POOL[:2] if stack == 0 else POOL[6:])
    template: dict[str, dict[str, Any]] = {}
    retained: set[str] = set()
    for logical_id in random.sample(LOGICAL_IDS, random.choice([1, 1, 1, 2, 3])):
        adopts = random.random() < 0.35
        vm_ids = random.sample(own if adopts else pool, random.randint(1, min(5, len(own if adopts else pool))))
        # Whether a VM stays that one resource retains and another declares at the same time, nobody has said.
        vm_ids = [vm_id for vm_id in vm_ids if vm_id not in retained]
        if not vm_ids:
            continue
        if random.random() < 0.1:
            vm_ids.append(random.choice(list(BAD)))
        given: dict[str, Any] = {"vms": sorted(vm_ids), "adopts": adopts}
        if random.random() < 0.2:
            given["there"] = True
        shared = {one for other in template.values() for one in other["vms"]}
        if random.random() < 0.15 and shared.isdisjoint(vm_ids):
            given["retain"] = random.choice(["attribute", "property"])
            retained.update(vm_ids)
        if random.random() < 0.05:
            given["wrong"] = random.choice(["EnvironmentId", "ConnectorId", "VmIds", "AdoptExisting", "place"])
        template[logical_id] = given
    return template


def _background(random: Random, seed: str) -> Step:
    """Draw something that happens while the next operation runs, or just before it."""
    after = round(random.choice([0.0, 1.0, 10.0, 100.0]) * random.random(), 2)
    vm_id, lot = random.choice(POOL), random.random()
    if lot < 0.45:
        status = random.choice(
            ["CREATED", "CREATED", "CREATED", "CREATING", "AT_RISK", "ENTITLEMENT_REMOVED", *TOMORROW]
        )
        return Step("by_hand", seed, {"after": after, "vm": vm_id, "status": status})
    if lot < 0.6:
        return Step("removed_by_hand", seed, {"after": after, "vm": vm_id})
    if lot < 0.72:
        status = random.choice(["AT_RISK", "ENTITLEMENT_REMOVED", *TOMORROW])
        seconds = random.choice([20.0, 400.0, 1e5])
        return Step("status", seed, {"after": after, "vm": vm_id, "status": status, "seconds": seconds})
    if lot < 0.8:
        return Step("connector", seed, {"after": after, "seconds": random.choice([60.0, 900.0, 9 * 3600.0])})
    if lot < 0.93:
        service = random.choice(["evs", "evs", "dynamodb", "cloudformation"])
        return Step(
            "outage", seed, {"after": after, "service": service, "seconds": random.choice([20.0, 150.0, 600.0])}
        )
    return Step("stuck", seed, {"after": after, "vm": vm_id, "seconds": random.choice([30.0, 300.0, 4000.0])})
