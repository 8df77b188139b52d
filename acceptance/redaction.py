"""Takes out of a report what tells whose account it is: ids, names, hosts, addresses, credentials.

Owns the placeholders: one id has the same one everywhere. What is not known to be harmless is left out.
"""

from __future__ import annotations

import functools
import re
from typing import Any

#: Members of an EVS answer whose values say nothing of whose account it is, once the ids in them are replaced.
_KEPT = frozenset(
    {
        "__type",
        "message",
        "reason",
        "fieldList",
        "name",
        "resourceId",
        "resourceType",
        "retryAfterSeconds",
        "entitlements",
        "vmId",
        "environmentId",
        "connectorId",
        "type",
        "status",
        "lastSyncedAt",
        "startedAt",
        "stoppedAt",
        "errorDetail",
        "errorCode",
        "errorMessage",
        "connectors",
        "state",
        "checks",
        "result",
        "lastCheckAttempt",
        "impairedSince",
        "createdAt",
        "modifiedAt",
        "entitlementType",
        "vmIds",
        "maxResults",
        "serviceCode",
        "quotaCode",
    }
)
_PATTERNS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("url", re.compile(r"https?://[^\s\"'<>]+")),
    ("signature", re.compile(r"(?i)x-amz-[a-z-]+=[^\s&\"']+")),
    ("arn", re.compile(r"arn:[a-z-]+:[^\s\"',;)]+")),
    ("key", re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b")),
    ("environment", re.compile(r"\benv-[a-zA-Z0-9]+\b")),
    ("connector", re.compile(r"\bcnctr-[a-zA-Z0-9]+\b")),
    ("vm", re.compile(r"\bvm-[0-9]+\b")),
    ("account", re.compile(r"(?<![0-9.])[0-9]{12}(?![0-9.])")),
    ("address", re.compile(r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b")),
)
#: An id that nobody knows beforehand gets a number, in order of appearance. These do not need one.
_UNNUMBERED = frozenset({"url", "signature", "arn", "key", "address"})
_LEFT_OUT = "<left out>"


class Redaction:
    """The placeholders of one run.

    Args:
        known: what is known beforehand, by placeholder: ``{"vm": "vm-101"}``.
    """

    def __init__(self, known: dict[str, str]) -> None:
        self._placeholders = {value: f"<{name}>" for name, value in known.items() if value}
        self._secrets: set[str] = set()
        self._numbers: dict[str, int] = {}

    def learn(self, secret: str) -> None:
        """Have a text left out wherever it appears, such as the name of a VM."""
        if len(secret) > 2:
            self._secrets.add(secret)

    def text(self, text: str) -> str:
        """Return a text without what tells whose account it is."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, _LEFT_OUT)
        for kind, pattern in _PATTERNS:
            text = pattern.sub(functools.partial(self._placeholder, kind), text)
        for value, placeholder in self._placeholders.items():
            text = text.replace(value, placeholder)
        return text

    def value(self, value: Any, name: str = "") -> Any:
        """Return a JSON value likewise; of a member that is not known only the type is said."""
        if isinstance(value, dict):
            return {self.text(str(key)): self.value(item, str(key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self.value(item, name) for item in value]
        if isinstance(value, str):
            return self.text(value) if name in _KEPT else "<string>"
        return value if name in _KEPT or isinstance(value, bool) or value is None else f"<{type(value).__name__}>"

    def _placeholder(self, kind: str, match: re.Match[str]) -> str:
        found = match[0]
        if kind in _UNNUMBERED:
            return f"<{kind}>"
        if found not in self._placeholders:
            self._numbers[kind] = self._numbers.get(kind, 0) + 1
            self._placeholders[found] = f"<other {kind} {self._numbers[kind]}>"
        return self._placeholders[found]
