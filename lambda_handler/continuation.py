"""What one invocation of a request tells the next: a frozen value <-> the event. Pure.

Lambda hands the event to the fresh invocation, which can learn ResponseURL nowhere else. The ledger holds all that
other requests have to know. The continuation holds only what this request would otherwise have to learn again.
"""

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .evs.listing import NotFoundSince, PartialLook
from .evs.rows import Row, Rows, Status
from .ledger.vm_ids import packed_ids, unpacked_ids
from .steps.carried import MADE, Carried
from .values import Connector

#: Where it stands in the event.
KEY = "Continuation"
#: Most bytes of an asynchronous event. Lambda takes 1 MB of late; what CloudFormation hands over is not documented.
EVENT_BYTES = 262_144
#: Key of a look that is packed closer.
CLOSE_LOOK = "CloseLook"


@dataclass(frozen=True)
class Continuation:
    """How far a request has come.

    Attributes:
        number: of the invocation, the first one is 1.
        began: when the request first arrived, in epoch seconds.
        answer_by: when its answer has to be under way, in epoch seconds.
        resume_at: epoch seconds before which this invocation asks EVS nothing, or None.
        trouble_since: kind of call -> since when it fails, in epoch seconds.
        not_found: at which connector EVS says that it or its environment does not exist, and since when.
        look: a look that could not be finished.
        carried: what the steps have learnt so far.
        sent: when Lambda was first given this event, in epoch seconds, or None where that is not known.
    """

    number: int
    began: float
    answer_by: float
    resume_at: float | None = None
    trouble_since: Mapping[str, float] = field(default_factory=dict)
    not_found: NotFoundSince | None = None
    look: PartialLook | None = None
    carried: Carried = field(default_factory=Carried)
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
            not_found=NotFoundSince.unpacked(given.get("NotFound")),
            look=_unpacked_look(given.get("Look") or given.get(CLOSE_LOOK)),
            carried=Carried.unpacked(given),
        )

    def tried_before(self) -> "Continuation":
        """Return what this event still says where Lambda has tried it before.

        Whoever was given it then may have learnt more. So nothing counts that holds only as long as no answer says
        otherwise.
        """
        carried = replace(self.carried, missed={}, not_found=None)
        return replace(self, trouble_since={}, not_found=None, look=None, carried=carried)

    def payload(self, event: Mapping[str, Any]) -> bytes:
        """Return the event with which the fresh invocation goes on.

        A look that would make the event too large for Lambda is packed closer, which takes longer and no older version
        reads. One that is too large all the same is left out: the fresh invocation then looks anew. Where that is not
        enough, what the request has made is left out, too: the ledger knows that.
        """
        rest = {name: value for name, value in event.items() if name not in (KEY, "OldResourceProperties")}
        packed: dict[str, Any] = {
            "Number": self.number,
            "Began": self.began,
            "AnswerBy": self.answer_by,
            "ResumeAt": self.resume_at,
            "Sent": self.sent,
            "TroubleSince": dict(self.trouble_since),
            "NotFound": self.not_found.packed() if self.not_found else None,
            "Look": _packed_look(self.look, _open_rows(self.look.rows)) if self.look is not None else None,
            **self.carried.packed(),
        }
        payload = _encoded({**rest, KEY: packed})
        if len(payload) > EVENT_BYTES and self.look is not None:
            packed |= {"Look": None, CLOSE_LOOK: _packed_look(self.look, _close_rows(self.look.rows))}
            payload = _encoded({**rest, KEY: packed})
        for left_out in (CLOSE_LOOK, MADE):
            if len(payload) > EVENT_BYTES and packed.get(left_out):
                packed[left_out] = None
                payload = _encoded({**rest, KEY: packed})
        return payload


def _encoded(event: Mapping[str, Any]) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode()


def _packed_look(look: PartialLook, rows: list[list[Any]]) -> dict[str, Any]:
    return {
        "Connector": str(look.connector),
        "Began": look.began,
        "Token": look.token,
        "Pages": look.pages,
        "Anew": look.anew,
        "IsWhole": look.is_whole,
        "Rows": rows,
    }


def _open_rows(rows: Rows) -> list[list[Any]]:
    """Pack rows: those of one status that began at one time together. That is quickly done, and mostly enough."""
    alike: dict[tuple[str, float, str], list[Row]] = {}
    for row in rows.values():
        alike.setdefault((row.word, round(row.started, 3), row.error_code), []).append(row)
    return [
        [word, started, code, of_one[0].error_message, packed_ids(frozenset(row.vm_id for row in of_one))]
        for (word, started, code), of_one in alike.items()
    ]


def _close_rows(rows: Rows) -> list[list[Any]]:
    """Pack rows: those of one status together, their starts beside them in milliseconds, in the order of sorted ids."""
    alike: dict[tuple[str, str], dict[str, Row]] = {}
    for row in rows.values():
        alike.setdefault((row.word, row.error_code), {})[row.vm_id] = row
    return [
        [
            word,
            _packed_numbers([round(of_one[vm_id].started * 1000) for vm_id in sorted(of_one)]),
            code,
            next(iter(of_one.values())).error_message,
            packed_ids(frozenset(of_one)),
        ]
        for (word, code), of_one in alike.items()
    ]


def _unpacked_look(given: Mapping[str, Any] | None) -> PartialLook | None:
    """Read what `_packed_look` wrote, of either form of rows."""
    if given is None:
        return None
    known = {status.value: status for status in Status}
    rows: Rows = {}
    for word, started, code, message, ids in given["Rows"]:
        vm_ids = sorted(unpacked_ids(ids))
        starts = (
            [number / 1000 for number in _unpacked_numbers(started)]
            if isinstance(started, str)
            else [started] * len(vm_ids)
        )
        for vm_id, began in zip(vm_ids, starts, strict=True):
            rows[vm_id] = Row(vm_id, known.get(word, Status.UNKNOWN), word, began, began, code, message)
    return PartialLook(
        Connector.parse(given["Connector"]),
        given["Began"],
        given["Token"],
        given["Pages"],
        rows,
        given.get("Anew", 0),
        given.get("IsWhole", False),
    )


def _packed_numbers(numbers: list[int]) -> str:
    return b64encode(zlib.compress(json.dumps(numbers).encode())).decode()


def _unpacked_numbers(packed: str) -> list[int]:
    return [int(number) for number in json.loads(zlib.decompress(b64decode(packed)))]
