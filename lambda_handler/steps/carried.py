"""What one invocation of a request has learnt and the next must not learn again, and its form in the event.

Owns each limit and counter that holds for a request, whatever the function's timeout: kept in an invocation alone it
would begin anew in each. An older version ignores keys that it does not know, and a newer one reads an event without
them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..evs.listing import NotFoundSince
from ..ledger.vm_ids import packed_ids, unpacked_ids
from ..values import NO_VMS, Connector, VmIds

#: Key of the VMs that the request has made. Only where the ledger is lost are they needed.
MADE = "Made"


@dataclass
class Carried:
    """What the steps of a request have learnt so far. All times are epoch seconds.

    Attributes:
        failed: VM id -> cause, of those that could not be entitled so far.
        called_for_all: every VM was called for, so long ago that the list shows what became of the calls.
        times_taken: VMs that were nobody's and that EVS has taken from this request: how often; 0 where it may have.
        singled_out: how many VMs were found to be the refused ones of a batch: of those that are new, and of those that
            were ours before, for which no request fails.
        doubted_since: VM id -> since when EVS refuses it for an entitlement that the list does not show.
        not_found: since when EVS says, to calls to create, that the connector or its environment does not exist.
        refused_since: VM id -> since when its deletion is refused, in calls for it alone.
        all_refused_since: connector -> since when EVS refuses deletions of several VMs there, and takes none.
        under_way: VM id -> until when it is not asked for, since EVS took its deletion and refuses to take it again.
        left_out: VMs that EVS took a deletion of, and left out of its answer.
        ended: VMs that EVS had removed before, and whose deletion it has certainly taken from this request.
        list_refused_since: connector -> since when EVS refuses to list what is to be removed there.
        connector_asked: EVS was asked what is wrong with the connector, whatever came of it.
        connector_wrong: what is wrong with it, as far as EVS has said.
        missed: connector -> VMs to be removed that the last looks did not show: since when, and how many looks.
        missed_claims: how many creations the ledger had counted at these looks; a later one makes them void.
        removing: connector -> since when what is to be removed there is, and until when the request pursues that.
        undone_since: since when what the request has made is undone without its ledger.
        events_cut_short: question to CloudFormation -> how many invocations have ended before it was answered.
        deleted_unseen: VMs whose deletion EVS was asked for without a ledger: until when the list may not show that.
    """

    failed: dict[str, str] = field(default_factory=dict)
    called_for_all: bool = False
    times_taken: dict[str, int] = field(default_factory=dict)
    singled_out: list[int] = field(default_factory=lambda: [0, 0])
    doubted_since: dict[str, float] = field(default_factory=dict)
    not_found: NotFoundSince | None = None
    refused_since: dict[str, float] = field(default_factory=dict)
    all_refused_since: dict[Connector, float] = field(default_factory=dict)
    under_way: dict[str, float] = field(default_factory=dict)
    left_out: VmIds = NO_VMS
    ended: VmIds = NO_VMS
    list_refused_since: dict[Connector, float] = field(default_factory=dict)
    connector_asked: bool = False
    connector_wrong: str = ""
    missed: dict[Connector, dict[str, tuple[float, int]]] = field(default_factory=dict)
    missed_claims: int = 0
    removing: dict[Connector, tuple[float, float]] = field(default_factory=dict)
    events_cut_short: dict[str, int] = field(default_factory=dict)
    undone_since: float | None = None
    deleted_unseen: dict[str, float] = field(default_factory=dict)

    def removing_since(self, connector: Connector, until: float, now: float) -> float:
        """Return since when what is to be removed at a connector is. One with another end is another removal."""
        since, ends = self.removing.get(connector, (now, until))
        if ends != until:
            since = now
        self.removing[connector] = (since, until)
        return since

    def packed(self) -> dict[str, Any]:
        """Return it as keys of the event."""
        return {
            "Failed": _packed_causes(self.failed),
            "CalledForAll": self.called_for_all,
            MADE: _packed(self.times_taken),
            "SingledOut": self.singled_out,
            "DoubtedSince": _packed(self.doubted_since),
            "NotFoundCreating": self.not_found.packed() if self.not_found else None,
            "RefusedSince": _packed(self.refused_since),
            "AllRefusedSince": _packed_times(self.all_refused_since),
            "UnderWay": _packed(self.under_way),
            "LeftOut": packed_ids(self.left_out),
            "Ended": packed_ids(self.ended),
            "ListsRefusedSince": _packed_times(self.list_refused_since),
            "ConnectorAsked": self.connector_asked,
            "ConnectorWrong": self.connector_wrong,
            "Missed": _packed_missed(self.missed),
            "MissedClaims": self.missed_claims,
            "Removing": [[str(connector), *times] for connector, times in self.removing.items()],
            "EventsCutShort": dict(self.events_cut_short),
            "UndoneSince": self.undone_since,
            "DeletedUnseen": _packed(self.deleted_unseen),
        }

    @classmethod
    def unpacked(cls, given: Mapping[str, Any]) -> "Carried":
        """Read what `packed` wrote, in this version or in another one."""
        return cls(
            failed=_unpacked_causes(given.get("Failed") or {}),
            called_for_all=given.get("CalledForAll", False),
            times_taken=_unpacked(given.get(MADE)),
            singled_out=list(given.get("SingledOut") or (0, 0)),
            doubted_since=_unpacked(given.get("DoubtedSince")),
            not_found=NotFoundSince.unpacked(given.get("NotFoundCreating")),
            refused_since=_unpacked(given.get("RefusedSince")),
            all_refused_since=_unpacked_times(given.get("AllRefusedSince")),
            under_way=_unpacked(given.get("UnderWay")),
            left_out=unpacked_ids(given.get("LeftOut") or ""),
            ended=unpacked_ids(given.get("Ended") or ""),
            list_refused_since=_unpacked_times(given.get("ListsRefusedSince")),
            connector_asked=given.get("ConnectorAsked", False),
            connector_wrong=given.get("ConnectorWrong", ""),
            missed=_unpacked_missed(given.get("Missed") or ()),
            missed_claims=given.get("MissedClaims", 0),
            removing={Connector.parse(one): (since, until) for one, since, until in given.get("Removing") or ()},
            events_cut_short=dict(given.get("EventsCutShort") or {}),
            undone_since=given.get("UndoneSince"),
            deleted_unseen=_unpacked(given.get("DeletedUnseen")),
        )


def _packed_causes(failed: Mapping[str, str]) -> dict[str, list[str]]:
    """Pack failed VMs: code of the cause -> its first text, and the VMs."""
    by_code: dict[str, list[str]] = {}
    for vm_id, cause in failed.items():
        by_code.setdefault(cause.partition(":")[0], []).append(vm_id)
    return {code: [failed[vm_ids[0]], packed_ids(frozenset(vm_ids))] for code, vm_ids in by_code.items()}


def _unpacked_causes(failed: Mapping[str, list[str]]) -> dict[str, str]:
    """Read what `_packed_causes` wrote."""
    return {vm_id: cause for cause, ids in failed.values() for vm_id in unpacked_ids(ids)}


def _packed(numbers: Mapping[str, float]) -> list[list[Any]]:
    """Pack VM id -> number, be it a time or a count: each number, and its VMs."""
    alike: dict[float, set[str]] = {}
    for vm_id, number in numbers.items():
        alike.setdefault(number, set()).add(vm_id)
    return [[number, packed_ids(frozenset(vm_ids))] for number, vm_ids in alike.items()]


def _unpacked(given: Iterable[Sequence[Any]] | None) -> dict[str, Any]:
    """Read what `_packed` wrote."""
    return {vm_id: number for number, ids in given or () for vm_id in unpacked_ids(ids)}


def _packed_times(times: Mapping[Connector, float]) -> list[list[Any]]:
    """Pack connector -> time."""
    return [[str(connector), since] for connector, since in times.items()]


def _unpacked_times(given: Iterable[Sequence[Any]] | None) -> dict[Connector, float]:
    """Read what `_packed_times` wrote."""
    return {Connector.parse(connector): since for connector, since in given or ()}


def _packed_missed(missed: Mapping[Connector, Mapping[str, tuple[float, int]]]) -> list[list[Any]]:
    alike: dict[tuple[Connector, float, int], set[str]] = {}
    for connector, vm_ids in missed.items():
        for vm_id, (since, looks) in vm_ids.items():
            alike.setdefault((connector, since, looks), set()).add(vm_id)
    return [
        [str(connector), since, looks, packed_ids(frozenset(vm_ids))]
        for (connector, since, looks), vm_ids in alike.items()
    ]


def _unpacked_missed(given: Iterable[Sequence[Any]]) -> dict[Connector, dict[str, tuple[float, int]]]:
    missed: dict[Connector, dict[str, tuple[float, int]]] = {}
    for connector, since, looks, ids in given:
        missed.setdefault(Connector.parse(connector), {}).update(dict.fromkeys(unpacked_ids(ids), (since, looks)))
    return missed
