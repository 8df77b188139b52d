"""The policy: entitlements.toml, which says in people's words which VMs are to be entitled.

Owns its form and every error in it, each with the line and the table that it is about. Never looks at a VM. pydantic
checks it, for it names all errors at once and where each is; see docs/decisions/command.md.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from evs_fleet.errors import PolicyError

#: The keys of an include or exclude that say which VMs it is about.
FILTERS = ("folder", "name", "tag", "cluster", "guest", "attribute", "uuid", "id")
_HEADER = re.compile(r"\s*(\[\[?)\s*([A-Za-z0-9_-]+)\s*\]\]?\s*(?:#.*)?")
_KEY = re.compile(r"""\s*["']?([A-Za-z0-9_-]+)["']?\s*(?:=|\.)""")
_LINE_OF_TOML = re.compile(r"at line (\d+)")

_Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
_Glob = Annotated[str, StringConstraints(min_length=1)]
_Tag = Annotated[str, StringConstraints(pattern=r"^[^:]+:.+$|^\*+$")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Vcenter(_Table):
    """Where the vCenter is. The password is never here."""

    host: _Word
    port: Annotated[int, Field(ge=1, le=65535)] = 443
    #: PEM file of the authorities to trust, relative to the policy; None: those of the operating system.
    ca_file: _Word | None = None


class Filter(_Table):
    """What a VM must match: every key that is given."""

    folder: _Glob | None = None
    name: _Glob | None = None
    tag: _Tag | None = None
    cluster: _Glob | None = None
    guest: _Glob | None = None
    attribute: dict[str, str] | None = Field(default=None, min_length=1)
    uuid: _Glob | None = None
    id: _Glob | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Filter:
        if not self.given:
            raise ValueError(f"needs at least one of {', '.join(FILTERS)}")
        return self

    @property
    def given(self) -> dict[str, Any]:
        """The keys that are given, with their values."""
        return {key: value for key in FILTERS if (value := getattr(self, key)) is not None}

    def __str__(self) -> str:
        """Say it in one line, as TOML would."""
        return ", ".join(f"{key} = {_toml(value)}" for key, value in self.given.items())


class Include(Filter):
    """VMs that are to be entitled."""


class Exclude(Filter):
    """VMs that are not, whatever includes them, and the reason."""

    reason: _Word


class Policy(_Table):
    """A checked policy.

    Attributes:
        environment: EVS environment id.
        connector: connector id; None: the environment's connector of type VCENTER.
        vcenter: where the VMs are; None where only exports are read.
        include: one or more.
        exclude: none or more.
        path: the file.
        lines: place such as ("include", 0) or ("include", 0, "folder") -> line.
    """

    environment: Annotated[str, StringConstraints(pattern=r"^env-[a-zA-Z0-9]{10}$")]
    connector: Annotated[str, StringConstraints(pattern=r"^cnctr-[a-zA-Z0-9]{10}$")] | None = None
    vcenter: Vcenter | None = None
    include: list[Include] = Field(min_length=1)
    exclude: list[Exclude] = []
    path: Path = Field(default=Path(), exclude=True)
    lines: dict[tuple[str | int, ...], int] = Field(default_factory=dict, exclude=True)

    def uses(self, key: str) -> bool:
        """Tell whether an include or exclude has this key."""
        return any(key in one.given for one in [*self.include, *self.exclude])

    def place(self, kind: str, index: int) -> str:
        """Say where an include or exclude stands: file, line, table and its number."""
        return _place(self.path, self.lines, (kind, index))


def load(path: Path) -> Policy:
    """Read and check a policy.

    Raises:
        PolicyError: it is missing, can't be read, or is wrong; the text names file, line and table of each error.
    """
    return parse(_read(path), path)


def parse(text: str, path: Path) -> Policy:
    """Check the text of a policy; `path` is what errors call it. Raises PolicyError as `load`."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = _LINE_OF_TOML.search(str(error))
        # What is not closed is known at the end.
        at = line.group(1) if line else len(text.splitlines())
        raise PolicyError(f"{path}:{at}: not TOML: {error}") from error
    lines = dict(_lines(text))
    # Not the user's to give: they would be taken for keys.
    if extra := [key for key in ("path", "lines") if key in document]:
        raise PolicyError(f"{_place(path, lines, (extra[0],))}: unknown key")
    try:
        return Policy.model_validate({**document, "path": path, "lines": lines})
    except ValidationError as error:
        problems = [_problem(path, lines, detail) for detail in error.errors()]
        raise PolicyError("; ".join(dict.fromkeys(problems))) from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise PolicyError(f"{path}: no such file; `evs-entitlements init` writes one") from error
    except OSError as error:
        raise PolicyError(f"{path}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise PolicyError(f"{path}: not UTF-8 text") from error


def _problem(path: Path, lines: dict[tuple[str | int, ...], int], detail: Any) -> str:
    location = tuple(detail["loc"])
    kind, got = detail["type"], detail["input"]
    place = _place(path, lines, location)
    if kind == "extra_forbidden":
        known = _known_keys(location)
        return f"{place}: unknown key, expected {', '.join(known)}"
    if kind == "missing":
        return f"{place} is missing"
    if kind == "value_error":
        return f"{place}: {detail['ctx']['error']}"
    expected = _EXPECTED.get(str(location[-1]), detail["msg"][0].lower() + detail["msg"][1:])
    if location == ("include",) and kind == "too_short":
        return f"{place}: needs one [[include]] or more"
    return f"{place}: got {_shown(got)}, expected {expected}"


#: Key -> what is due, where pydantic's own words would be a regular expression.
_EXPECTED = {
    "environment": "env- and 10 letters or digits",
    "connector": "cnctr- and 10 letters or digits",
    "tag": "category:tag",
    "reason": "a reason in words",
    "port": "a number from 1 to 65535",
}


def _known_keys(location: tuple[str | int, ...]) -> list[str]:
    tables: dict[str, type[_Table]] = {"include": Include, "exclude": Exclude, "vcenter": Vcenter}
    model = tables.get(str(location[0]), Policy) if len(location) > 1 else Policy
    return [name for name in model.model_fields if name not in ("path", "lines")]


def _place(path: Path, lines: dict[tuple[str | int, ...], int], location: tuple[str | int, ...]) -> str:
    """Say where something stands: `file:line: [[include]] 2: folder`."""
    line = next((lines[location[:n]] for n in range(len(location), 0, -1) if location[:n] in lines), None)
    at = f"{path}:{line}" if line else str(path)
    words = [str(part) for part in location]
    if len(location) > 1 and isinstance(location[1], int):
        words[:2] = [f"[[{location[0]}]] {location[1] + 1}"]
    elif len(location) > 1:
        words[0] = f"[{location[0]}]"
    return f"{at}: {': '.join(words)}" if words else at


def _lines(text: str) -> Iterator[tuple[tuple[str | int, ...], int]]:
    """Find the line of each table and key; tomllib does not say it."""
    table: tuple[str | int, ...] = ()
    counts: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.fullmatch(line):
            name = header.group(2)
            table = (name,)
            if header.group(1) == "[[":
                table = (name, counts.get(name, 0))
                counts[name] = counts.get(name, 0) + 1
            yield table, number
        elif key := _KEY.match(line):
            yield (*table, key.group(1)), number


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + "}"
    return f'"{value}"'


def _shown(value: Any, limit: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= limit else text[:limit] + "..."
