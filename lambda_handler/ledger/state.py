"""The meaning of the ledger, as pure values and transitions: what is ours, and which request is the newest.

The ledger of a stack is one value, so that the fence and every change behind it are one conditional write, whichever
connectors a request touches. `packing.py` has its stored form, `table.py` keeps it, `fence.py` decides who may write.

The rule of removal, in one sentence: **what is owned (or may become owned by a call of ours) and in no set is removed;
nothing else ever is.** As code it is `State.removable`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import Overtaken
from ..values import NO_VMS, Connector, VmIds
from .records import Call, DeclaredSet, Holding, Operation, RequestRecord, RequestType

#: How many ids of overtaken requests a record remembers. Order of issue decides first; this is for requests whose
#: ResponseURL bears no date.
REMEMBERED = 100
#: How many PhysicalResourceIds the ledger remembers to have dropped. More than any stack replaces in one operation.
DROPPED = 500
#: In the order in which CloudFormation issues them within one second; an Update back comes after the Update.
_ORDER: dict[str, int] = {"Create": 0, "Update": 1, "Delete": 2}


@dataclass(frozen=True)
class State:
    """The whole ledger of a stack. Every method returns a new one.

    Attributes:
        sequence: counts requests.
        claims: counts announcements of CreateEntitlement calls. Who looked before one knows that the look is old.
        requests: `key` of a request -> its record.
        sets: PhysicalResourceId -> the set that it stands for.
        calls: id of a call -> the call.
        dropped: PhysicalResourceIds of sets that were dropped, the newest last.
        extra: fields that a neighbouring version wrote and this one does not know; they are written back as they are.
    """

    sequence: int = 0
    claims: int = 0
    requests: dict[str, RequestRecord] = field(default_factory=dict)
    sets: dict[str, DeclaredSet] = field(default_factory=dict)
    holdings: dict[Connector, Holding] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)

    # --- the fence -----------------------------------------------------------------------------------------------

    def admit(self, record: RequestRecord) -> "State":
        """Make a request the newest of its logical id; the same state where it is known already.

        CloudFormation's own order counts, not that of arrival: Lambda may deliver a request late or again. Deletes of
        different PhysicalResourceIds do not overtake each other: CloudFormation issues them at the same time.

        Args:
            record: the request; `sequence` and `before` are filled in.

        Raises:
            Overtaken: a newer request is known.
        """
        before: list[str] = []
        overtaken: set[str] = set()
        for other_key, other in self.requests.items():
            if other.logical_id != record.logical_id:
                continue
            if other.request_id == record.request_id:
                return self
            if record.request_id in other.before:
                raise Overtaken(f"request {other.request_id} is newer")
            if record.type == other.type == "Delete" and record.physical_id != other.physical_id:
                continue
            if _is_older(record, other):
                raise Overtaken(f"request {other.request_id} is newer")
            overtaken.add(other_key)
            before += [*other.before, other.request_id]
        is_tied = any(_is_tied(record, self.requests[other_key]) for other_key in overtaken)
        remembered = tuple(before[-REMEMBERED:])
        admitted = replace(record, sequence=self.sequence + 1, before=remembered, is_tied=is_tied)
        kept = {other_key: other for other_key, other in self.requests.items() if other_key not in overtaken}
        return replace(self, sequence=self.sequence + 1, requests={**kept, key(record): admitted})

    def record(self, request_key: str, **changes: Any) -> "State":
        """Change the record of a request."""
        return replace(self, requests={**self.requests, request_key: replace(self.requests[request_key], **changes)})

    # --- sets ----------------------------------------------------------------------------------------------------

    def declare(self, physical_id: str, declared: DeclaredSet) -> "State":
        """Add or replace a set."""
        return replace(self, sets={**self.sets, physical_id: declared})

    def drop(self, physical_ids: Iterable[str]) -> "State":
        """Drop sets, and remember of live ones that they were dropped. Those that are not there are no error.

        CloudFormation has never heard of a pending one, unless the ledger was lost since it was live. Then a request
        was delivered again, and failed. What the set's id proves must not be forgotten for that.
        """
        dropped = [physical_id for physical_id in physical_ids if physical_id in self.sets]
        if not dropped:
            return self
        sets = {physical_id: declared for physical_id, declared in self.sets.items() if physical_id not in dropped}
        known = [one for one in dropped if self.sets[one].live]
        remembered = (*(one for one in self.dropped if one not in known), *known)
        return replace(self, sets=sets, dropped=remembered[-DROPPED:])

    def sets_of(self, logical_id: str, *, live: bool) -> dict[str, DeclaredSet]:
        """Return the live, or the pending, sets of a logical id."""
        return {
            physical_id: declared
            for physical_id, declared in self.sets.items()
            if declared.logical_id == logical_id and declared.live == live
        }

    def declared(self, connector: Connector, *, live: bool = False) -> VmIds:
        """Return the VMs that any set, or any live set, at a connector declares."""
        return NO_VMS.union(
            *(
                declared.vm_ids
                for declared in self.sets.values()
                if declared.connector == connector and (declared.live or not live)
            )
        )

    def followed(self, connector: Connector) -> VmIds:
        """Return the VMs that live sets at a connector declare, without those of sets that were retained."""
        return NO_VMS.union(
            *(one.vm_ids for one in self.sets.values() if one.connector == connector and one.live and not one.kept)
        )

    # --- ownership -----------------------------------------------------------------------------------------------

    def holding(self, connector: Connector) -> Holding:
        """Return what is ours at a connector, calls aside."""
        return self.holdings.get(connector, Holding())

    def hold(self, connector: Connector, holding: Holding) -> "State":
        """Replace what is ours at a connector, calls aside."""
        if holding is self.holdings.get(connector):
            return self
        holdings = {**self.holdings, connector: holding}
        if holding == Holding():
            del holdings[connector]
        return replace(self, holdings=holdings)

    def owned(self, connector: Connector) -> VmIds:
        """Return the VMs that are ours: created and listed, adopted, or taken by EVS."""
        taken = (call.vm_ids for call in self.calls_at(connector, "CreateEntitlement") if call.taken)
        return self.holding(connector).owned.union(*taken)

    def may_be_ours(self, connector: Connector) -> VmIds:
        """Return what is ours, and what a call of ours whose outcome nobody knows may have made."""
        calls = (call.vm_ids for call in self.calls_at(connector, "CreateEntitlement"))
        return self.holding(connector).owned.union(*calls)

    def disown(self, connector: Connector, vm_ids: VmIds) -> "State":
        """Forget VMs, and calls that may still create them: they hold nothing of ours, or are given back."""
        if not vm_ids:
            return self
        state = self.map_calls(
            lambda _, call: call.without(vm_ids) if is_at(call, connector, "CreateEntitlement") else call
        )
        return state.hold(connector, state.holding(connector).disown(vm_ids))

    def removable(self, connector: Connector) -> VmIds:
        """Apply the rule of removal: what is ours, or may become ours, and in no set."""
        return self.may_be_ours(connector) - self.declared(connector)

    def to_remove(self) -> list[Connector]:
        """Return the connectors at which the rule of removal finds anything."""
        connectors = self.holdings.keys() | {call.connector for call in self.calls.values()}
        return sorted(connector for connector in connectors if self.removable(connector))

    # --- calls ---------------------------------------------------------------------------------------------------

    def calls_at(self, connector: Connector, operation: Operation) -> list[Call]:
        """Return the calls of one operation at a connector."""
        return [call for call in self.calls.values() if is_at(call, connector, operation)]

    def map_calls(self, change: Callable[[str, Call], Call]) -> "State":
        """Change each call, given with its id; one that is left without VMs goes."""
        changed = {call_id: change(call_id, call) for call_id, call in self.calls.items()}
        changed = {call_id: call for call_id, call in changed.items() if call.vm_ids}
        if len(changed) == len(self.calls) and all(self.calls[call_id] is call for call_id, call in changed.items()):
            return self
        return replace(self, calls=changed)


def key(request: RequestRecord) -> str:
    """Return the key of a request's record: Deletes of different ids have one each."""
    return key_of(request.type, request.logical_id, request.physical_id)


def key_of(request_type: RequestType, logical_id: str, physical_id: str) -> str:
    """Return the key of a request's record."""
    return f"{logical_id} {physical_id}" if request_type == "Delete" else logical_id


def _is_older(request: RequestRecord, other: RequestRecord) -> bool:
    """Tell whether CloudFormation issued a request before another one; by arrival where it does not say."""
    if request.issued is None or other.issued is None:
        return request.arrived < other.arrived
    return (request.issued, _rank(request)) < (other.issued, _rank(other))


def _is_tied(request: RequestRecord, other: RequestRecord) -> bool:
    """Tell whether CloudFormation's dates do not say which of two Updates is newer."""
    return (
        request.type == "Update"
        and request.issued is not None
        and ((request.issued, _rank(request)) == (other.issued, _rank(other)))
    )


def _rank(request: RequestRecord) -> tuple[int, bool]:
    return _ORDER[request.type], request.is_back


def is_at(call: Call, connector: Connector, operation: Operation) -> bool:
    """Tell whether a call is one of this operation at this connector."""
    return call.operation == operation and call.connector == connector
