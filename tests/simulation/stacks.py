"""Stacks as CloudFormation knows them: resources with their ids, statuses, and events.

Owns what CloudFormation believes declared. `operations.py` carries out what users ask for,
and `stack_answers.py` says what there is.
"""

from collections.abc import Callable, Iterable
from math import floor
from typing import TYPE_CHECKING, Any

from .clock import Process
from .declared import Declared, Properties
from .dynamodb import Table
from .expectation import Facts
from .functions import Function
from .requests import TYPE, Request
from .resources import Resource, Root
from .rows import Where, moment

if TYPE_CHECKING:
    from .world import World


class Stack:
    """One stack with its function and its ledger's table: its own, or those of the stack that it shares them with."""

    def __init__(
        self,
        world: "World",
        name: str,
        *,
        nested: bool = False,
        function_timeout: float | None = None,
        shares: "Stack | None" = None,
    ) -> None:
        self.world = world
        self.name = name
        self.id = f"arn:aws:cloudformation:us-east-1:000000000000:stack/{name}/{name}"
        self.root = Root(f"{name}-root") if nested else None
        self.function = Function(world, f"{name}-provider", function_timeout or world.weather.function_timeout)
        self.table = Table()
        self.is_guest = shares is not None
        if shares is not None:
            self.function, self.table = shares.function, shares.table
        #: Logical ids, the one that declares each VM, and ledger after the last operations that ended well.
        self.backups: list[tuple[set[str], dict[tuple[Where, str], str], dict[str, Any]]] = []
        #: What CloudFormation believes that the ledger has lost and that no request has named since: logical id and id.
        self.forgotten: set[tuple[str, str]] = set()
        self.status = ""
        self.events: list[dict[str, Any]] = []
        self.resources: dict[str, Resource] = {}
        self.believed: dict[tuple[str, str], Declared] = {}
        self.retained: dict[Where, set[str]] = {}
        #: Retained VMs that an operation may have taken over and, rolled back, given back: they are nobody's.
        self.given_back: set[tuple[Where, str]] = set()
        self.requests: list[Request] = []
        self.is_denied = False
        #: Ids of stacks of which alone IAM refuses to let the function ask.
        self.unaskable: set[str] = set()
        #: CloudFormation could not be asked for a while: what was adopted or retained may have been given back.
        self.is_unsure = False
        #: VMs that one resource retained in the operation in which another that declared them, too, was deleted.
        self.ambiguous: set[tuple[Where, str]] = set()
        self.ever_retained: set[tuple[Where, str]] = set()
        self.has_lost_ledger = False
        self.lost_at = 0.0
        #: What a Delete that was skipped has left: VM -> how many requests there were then. The next one makes up for
        #: it; where none comes, or CloudFormation could not be asked, it stays.
        self.skipped: dict[tuple[Where, str], int] = {}
        #: Operations that have begun, and those of them that are under way.
        self.operations = 0
        self.under_way = 0
        self.is_gone = False

    def begin(self, operation: Callable[..., None], *arguments: Any) -> Process:
        """Begin an operation."""
        self.operations += 1
        self.under_way += 1

        def carry_out() -> None:
            # Nobody begins an operation in the very second in which the one before has ended.
            if self.requests:
                self.world.clock.sleep(max(self.requests[-1].issued_at + 1.5 - self.world.clock.now, 0.0))
            operation(*arguments)
            self.under_way -= 1
            if self.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
                self.backups = [*self.backups, (set(self.resources), self.declaring(), self.table.backup())][-2:]

        return self.world.clock.spawn(carry_out)

    # --- what it believes -----------------------------------------------------------------------------------------

    def declared(self, where: Where) -> set[str]:
        """Return the VMs that CloudFormation relies on at a place."""
        return {vm_id for one in self.believed.values() if one.where == where for vm_id in one.vm_ids}

    def lose(self, backup: dict[tuple[Where, str], str]) -> None:
        """Lose the ledger, but for what a backup knows: which logical id declares each VM."""
        self.has_lost_ledger, self.lost_at = True, self.world.clock.now
        self.forgotten = {
            (logical_id, physical_id)
            for (logical_id, physical_id), one in self.believed.items()
            if any(backup.get((one.where, vm_id)) != logical_id for vm_id in one.vm_ids)
        }

    def declaring(self) -> dict[tuple[Where, str], str]:
        """Return which logical id declares each VM."""
        return {
            (one.where, vm_id): logical_id for (logical_id, _), one in self.believed.items() for vm_id in one.vm_ids
        }

    def protected(self, where: Where) -> set[str]:
        """Return the VMs that nobody may lose."""
        return self.declared(where) | self.retained.get(where, set())

    def believe(self, logical_id: str, physical_id: str, properties: Properties) -> None:
        """Take on an id that was answered with SUCCESS."""
        self.believed[logical_id, physical_id] = Declared.by(properties)

    def give_back(self, properties: Properties) -> None:
        """Note that what a set declares goes back to what it was."""
        declared = Declared.by(properties)
        retained = self.retained.get(declared.where, set())
        self.given_back |= {(declared.where, vm_id) for vm_id in declared.vm_ids & retained}

    def leave_open(self, properties: Properties) -> None:
        """Note VMs of which nobody has said whether they stay."""
        one = Declared.by(properties)
        self.ambiguous |= {(one.where, vm_id) for vm_id in one.vm_ids}

    def skip(self, properties: Properties) -> None:
        """Note that what a set declares may stay: its Delete failed, and is not tried again.

        What others had left before may stay as well: that Delete has not removed it either.
        """
        one = Declared.by(properties)
        left = self.skipped.keys() | {(one.where, vm_id) for vm_id in one.vm_ids}
        self.skipped = dict.fromkeys(left, len(self.requests))

    def may_stay(self, where: Where, vm_id: str, *, is_refused: bool) -> bool:
        """Tell whether a skipped Delete has left a VM, and nothing has come since that could have removed it.

        A Create or Update tries, and succeeds even where EVS refuses the deletion still.
        """
        if is_refused and not self.is_gone:
            return True  # it stays in the ledger, and the next request tries again
        number = self.skipped.get((where, vm_id))
        if number is None:
            return False
        since = [one for one in self.requests[number:] if one.type == "Delete" or not is_refused]
        return self.is_unsure or not since

    def may_be_given_back(self, where: Where, vm_id: str) -> bool:
        """Tell whether a VM may have become nobody's: in a rollback, or since CloudFormation could not be asked."""
        was_retained = (where, vm_id) in self.ever_retained | self.to_retain
        return (where, vm_id) in self.given_back or (self.is_unsure and was_retained)

    def was_unheard(self, where: Where, vm_id: str) -> bool:
        """Tell whether a request declared a VM whose answer CloudFormation did not wait for."""
        declared = [Declared.by(one.properties) for one in self.requests if one.is_unheard]
        return any(one.where == where and vm_id in one.vm_ids for one in declared)

    @property
    def to_retain(self) -> set[tuple[Where, str]]:
        """VMs that any request has declared with RemovalPolicy RETAIN."""
        declared = [
            Declared.by(one.properties) for one in self.requests if one.properties.get("RemovalPolicy") == "RETAIN"
        ]
        return {(one.where, vm_id) for one in declared for vm_id in one.vm_ids}

    def keep_and_delete(self, doomed: Iterable[Properties]) -> None:
        """Note VMs that are retained and deleted by one operation: whether they stay, nobody has said."""
        for one in map(Declared.by, doomed):
            both = one.vm_ids & self.retained.get(one.where, set())
            self.ambiguous |= {(one.where, vm_id) for vm_id in both}

    def release(self, logical_id: str, physical_id: str) -> None:
        """Rely on an id no more."""
        self.believed.pop((logical_id, physical_id), None)

    def keep(self, logical_id: str, properties: Properties) -> None:
        """Leave entitled what a retained resource declares.

        What an Update of it has made whose answer nobody heard may stay, too: no request comes for it any more.
        """
        declared = Declared.by(properties)
        for request in self.requests:
            if request.logical_id == logical_id and request.type == "Update" and request.is_unheard:
                self.leave_open(request.properties)
        self.retained.setdefault(declared.where, set()).update(declared.vm_ids)
        self.ever_retained |= {(declared.where, vm_id) for vm_id in declared.vm_ids}

    def completed(self) -> None:
        """Note that an operation can't be rolled back any more: what it took over is its own."""
        evs = self.world.evs
        for one in self.believed.values():
            self.retained.get(one.where, set()).difference_update(one.vm_ids)
            for vm_id in one.vm_ids:
                row = evs.held(one.where, vm_id)
                if row is not None and row.maker != self.name and (one.adopts or self.has_adopted(one.where, vm_id)):
                    row.adopters.add(self.name)

    def has_adopted(self, where: Where, vm_id: str) -> bool:
        """Tell whether another resource adopted a VM, though its answer may never have been heard.

        Rolled back it would have been given back, and what relies on it now would have met a conflict.
        """
        adopting = [
            Declared.by(one.properties)
            for one in self.requests
            # One that has come to its end has adopted them in the ledger, even if S3 never took its answer.
            if one.type != "Delete" and (one.bodies or one.has_succeeded)
        ]
        return any(one.adopts and one.where == where and vm_id in one.vm_ids for one in adopting)

    def issue(self, request: Request) -> None:
        """Let CloudFormation issue a request: it overtakes the one before it, unless both delete, each another id."""
        now = self.world.clock.now
        for before in self.requests:
            # Past its deadline an invocation that is held up may come to itself, and find the newer request.
            is_running = any(one.request is before and one.is_running for one in self.world.invocations)
            if before.logical_id == request.logical_id and not before.bodies and (now < before.deadline or is_running):
                both_delete = before.type == request.type == "Delete" and before.physical_id != request.physical_id
                before.overtaken = before.overtaken or not both_delete
        self.forgotten.discard((request.logical_id, request.physical_id or ""))
        self.requests.append(request)
        request.facts = Facts.of(request)
        self.world.issue(request)

    def end(self) -> None:
        """Let function, role and table go with the stack, unless they are another's."""
        if self.is_guest:
            return
        for invocation in self.function.invocations:
            invocation.request.is_retried = False
            invocation.kill("its function is deleted")
        self.is_gone = self.table.is_gone = True

    # --- statuses and events --------------------------------------------------------------------------------------

    def reach(self, status: str, root: str | None = None) -> None:
        """Let the stack, and the one that it is nested in, reach a status."""
        self.status = status
        self.world.story("stack", self.name, status)
        self._event(self.events, self.name, self.id, "AWS::CloudFormation::Stack", status)
        of_root = root or status
        if self.root is not None and of_root != self.root.status:
            self.root.status = of_root
            self._event(self.root.events, self.root.name, self.root.id, "AWS::CloudFormation::Stack", of_root)

    def note(self, resource: Resource, physical_id: str, status: str) -> None:
        """Note an event of a resource."""
        self._event(self.events, resource.logical_id, physical_id, TYPE, status)

    def _event(self, events: list[dict[str, Any]], logical_id: str, physical_id: str, kind: str, status: str) -> None:
        events.append(
            {
                "StackId": self.id,
                "EventId": str(len(events)),
                "LogicalResourceId": logical_id,
                "PhysicalResourceId": physical_id,
                "ResourceType": kind,
                # Cut, not rounded: what happens after an event in the same millisecond is not before it.
                "Timestamp": moment(floor(self.world.clock.now * 1000) / 1000),
                "ResourceStatus": status,
            }
        )
