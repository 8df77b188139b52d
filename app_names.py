"""Names of context values: those that count, and those that are nearly right.

Owns that nothing which looks like one of the app's values is ignored. Knows no meaning of a value.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The names that count.
NAMES = (
    "environmentId",
    "connectorId",
    "vmIds",
    "vmIdsFile",
    "lockFile",
    "adoptExisting",
    "retain",
    "timeoutMinutes",
    "stackName",
    "monitor",
    "alarmTopicArn",
    "architecture",
    "providerOnly",
    "environmentIds",
    "stackNames",
)
#: Names that other tools, or the construct, have for the same.
_OTHER_NAMES = {
    "adopt": "adoptExisting=true",
    "removalpolicy": "retain=true",
    "deletionpolicy": "retain=true",
    "retention": "retain=true",
    "timeout": "timeoutMinutes",
    "timeoutseconds": "timeoutMinutes",
    "vm": "vmIds",
    "vms": "vmIds",
    "vmlist": "vmIds",
    "vmfile": "vmIdsFile",
    "vmsfile": "vmIdsFile",
    "lock": "lockFile",
    "stack": "stackName",
    "monitoring": "monitor=true",
    "alarms": "monitor=true",
    "topic": "alarmTopicArn",
    "topicarn": "alarmTopicArn",
    "snstopicarn": "alarmTopicArn",
}
#: Values that give away what is meant, whatever the name.
_VALUES = {
    "environmentId": re.compile(r"env-[a-zA-Z0-9]{10}"),
    "connectorId": re.compile(r"cnctr-[a-zA-Z0-9]{10}"),
    "vmIds": re.compile(r"vm-[0-9]+([\s,;]+vm-[0-9]+)*"),
}
# So like a name is a misspelt one.
_NEAR = 0.82
# These may be somebody's own; only a value that is an id gives them away.
_OWN = frozenset({"environment", "connector"})
# The CDK's own keys: those of lookups, such as `ssm:account=...`, and those of features, such as `@aws-cdk/...`.
_OF_THE_CDK = re.compile(r".*[:@/].*")


def refuse_misspelt(context: Mapping[str, object]) -> None:
    """Refuse context values that are almost the app's, by name or by value: unread, `Retain=true` would retain nothing.

    Args:
        context: all context values, those of the CDK and of other apps among them.

    Raises:
        ValueError: one is misspelt; the message names it, and the name that counts.
    """
    for name in sorted(set(context).difference(NAMES)):
        if not _OF_THE_CDK.fullmatch(name) and (meant := _meant(name, context[name])):
            raise ValueError(f"{name}: is no context value of this app; did you mean {meant}?")


def _meant(name: str, value: object) -> str | None:
    """Return the name that counts for one that does not, or None where they have nothing to do with each other."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    known = {each.lower(): each for each in NAMES}
    if plain in _OTHER_NAMES and not (plain in ("vm", "stack") and isinstance(value, (dict, list))):
        return _OTHER_NAMES[plain]
    if plain in known:
        return known[plain]
    # The name and more, such as retainEntitlements.
    if longer := [each for each in known if plain.startswith(each)]:
        return known[max(longer, key=len)]
    if plain not in _OWN and (near := get_close_matches(plain, known, n=1, cutoff=_NEAR)):
        return known[near[0]]
    texts = value if isinstance(value, list) else [value]
    for meant, pattern in _VALUES.items():
        if texts and all(isinstance(text, str) and pattern.fullmatch(text.strip()) for text in texts):
            return meant
    return None
