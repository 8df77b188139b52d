"""ListVmEntitlements: pages that may shift while they are read, tokens that age, rows that show late.

Owns page tokens. A token stands for a row (`key`), for a number of rows (`offset`), or for the list as it was.
"""

from itertools import islice
from typing import Any

from .clock import Clock
from .errors import Refusal
from .evs import Evs
from .rows import Where


class Listing:
    """The list of one history's EVS."""

    def __init__(self, clock: Clock, evs: Evs) -> None:
        self._clock = clock
        self._evs = evs
        self._snapshots: list[list[tuple[int, dict[str, Any]]]] = []

    def page(self, where: Where, token: str | None, most: int) -> dict[str, Any]:
        """Return one page in botocore's form."""
        self._evs.check_place(where)
        weather, now = self._evs.weather, self._clock.now
        size = min(most, weather.page_size)
        start, rows = 0, None
        if token is not None:
            kind, made_at, value = token.split("/")
            if now - float(made_at) > weather.token_lasts:
                raise Refusal("ValidationException", "The nextToken has expired", reason="other")
            if kind == "snapshot":
                number, _, offset = value.partition("+")
                rows, start = self._snapshots[int(number)], int(offset)
            elif kind == "offset":
                rows, start = self._rows(where), int(value)
            else:
                rows = self._rows(where, int(value), size + 1)
        else:
            rows = self._rows(where)
        answer: dict[str, Any] = {"entitlements": [row for _, row in rows[start : start + size]]}
        if start + size < len(rows):
            answer["nextToken"] = f"{weather.paging}/{now}/{self._value(rows, start, size, token)}"
        return answer

    def connectors(self, environment_id: str) -> dict[str, Any]:
        """Return the connectors of an environment in botocore's form."""
        evs = self._evs
        there = sorted(connector for environment, connector in evs.places if environment == environment_id)
        if not there:
            evs.check_place((environment_id, ""))
        rows = [{"environmentId": environment_id, "connectorId": one, **evs.connector(one)} for one in there]
        return {"connectors": rows}

    def _is_past(self, number: int, after: int) -> bool:
        return number < after if self._evs.weather.newest_first else number > after

    def _value(self, rows: list[tuple[int, dict[str, Any]]], start: int, size: int, token: str | None) -> str:
        paging = self._evs.weather.paging
        if paging == "offset":
            return str(start + size)
        if paging == "key":
            return str(rows[start + size - 1][0])
        if token is not None:
            return f"{token.split('/')[2].partition('+')[0]}+{start + size}"
        self._snapshots.append(rows)
        return f"{len(self._snapshots) - 1}+{start + size}"

    def _rows(
        self, where: Where, after: int | None = None, most: int | None = None
    ) -> list[tuple[int, dict[str, Any]]]:
        """Return what is shown now: of all rows, or of those past a number the first ones."""
        now = self._clock.now
        kept = [row for row in self._evs.rows.get(where, ()) if not row.is_history(now)]
        self._evs.rows[where] = kept
        ordered = reversed(kept) if self._evs.weather.newest_first else iter(kept)
        shown = (
            (row.number, row.answer(look))
            for row in ordered
            if (after is None or self._is_past(row.number, after)) and (look := row.seen(now)) is not None
        )
        return list(islice(shown, most))
