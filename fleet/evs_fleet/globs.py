"""Globs over the names and folders of VMs.

Owns what a glob means: `*` is anything within a folder, `**` crosses folders, `?` one character, `[ab]` one of several.
Case never counts, as it does not in vSphere's own search.
"""

import re
import warnings
from functools import lru_cache

SEPARATOR = "/"


def matches(glob: str, value: str) -> bool:
    """Tell whether a glob matches a whole value without folders, such as a name or a tag; `*` is then anything."""
    return _compile(glob, folders=False).fullmatch(value) is not None


def matches_folder(glob: str, folder: str) -> bool:
    """Tell whether a glob matches a folder's path as a whole; `/a/**` is the folder /a and all below it."""
    return _compile(glob.rstrip(SEPARATOR), folders=True).fullmatch(folder.rstrip(SEPARATOR)) is not None


@lru_cache(maxsize=1024)
def _compile(glob: str, *, folders: bool) -> re.Pattern[str]:
    pattern, rest = "", glob
    while rest:
        taken, part = _next(rest, folders=folders)
        pattern += part
        rest = rest[taken:]
    return _regular(pattern)


def _regular(pattern: str) -> re.Pattern[str]:
    with warnings.catch_warnings():
        # Of a later Python that may read `--` in a set in another way. Then `[+--]` has to be written otherwise.
        warnings.simplefilter("ignore", FutureWarning)
        return re.compile(pattern, re.IGNORECASE | re.DOTALL)


def _next(rest: str, *, folders: bool) -> tuple[int, str]:
    """Return how many characters of a glob the next part takes, and its regular expression."""
    if folders and rest == "/**":
        return 3, "(?:/.*)?"
    if folders and rest.startswith("/**/"):
        # The slash that follows is left for what comes next.
        return 3, "(?:/.*)?"
    if rest.startswith("**"):
        return 2, ".*"
    if rest[0] == "*":
        return 1, "[^/]*" if folders else ".*"
    if rest[0] == "?":
        return 1, "[^/]" if folders else "."
    if rest[0] == "[" and (end := rest.find("]", 3 if rest.startswith("[!") else 2)) > 0:
        negated = rest.startswith("[!")
        inner = re.sub(r"([\\\[\]^&~|])", r"\\\1", rest[2 if negated else 1 : end])
        if _is_set(inner):
            return end + 1, f"[{'^' if negated else ''}{inner}]"
    return 1, re.escape(rest[0])


def _is_set(inner: str) -> bool:
    # `[z-a]` is a range of nothing: taken as it stands.
    try:
        _regular(f"[{inner}]")
    except re.error:
        return False
    return True


def escape(value: str) -> str:
    """Return the glob that matches this value alone."""
    return re.sub(r"[*?\[]", r"[\g<0>]", value)
