"""The first part of a run: questions that EVS refuses, and what it says then. Nothing is created or deleted.

Calls that would change something name an environment that does not exist.
"""

from __future__ import annotations

import random
import statistics
import string
from typing import Any

from acceptance.context import Context
from acceptance.evs_calls import TYPE, Answer

_CHECKS = {"VCENTER_REACHABILITY", "VCENTER_VM_SYNC", "VCENTER_VM_EVENT"}
_DENIED = frozenset({"AccessDeniedException", "UnrecognizedClientException"})
#: Seconds that clocks may be apart; the Date header has whole seconds.
_CLOCKS = 2.0


class Questions:
    """The questions of one run."""

    def __init__(self, context: Context) -> None:
        self._context, self._findings = context, context.findings
        self._refusals: list[Answer] = []

    def run(self) -> None:
        """Ask them all."""
        self._context.say("asking what EVS refuses; nothing is changed by that")
        self._list()
        self._connectors()
        self._refused_questions()
        self._error_form()
        self._clock()

    def _list(self) -> None:
        answer = self._ask_list()
        if not answer.is_taken:
            self._findings.not_seen("list-answer", answer.words)
            return
        token = _kind(answer)
        members = ", ".join(answer.body)
        as_assumed = (
            set(answer.body) <= {"entitlements", "nextToken"}
            and "entitlements" in answer.body
            and (token in ("absent", "given"))
        )
        self._findings.saw("list-answer", as_assumed, f"members {members}; nextToken {token}")
        self._findings.measure("entitlements listed at the connector before the run", str(len(answer.rows)))

    def _connectors(self) -> None:
        context, place = self._context, self._context.place
        answer = context.note(context.evs.ask("ListEnvironmentConnectors", environmentId=place.environment))
        found = [one for one in answer.body.get("connectors") or () if one.get("connectorId") == place.connector]
        if not found:
            self._findings.not_seen("connector-checks", answer.words if not answer.is_taken else "it is not listed")
            return
        (one,) = found[:1]
        checks = {str(check.get("type")): str(check.get("result")) for check in one.get("checks") or ()}
        as_assumed = (one.get("type"), one.get("state"), set(checks)) == ("VCENTER", "ACTIVE", _CHECKS)
        listed = ", ".join(f"{name} {result}" for name, result in sorted(checks.items()))
        self._findings.saw("connector-checks", as_assumed, f"{one.get('type')}, {one.get('state')}; {listed}")

    def _refused_questions(self) -> None:
        place = self._context.place
        nowhere, nothing = f"env-{_letters()}", f"cnctr-{_letters()}"
        self._refused(
            "unknown-environment",
            self._ask_list(environmentId=nowhere),
            code="ResourceNotFoundException",
            resourceId=nowhere,
        )
        self._refused(
            "unknown-connector",
            self._ask_list(connectorId=nothing),
            code="ResourceNotFoundException",
            resourceId=nothing,
        )
        if place.other_type:
            self._refused("wrong-connector-type", self._ask_list(connectorId=place.other_type))
        else:
            self._findings.not_seen("wrong-connector-type", "the environment has no connector of another type")
        valid = "fieldValidationFailed"
        self._refused("malformed-id", self._ask_list(environmentId="env-1"), reason=valid, field="environmentId")
        self._refused(
            "unknown-entitlement-type", self._ask_list(entitlementType="LINUX"), reason=valid, field="entitlementType"
        )
        self._refused("too-many-results", self._ask_list(maxResults=101))
        self._refused("wrong-page-token", self._ask_list(nextToken="nobody-gave-this-out"))
        many = [f"vm-{number}" for number in range(999_990_000, 999_990_101)]
        for name, vm_ids in (("too-many-ids", many), ("no-ids", [])):
            answer = self._context.evs.ask(
                "CreateEntitlement", environmentId=nowhere, connectorId=nothing, entitlementType=TYPE, vmIds=vm_ids
            )
            self._refused(name, self._context.note(answer))

    def _refused(self, name: str, answer: Answer, *, code: str = "ValidationException", **members: str) -> None:
        """Hold a refusal against what is assumed of it."""
        if answer.code in _DENIED or not answer.status or answer.status >= 500:
            self._findings.not_seen(name, answer.words)
            return
        if not answer.is_taken:
            self._refusals.append(answer)
        got: dict[str, Any] = {"code": answer.code, "HTTP": answer.status}
        due: dict[str, Any] = {"code": code, "HTTP": 400}
        for member, value in members.items():
            due[member] = value
            got[member] = _field(answer, value) if member == "field" else answer.body.get(member)
        others = [f"{key} {got[key]!r} instead of {due[key]!r}" for key in due if got[key] != due[key]]
        self._findings.saw(name, not others, "; ".join([answer.words, *others]))

    def _error_form(self) -> None:
        for answer in self._refusals:
            kind = str(answer.body.get("__type", ""))
            as_assumed = (
                kind.rpartition("#")[2] == answer.code
                and "#" in kind
                and bool(answer.header)
                and "message" in answer.body
            )
            members = ", ".join(sorted(answer.body))
            self._findings.saw(
                "error-form",
                as_assumed,
                f"__type {kind or 'absent'}, x-amzn-ErrorType {answer.header or 'absent'}, members {members}",
            )

    def _clock(self) -> None:
        skews = self._context.looks.skews
        if not skews:
            self._findings.not_seen("clock", "no answer has a Date header")
            return
        middle = statistics.median(skews)
        self._findings.saw("clock", abs(middle) <= _CLOCKS, f"EVS is {middle:+.1f} s ahead, to the half second")

    def _ask_list(self, **changed: Any) -> Answer:
        place = self._context.place
        members = {
            "environmentId": place.environment,
            "connectorId": place.connector,
            "entitlementType": TYPE,
            **changed,
        }
        return self._context.note(self._context.evs.ask("ListVmEntitlements", **members))


def _field(answer: Answer, wanted: str) -> str:
    names = [str(entry.get("name")) for entry in answer.body.get("fieldList") or () if isinstance(entry, dict)]
    return wanted if wanted in names else ", ".join(names) or "none"


def _kind(answer: Answer) -> str:
    """Say how the token of the next page came."""
    if "nextToken" not in answer.body:
        return "absent"
    value = answer.body["nextToken"]
    return "null" if value is None else "given" if value else "empty"


def _letters() -> str:
    return "".join(random.choice(string.ascii_lowercase + string.digits) for _ in range(10))  # noqa: S311  an id that nobody has, no secret
