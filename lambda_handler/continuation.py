"""What one invocation of a request tells the next: a frozen value <-> the event. Pure.

Lambda hands the event to the fresh invocation, which can learn ResponseURL nowhere else. The ledger holds all that
other requests have to know. The continuation holds only what this request would otherwise have to learn again.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .evs.listing import NotFoundSince, PartialLook
from .evs.rows import Row, Rows, Status
from .ledger.vm_ids import packed_ids, unpacked_ids
from .values import Connector

#: Where it stands in the event.
KEY = "Continuation"
#: Most bytes of an asynchronous event. Lambda takes 1 MB of late; what CloudFormation hands over is not documented.
EVENT_BYTES = 262_144


@dataclass(frozen=True)
class Continuation:
    """How far a request has come.

    Attributes:
        number: of the invocation, the first one is 1.
        began: when the request first arrived, in epoch seconds.
        answer_by: when its answer has to be under way, in epoch seconds.
        resume_at: epoch seconds before which this invocation asks EVS nothing, or None.
        trouble_since: kind of call -> since when it fails, in epoch seconds.
        failed: VM id -> cause, of those that could not be entitled.
        called_for_all: every VM was called for, so long ago that the list shows what became of the calls.
        refused_since: VM id -> since when its deletion is refused, in epoch seconds.
        list_refused_since: since when EVS refuses to list, in epoch seconds.
        not_found: at which connector EVS says that it or its environment does not exist, and since when.
        look: a look that could not be finished.
        connector_asked, connector_wrong: EVS was asked what is wrong with the connector, and what it has said.
        missed: connector -> VMs to be removed that the last looks did not show: since when, in epoch seconds, and how
            many looks.
        missed_claims: how many creations the ledger had counted at these looks; a later one makes them void.
        sent: when Lambda was first given this event, in epoch seconds, or None where that is not known.
    """

    number: int
    began: float
    answer_by: float
    resume_at: float | None = None
    trouble_since: Mapping[str, float] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)
    called_for_all: bool = False
    refused_since: Mapping[str, float] = field(default_factory=dict)
    list_refused_since: float | None = None
    not_found: NotFoundSince | None = None
    look: PartialLook | None = None
    connector_asked: bool = False
    connector_wrong: str = ""
    missed: Mapping[Connector, Mapping[str, tuple[float, int]]] = field(default_factory=dict)
    missed_claims: int = 0
    sent: float | None = None

    @classmethod
    def of(
        cls, event: Mapping[str, Any], arrived: float, answer_by: float, issued: float | None = None
    ) -> "Continuation":
        """Read an event. An event of CloudFormation's own holds no continuation: it begins the request.

        Args:
            arrived: the present, in epoch seconds.
            answer_by: when the answer has to be under way, in epoch seconds.
            issued: when CloudFormation issued the request, in epoch seconds, where it says so.
        """
        given = event.get(KEY) or {}
        return cls(
            number=given.get("Number", 1),
            began=given.get("Began", arrived),
            answer_by=given.get("AnswerBy", answer_by),
            resume_at=given.get("ResumeAt"),
            sent=given.get("Sent") if given else issued,
            trouble_since=given.get("TroubleSince") or {},
            failed=_unpacked_causes(given.get("Failed") or {}),
            called_for_all=given.get("CalledForAll", False),
            refused_since={
                vm_id: since for since, ids in given.get("RefusedSince") or () for vm_id in unpacked_ids(ids)
            },
            list_refused_since=given.get("ListRefusedSince"),
            not_found=_unpacked_not_found(given.get("NotFound")),
            look=_unpacked_look(given.get("Look")),
            connector_asked=given.get("ConnectorAsked", False),
            connector_wrong=given.get("ConnectorWrong", ""),
            missed=_unpacked_missed(given.get("Missed") or ()),
            missed_claims=given.get("MissedClaims", 0),
        )

    def payload(self, event: Mapping[str, Any]) -> bytes:
        """Return the event with which the fresh invocation goes on.

        A look that would make the event too large for Lambda is left out. The fresh invocation then looks anew.
        """
        rest = {name: value for name, value in event.items() if name not in (KEY, "OldResourceProperties")}
        packed: dict[str, Any] = {
            "Number": self.number,
            "Began": self.began,
            "AnswerBy": self.answer_by,
            "ResumeAt": self.resume_at,
            "Sent": self.sent,
            "TroubleSince": dict(self.trouble_since),
            "Failed": _packed_causes(self.failed),
            "CalledForAll": self.called_for_all,
            "RefusedSince": _packed_times(self.refused_since),
            "ListRefusedSince": self.list_refused_since,
            "NotFound": [str(self.not_found.connector), self.not_found.since] if self.not_found else None,
            "Look": _packed_look(self.look),
            "ConnectorAsked": self.connector_asked,
            "ConnectorWrong": self.connector_wrong,
            "Missed": _packed_missed(self.missed),
            "MissedClaims": self.missed_claims,
        }
        payload = json.dumps({**rest, KEY: packed}, separators=(",", ":")).encode()
        if len(payload) > EVENT_BYTES and self.look is not None:
            payload = json.dumps({**rest, KEY: {**packed, "Look": None}}, separators=(",", ":")).encode()
        return payload


def _packed_causes(failed: Mapping[str, str]) -> dict[str, list[str]]:
    """Pack failed VMs: code of the cause -> its first text, and the VMs."""
    by_code: dict[str, list[str]] = {}
    for vm_id, cause in failed.items():
        by_code.setdefault(cause.partition(":")[0], []).append(vm_id)
    return {code: [failed[vm_ids[0]], packed_ids(frozenset(vm_ids))] for code, vm_ids in by_code.items()}


def _unpacked_causes(failed: Mapping[str, list[str]]) -> dict[str, str]:
    """Read what `_packed_causes` wrote."""
    return {vm_id: cause for cause, ids in failed.values() for vm_id in unpacked_ids(ids)}


def _packed_times(times: Mapping[str, float]) -> list[list[Any]]:
    by_time: dict[float, set[str]] = {}
    for vm_id, moment in times.items():
        by_time.setdefault(moment, set()).add(vm_id)
    return [[moment, packed_ids(frozenset(vm_ids))] for moment, vm_ids in by_time.items()]


def _unpacked_not_found(given: tuple[str, float] | None) -> NotFoundSince | None:
    return NotFoundSince(Connector.parse(given[0]), given[1]) if given else None


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


def _packed_look(look: PartialLook | None) -> dict[str, Any] | None:
    if look is None:
        return None
    alike: dict[tuple[str, float, str], list[Row]] = {}
    for row in look.rows.values():
        alike.setdefault((row.word, round(row.started, 3), row.error_code), []).append(row)
    return {
        "Connector": str(look.connector),
        "Began": look.began,
        "Token": look.token,
        "Pages": look.pages,
        "Rows": [
            [word, started, code, rows[0].error_message, packed_ids(frozenset(row.vm_id for row in rows))]
            for (word, started, code), rows in alike.items()
        ],
    }


def _unpacked_look(given: Mapping[str, Any] | None) -> PartialLook | None:
    if given is None:
        return None
    known = {status.value: status for status in Status}
    rows: Rows = {
        vm_id: Row(vm_id, known.get(word, Status.UNKNOWN), word, started, started, code, message)
        for word, started, code, message, ids in given["Rows"]
        for vm_id in unpacked_ids(ids)
    }
    return PartialLook(Connector.parse(given["Connector"]), given["Began"], given["Token"], given["Pages"], rows)
