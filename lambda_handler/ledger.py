"""What this stack declared, owns and intends: the one answer to "what is ours", and the fence between requests.

Owns the meaning of the ledger, as pure values and transitions; `ledger_table.py` stores it. The ledger of a stack is
one value, so that the fence and every change behind it are one conditional write, whichever connectors a request
touches. (A template holds 1 MB; what it can declare, packed, fits into one DynamoDB item several times over.)

The rule of removal, in one sentence: **what is owned and in no set is removed; nothing else ever is.** As code it is
`State.removable`.

How a VM becomes owned: before CreateEntitlement is called for it, its id is written into ``owned`` together with a
*flight*, the time after which that call can no longer take effect. So a request that comes after a killed one knows
both what may exist and until when it may still come into being. Removal has flights of its own: a set that declares a
VM whose DeleteEntitlement is under way waits for the outcome and then creates it anew.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from .errors import Overtaken
from .properties import Connector

#: How many ids of overtaken requests a logical id remembers. Order of issue decides first; this is for requests
#: whose ResponseURL bears no date.
REMEMBERED = 100

VmIds = frozenset[str]
NONE: VmIds = frozenset()


@dataclass(frozen=True)
class DeclaredSet:
    """The VMs that one PhysicalResourceId stands for. Never changes, but for its standing.

    Attributes
    ----------
    live
        CloudFormation is, or is about to be, told SUCCESS with this id. Until then the set is pending.
    kept
        A later Create for the logical id found it live: CloudFormation no longer follows it and never said Delete,
        which is what DeletionPolicy Retain looks like from here.
    sequence
        When it was declared, or last confirmed by an Update, in the order of requests.
    declared_at
        When it was declared, in epoch seconds.
    """

    logical_id: str
    connector: Connector
    vm_ids: VmIds
    request_id: str
    sequence: int
    declared_at: float = 0.0
    live: bool = False
    kept: bool = False


@dataclass(frozen=True)
class Flight:
    """A call that may still take effect until `until` (epoch seconds), made by invocation `by`.

    `answered`: EVS has taken the call, and what it does is awaited.
    """

    vm_ids: VmIds
    until: float
    by: str
    answered: bool = False


@dataclass(frozen=True)
class Adoption:
    """When, and by which request, an entitlement that existed already became the stack's own."""

    request_id: str
    at: float


@dataclass(frozen=True)
class Holding:
    """What is ours at one connector."""

    owned: VmIds = NONE
    adopted: dict[str, Adoption] = field(default_factory=dict)
    creating: tuple[Flight, ...] = ()
    removing: tuple[Flight, ...] = ()

    def own(self, vm_ids: VmIds) -> "Holding":
        """Write down that VMs are ours, or are about to be."""
        return self if vm_ids <= self.owned else replace(self, owned=self.owned | vm_ids)

    def adopt(self, vm_ids: VmIds, adoption: Adoption) -> "Holding":
        """Take over entitlements that exist already; what is ours stays as it is."""
        taken = vm_ids - self.owned
        return self.own(taken).mark(taken, adoption)

    def mark(self, vm_ids: VmIds, adoption: Adoption) -> "Holding":
        """Note that an operation which may yet be rolled back has taken VMs over."""
        if not vm_ids:
            return self
        return replace(self, adopted={**self.adopted, **dict.fromkeys(vm_ids, adoption)})

    def disown(self, vm_ids: VmIds) -> "Holding":
        """Forget VMs: they hold nothing of ours, or are given back."""
        if not vm_ids & self.owned and not vm_ids & self.adopted.keys():
            return self
        return replace(
            self,
            owned=self.owned - vm_ids,
            adopted={vm: adoption for vm, adoption in self.adopted.items() if vm not in vm_ids},
        )

    def flying(self, by: str, creating: tuple[Flight, ...], removing: tuple[Flight, ...]) -> "Holding":
        """Replace the flights of invocation `by`: of its calls, those that may still take effect."""
        return replace(
            self,
            creating=(*(flight for flight in self.creating if flight.by != by), *creating),
            removing=(*(flight for flight in self.removing if flight.by != by), *removing),
        )

    def in_creation(self, now: float, other_than: str = "") -> VmIds:
        """Return the VMs for which a CreateEntitlement, of any invocation but one, may still take effect."""
        return NONE.union(
            *(flight.vm_ids for flight in self.creating if flight.until > now and flight.by != other_than)
        )

    def landings(self, now: float, *, answered: bool) -> Counter[str]:
        """Count, for each VM, the CreateEntitlement calls that may still take effect, or show in the list."""
        return Counter(
            vm_id
            for flight in self.creating
            if flight.until > now and flight.answered == answered
            for vm_id in flight.vm_ids
        )

    def in_removal(self, now: float, *, answered: bool) -> VmIds:
        """Return the VMs for which a DeleteEntitlement, answered or not, may still take effect."""
        return NONE.union(
            *(flight.vm_ids for flight in self.removing if flight.until > now and flight.answered == answered)
        )

    def pruned(self, now: float, removed: VmIds = NONE) -> "Holding":
        """Drop flights that can no longer take effect: too old, or seen to have `removed` what they were to."""
        removing = (
            replace(flight, vm_ids=flight.vm_ids - removed) if flight.answered else flight for flight in self.removing
        )
        return replace(
            self,
            creating=tuple(flight for flight in self.creating if flight.until > now),
            removing=tuple(flight for flight in removing if flight.until > now and flight.vm_ids),
        )


@dataclass(frozen=True)
class RequestRecord:
    """The newest request of a logical id, and those before it.

    Attributes
    ----------
    issued
        X-Amz-Date of ResponseURL (``20261123T101500Z``), or None.
    by
        The invocation that carries it out; an earlier one of the same request leaves it to this one.
    failing
        The Reason of a Create or Update that is being undone.
    answer
        What CloudFormation is to be told; a redelivered request says the same again.
    named
        The sequence that the set of its PhysicalResourceId had when it came; None where no set had that id.
    """

    request_id: str
    issued: str | None
    sequence: int
    answer_by: float
    by: str = ""
    before: tuple[str, ...] = ()
    failing: str | None = None
    answer: dict[str, str] | None = None
    named: int | None = None


@dataclass(frozen=True)
class State:
    """The whole ledger of a stack. Every method returns a new one.

    Attributes
    ----------
    sequence
        Counts requests.
    claims
        Counts claims of VMs, so that who looked before one knows that the look is old.
    """

    sequence: int = 0
    claims: int = 0
    requests: dict[str, RequestRecord] = field(default_factory=dict)
    sets: dict[str, DeclaredSet] = field(default_factory=dict)
    holdings: dict[Connector, Holding] = field(default_factory=dict)

    # --- the fence -----------------------------------------------------------------------------------------------

    def admit(self, logical_id: str, request_id: str, issued: str | None, answer_by: float) -> "State":
        """Make a request the newest of its logical id.

        CloudFormation's own order counts, not that of arrival: Lambda may deliver a request late or again.

        Raises
        ------
        Overtaken
            A newer request is known.
        """
        newest = self.requests.get(logical_id)
        before: tuple[str, ...] = ()
        if newest is not None:
            if newest.request_id == request_id:
                return self
            older = issued is not None and newest.issued is not None and issued < newest.issued
            if request_id in newest.before or older:
                raise Overtaken(f"request {newest.request_id} is newer")
            before = (*newest.before, newest.request_id)[-REMEMBERED:]
        record = RequestRecord(request_id, issued, self.sequence + 1, answer_by, before=before)
        return replace(self, sequence=self.sequence + 1, requests={**self.requests, logical_id: record})

    def record(self, logical_id: str, **changes: Any) -> "State":
        """Change the record of a logical id's newest request."""
        changed = replace(self.requests[logical_id], **changes)
        return replace(self, requests={**self.requests, logical_id: changed})

    # --- sets ----------------------------------------------------------------------------------------------------

    def declare(self, physical_id: str, declared: DeclaredSet) -> "State":
        """Add or replace a set."""
        return replace(self, sets={**self.sets, physical_id: declared})

    def drop(self, physical_ids: Iterable[str]) -> "State":
        """Drop sets; those that are not there are no error."""
        dropped = set(physical_ids)
        if not dropped & self.sets.keys():
            return self
        return replace(self, sets={key: value for key, value in self.sets.items() if key not in dropped})

    def sets_of(self, logical_id: str, *, live: bool) -> dict[str, DeclaredSet]:
        """Return the live, or the pending, sets of a logical id."""
        return {
            physical_id: declared
            for physical_id, declared in self.sets.items()
            if declared.logical_id == logical_id and declared.live == live
        }

    def declared(self, connector: Connector, *, live: bool = False) -> VmIds:
        """Return the VMs that any set, or any live set, at a connector declares."""
        return NONE.union(
            *(
                declared.vm_ids
                for declared in self.sets.values()
                if declared.connector == connector and (declared.live or not live)
            )
        )

    # --- ownership -----------------------------------------------------------------------------------------------

    def holding(self, connector: Connector) -> Holding:
        """Return what is ours at a connector."""
        return self.holdings.get(connector, Holding())

    def hold(self, connector: Connector, holding: Holding) -> "State":
        """Replace what is ours at a connector."""
        holdings = {**self.holdings, connector: holding}
        if holding == Holding():
            del holdings[connector]
        return replace(self, holdings=holdings)

    def removable(self, connector: Connector) -> VmIds:
        """Apply the rule of removal: what is owned and in no set."""
        return self.holding(connector).owned - self.declared(connector)

    def to_remove(self) -> list[Connector]:
        """Return the connectors at which the rule of removal finds anything."""
        return sorted(connector for connector in self.holdings if self.removable(connector))
