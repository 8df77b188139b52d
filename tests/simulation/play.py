"""Plays a history in a world of its own, and tells what it has violated.

Owns how steps become stack operations, which steps make no sense at a moment and are passed over, and the
end: all grows calm, each stack is put to rest, and is judged.
"""

from dataclasses import dataclass
from random import Random
from typing import Any

from .clock import Process
from .history import BAD, History, Step
from .operations import Operation, Ways
from .people import People
from .resources import Template
from .stacks import Stack
from .weather import Weather
from .world import CONNECTOR, ENVIRONMENT, OTHER_CONNECTOR, World

#: A stack that failed to go is deleted again so often.
DELETIONS = 3
_WRONG: dict[str, Any] = {
    "EnvironmentId": ("EnvironmentId", "env-short"),
    "ConnectorId": ("ConnectorId", None),
    "VmIds": ("VmIds", []),
    "AdoptExisting": ("AdoptExisting", "perhaps"),
    "place": ("ConnectorId", "cnctr-unknown123"),
}


@dataclass
class Outcome:
    """How a history went."""

    history: History
    violations: list[str]
    story: str = ""


def play(history: History, *, told: bool = False) -> Outcome:
    """Play a history."""
    player = Player(history)
    try:
        player.play()
        return Outcome(history, player.world.judge.violations, player.world.story.tell() if told else "")
    finally:
        player.world.close()


class Player:
    """One history under way."""

    def __init__(self, history: History) -> None:
        self._history = history
        self.world = World(history.seed, Weather(**history.weather))
        self.world.evs.bad.update(BAD)
        self._people = People(self.world)
        self._generations = 0
        self._stacks = [self._new(given) for given in history.stacks]
        self._running: dict[str, Process] = {}

    def _new(self, given: dict[str, Any]) -> Stack:
        self._generations += 1
        return self.world.stack(f"stack-{self._generations}", nested=given.get("nested", False))

    def play(self) -> None:
        """Play it to its end."""
        for step in self._history.steps:
            if not self._people.does(step):
                getattr(self, f"_{step.kind}")(step)
            if self.world.judge.violations:
                return
        self._end()

    # --- operations -----------------------------------------------------------------------------------------------

    def _stack(self, number: int) -> Stack:
        stack = self._stacks[number]
        self._wait(stack)
        if stack.status == "DELETE_COMPLETE":
            stack = self._stacks[number] = self._new(self._history.stacks[number])
        return stack

    def _wait(self, stack: Stack) -> None:
        process = self._running.pop(stack.name, None)
        if process is not None:
            self.world.clock.wait_for(process)

    def _begin(self, stack: Stack, operation: Any, *arguments: Any, together: bool = False) -> None:
        self._running[stack.name] = stack.begin(operation, *arguments)
        if not together:
            self._wait(stack)

    def _deploy(self, step: Step) -> None:
        given = step.given
        stack = self._stack(given["stack"])
        if stack.status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"):
            self._delete(step)
            stack = self._stack(given["stack"])
            if stack.status:
                return
        if stack.status == "UPDATE_ROLLBACK_FAILED":
            self._roll_back(step)
            if stack.status == "UPDATE_ROLLBACK_FAILED":
                return
        names = ("fails_after", "fails_last", "rolls_back", "updates_back", "skips")
        ways = Ways(**{name: given[name] for name in names if name in given})
        template = Template(
            {logical_id: self._properties(one) for logical_id, one in given["resources"].items()},
            {logical_id: one["retain"] for logical_id, one in given["resources"].items() if "retain" in one},
        )
        self._begin(stack, Operation(stack, ways, step.seed).deploy, template, together=given.get("together", False))

    def _properties(self, given: dict[str, Any]) -> dict[str, Any]:
        properties: dict[str, Any] = {
            "EnvironmentId": ENVIRONMENT,
            "ConnectorId": OTHER_CONNECTOR if given.get("there") else CONNECTOR,
            "VmIds": given["vms"],
            "AdoptExisting": "true" if given["adopts"] else "false",
            "RemovalPolicy": "RETAIN" if "retain" in given else "DESTROY",
        }
        if self.world.weather.service_timeout != 3600:
            properties["ServiceTimeout"] = str(self.world.weather.service_timeout)
        if "wrong" in given:
            name, value = _WRONG[given["wrong"]]
            properties[name] = value
        return {name: value for name, value in properties.items() if value is not None}

    def _delete(self, step: Step) -> None:
        stack = self._stack(step.given["stack"])
        if stack.status:
            operation = Operation(stack, Ways(), f"{step.seed}/delete")
            self._begin(stack, operation.delete, together=step.given.get("together", False) and step.kind == "delete")

    def _roll_back(self, step: Step) -> None:
        stack = self._stack(step.given["stack"])
        if stack.status in ("UPDATE_FAILED", "UPDATE_ROLLBACK_FAILED"):
            ways = Ways(skips=step.given.get("skips", False), updates_back=step.given.get("updates_back", False))
            self._begin(stack, Operation(stack, ways, f"{step.seed}/back").roll_back)

    def _rest(self, step: Step) -> None:
        self.world.run_for(step.given["seconds"])

    def _lose_ledger(self, step: Step) -> None:
        """Lose the ledger of a stack that is at rest, where what is lost can be known: see docs/limits.md."""
        stack, how = self._stack(step.given["stack"]), step.given["how"]
        self.world.settle()
        if stack.status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE") or stack.retained or not self._is_plain(stack):
            return
        self.world.story("stack", stack.name, "has lost its ledger:", how)
        logical_ids, before, backup = stack.backups[0] if stack.backups else (set[str](), {}, {})
        # What a restored ledger says of resources that have left since, of VMs that another resource declares since,
        # and what was done by hand, nobody can tell.
        has_moved = any(before.get(vm, logical_id) != logical_id for vm, logical_id in stack.declaring().items())
        is_alike = logical_ids == set(stack.resources) and not has_moved
        if how == "older" and is_alike and not self.world.evs.touched_by_hand:
            stack.lose(before)
            stack.table.restore(backup)
        elif how == "gone":
            stack.lose({})
            stack.table.is_gone = True
        else:
            stack.lose({})
            stack.table.empty()

    def _is_plain(self, stack: Stack) -> bool:
        """Tell whether all that a stack holds is in its sets, each VM in one."""
        held = [row for row in self.world.evs.all_held() if row.maker == stack.name or stack.name in row.adopters]
        declared = [(one.where, vm_id) for one in stack.believed.values() for vm_id in one.vm_ids]
        return {(row.where, row.vm_id) for row in held} == set(declared) and len(set(declared)) == len(declared)

    # --- the end --------------------------------------------------------------------------------------------------

    def _end(self) -> None:
        world, random = self.world, Random(f"{self._history.seed}/end")
        for stack in self._stacks:
            self._wait(stack)
        world.settle(40_000.0)
        world.trouble.is_calm = True
        world.trouble.outages.clear()
        world.evs.stuck.clear()
        world.story("all is calm")
        for number, stack in enumerate(self._stacks):
            seed = f"{self._history.seed}/end/{number}"
            if stack.status and random.random() < 0.6 and not stack.has_lost_ledger:
                self._go_on(stack, seed)
            if (
                stack.status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
                or random.random() < 0.7
                or stack.has_lost_ledger
            ):
                self._remove(stack, seed)
        world.settle()
        for stack in world.stacks.values():
            if not stack.table.is_gone or stack.is_gone:
                world.judge.rest(stack)
        world.judge.end()

    def _go_on(self, stack: Stack, seed: str) -> None:
        """Deploy one thing more, that fits: it makes up for what was skipped before."""
        number = self._stacks.index(stack)
        given = {"stack": number, "resources": {"Windows": {"vms": [f"vm-90{number}"], "adopts": False}}}
        self._deploy(Step("deploy", f"{seed}/on", given))

    def _remove(self, stack: Stack, seed: str) -> None:
        for number in range(DELETIONS):
            if stack.status in ("", "DELETE_COMPLETE"):
                return
            self.world.clock.wait_for(stack.begin(Operation(stack, Ways(), f"{seed}/{number}").delete))
            self.world.settle()
        # Of a Create that never answered nobody knows what it made, where the ledger is gone: see docs/limits.md.
        is_undecidable = stack.table.is_gone and "it is not known whether" in stack.requests[-1].answer.get(
            "Reason", ""
        )
        if stack.status != "DELETE_COMPLETE" and not is_undecidable:
            self.world.judge.violation(f"{stack.name} can't be deleted though all is calm")
