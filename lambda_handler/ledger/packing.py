"""The stored form of the ledger: State <-> bytes and strings. Pure. A contract: `FORM` says how it is read.

The item of a stack has these attributes:

- ``Id`` (S): the stack's ARN. ``Version`` (N): counts writes.
- ``Claims`` (N): `State.claims`.
- ``Body`` (B): a deflated JSON document: form, requests, sets, holdings, ids of dropped sets.
- ``Calls`` (M): id of a call -> a JSON document. They change often, so that they stand apart from the body.

VM ids are packed: sorted, as differences. So several sets of 10,000 VMs stay far below the 400 KB of a DynamoDB item.
"""

import json
import zlib
from collections.abc import Mapping
from typing import Any

from ..errors import LedgerFailure
from ..values import NO_VMS, Connector
from .records import Adoption, Call, DeclaredSet, Holding, RequestRecord
from .state import State
from .vm_ids import packed_ids, unpacked_ids

#: The form that is written here.
FORM = 1
#: What has to be known to read it: a version that adds fields which others may leave alone keeps this number.
READABLE_BY = 1

#: Attributes of the item.
ATTRIBUTES = frozenset({"Id", "Version", "Claims", "Body", "Calls"})


# --- the body --------------------------------------------------------------------------------------------------------


def packed_body(state: State) -> bytes:
    """Write all of the ledger but its calls."""
    document = {
        **state.extra,
        "form": FORM,
        "readableBy": READABLE_BY,
        "sequence": state.sequence,
        "requests": {key: _packed_request(record) for key, record in state.requests.items()},
        "sets": {physical_id: _packed_set(declared) for physical_id, declared in state.sets.items()},
        "holdings": {str(connector): _packed_holding(held) for connector, held in state.holdings.items()},
        "dropped": list(state.dropped),
    }
    return zlib.compress(json.dumps(document, separators=(",", ":")).encode())


_BODY_FIELDS = frozenset({"form", "readableBy", "sequence", "requests", "sets", "holdings", "dropped"})


def _packed_request(record: RequestRecord) -> dict[str, Any]:
    return {
        "type": record.type,
        "requestId": record.request_id,
        "logicalId": record.logical_id,
        "physicalId": record.physical_id,
        "issued": record.issued,
        "sequence": record.sequence,
        "answerBy": record.answer_by,
        "arrived": record.arrived,
        "invocation": record.invocation,
        "before": list(record.before),
        "failing": record.failing,
        "answer": record.answer,
        "found": record.found,
        "handOversFailed": record.hand_overs_failed,
        "isBack": record.is_back,
        "isTied": record.is_tied,
        **({"foundAt": record.found_at} if record.found_at else {}),
    }


def _packed_set(declared: DeclaredSet) -> dict[str, Any]:
    document = {
        "logicalId": declared.logical_id,
        "connector": str(declared.connector),
        "vmIds": packed_ids(declared.vm_ids),
        "requestId": declared.request_id,
        "sequence": declared.sequence,
        "declaredAt": declared.declared_at,
        "live": declared.live,
        "kept": declared.kept,
        "retained": declared.retained,
    }
    if declared.retains:
        document["retains"] = True
    return document


def _packed_holding(holding: Holding) -> dict[str, Any]:
    adoptions: dict[Adoption, set[str]] = {}
    for vm_id, adoption in holding.adopted.items():
        adoptions.setdefault(adoption, set()).add(vm_id)
    return {
        "owned": packed_ids(holding.owned),
        "adopted": [
            {"requestId": adoption.request_id, "at": adoption.at, "vmIds": packed_ids(frozenset(vm_ids))}
            for adoption, vm_ids in adoptions.items()
        ],
    }


# --- calls -----------------------------------------------------------------------------------------------------------


def packed_call(call: Call) -> str:
    """Write one call."""
    document = {
        "operation": call.operation,
        "connector": str(call.connector),
        "vmIds": packed_ids(call.vm_ids),
        "leftAt": call.left_at,
        "landsBy": call.lands_by,
        "until": call.until,
        "invocation": call.invocation,
    }
    if call.taken:
        document["taken"] = True
    if call.renewed:
        document["renewed"] = packed_ids(call.renewed)
    return json.dumps(document, separators=(",", ":"))


def _unpacked_call(text: str) -> Call:
    call = json.loads(text)
    return Call(
        operation=call["operation"],
        connector=Connector.parse(call["connector"]),
        vm_ids=unpacked_ids(call["vmIds"]),
        left_at=call["leftAt"],
        lands_by=call["landsBy"],
        until=call["until"],
        invocation=call["invocation"],
        taken=call.get("taken", False),
        renewed=unpacked_ids(call["renewed"]) if "renewed" in call else NO_VMS,
    )


# --- reading ---------------------------------------------------------------------------------------------------------


def read_item(item: Mapping[str, Any]) -> State:
    """Read the ledger from its item in DynamoDB.

    Raises:
        LedgerFailure: a version that this one can't follow wrote it, or it is damaged.
    """
    try:
        body, claims = item["Body"]["B"], int(item.get("Claims", {"N": "0"})["N"])
        calls = {call_id: text["S"] for call_id, text in item.get("Calls", {"M": {}})["M"].items()}
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise LedgerFailure(_damaged(error)) from error
    return unpacked(body, calls, claims)


def unpacked(body: bytes, calls: Mapping[str, str], claims: int) -> State:
    """Read the ledger.

    Fields of the document that this version does not know are kept and written back: a neighbouring version, deployed
    and rolled back, has added them. Those within a request, a set or a holding are left out.

    Raises:
        LedgerFailure: a version that this one can't follow wrote it, or it is damaged.
    """
    try:
        document = json.loads(zlib.decompress(body))
        needed = document["readableBy"]
    except (zlib.error, ValueError, TypeError, KeyError) as error:
        raise LedgerFailure(_damaged(error)) from error
    if needed > FORM:
        raise LedgerFailure(
            f"a newer version of evs-entitlements wrote it, in form {document.get('form')}; this version reads form "
            f"{FORM}. Deploy that version of the construct, or a newer one, again"
        )
    try:
        return State(
            sequence=document["sequence"],
            claims=claims,
            requests={key: _unpacked_request(record) for key, record in document["requests"].items()},
            sets={physical_id: _unpacked_set(declared) for physical_id, declared in document["sets"].items()},
            holdings={
                Connector.parse(connector): _unpacked_holding(held) for connector, held in document["holdings"].items()
            },
            calls={call_id: _unpacked_call(text) for call_id, text in calls.items()},
            dropped=tuple(document["dropped"]),
            extra={name: value for name, value in document.items() if name not in _BODY_FIELDS},
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise LedgerFailure(_damaged(error)) from error


def _damaged(error: Exception) -> str:
    return (
        f"what it holds can't be read ({type(error).__name__}: {error}). Something other than this function has "
        'changed it. Nothing was changed in EVS. See docs/operations.md, "A damaged ledger"'
    )


def _unpacked_request(record: Mapping[str, Any]) -> RequestRecord:
    return RequestRecord(
        type=record["type"],
        request_id=record["requestId"],
        logical_id=record["logicalId"],
        physical_id=record["physicalId"],
        issued=record["issued"],
        sequence=record["sequence"],
        answer_by=record["answerBy"],
        arrived=record["arrived"],
        invocation=record["invocation"],
        before=tuple(record["before"]),
        failing=record["failing"],
        answer=record["answer"],
        found=record["found"],
        hand_overs_failed=record.get("handOversFailed", 0),
        is_back=record.get("isBack", False),
        is_tied=record.get("isTied", False),
        found_at=record.get("foundAt", 0.0),
    )


def _unpacked_set(declared: Mapping[str, Any]) -> DeclaredSet:
    return DeclaredSet(
        logical_id=declared["logicalId"],
        connector=Connector.parse(declared["connector"]),
        vm_ids=unpacked_ids(declared["vmIds"]),
        request_id=declared["requestId"],
        sequence=declared["sequence"],
        declared_at=declared["declaredAt"],
        live=declared["live"],
        kept=declared["kept"],
        retained=declared.get("retained", False),
        retains=declared.get("retains", False),
    )


def _unpacked_holding(held: Mapping[str, Any]) -> Holding:
    return Holding(
        owned=unpacked_ids(held["owned"]),
        adopted={
            vm_id: Adoption(adopted["requestId"], adopted["at"])
            for adopted in held["adopted"]
            for vm_id in unpacked_ids(adopted["vmIds"])
        },
    )
