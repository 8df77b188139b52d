"""One look at one place: what is declared there, what EVS lists, how the connector is.

Owns that a look raises no false alarm. Only what the ledger declared before the list was read, and still declares after
that, is judged. A VM that is missing is looked for again, since pages may shift while a list is read, and rows may come
late.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

from evs_health.assessment import Assessment, Kind, assess
from evs_health.connectors import Connector as Health

from ..aws.calls import AwsError, NotFound
from ..aws.retries import Retries
from ..clock import Clock
from ..errors import Failure
from ..evs.api import Evs
from ..log import logger
from ..values import Connector
from .declared import Expected

#: What is missing is looked for so many times more, after so many seconds each.
LOOKS_MORE, LOOK_AGAIN_AFTER = 2, 5.0
#: A list of more pages than this has no end.
MOST_PAGES = 3000


@dataclass(frozen=True)
class Listed:
    """Rows of a place as the API has them, of one look or of several."""

    rows: list[dict[str, Any]]


class Looks:
    """Looks at EVS."""

    def __init__(self, evs: Evs, retries: Retries, of_connectors: Retries, clock: Clock) -> None:
        self._evs = evs
        self._retries = retries
        self._of_connectors = of_connectors
        self._clock = clock
        self._connectors: dict[str, tuple[list[Health], bool] | AwsError | Failure] = {}

    def rows(self, place: Connector, expected: Expected, until: float) -> Listed:
        """Return the rows of a place; what is missing is looked for again.

        Raises:
            AwsError, Failure: EVS can't be asked until `until` (epoch seconds), or its list has no end.
        """
        rows = self._listed(place, until)
        for _ in range(LOOKS_MORE):
            if not assess(expected.declared, rows).vm_ids(Kind.MISSING):
                break
            self._clock.pause(LOOK_AGAIN_AFTER)
            # A row that counts in either look is one: a held one goes before others.
            rows += self._listed(place, until)
        return Listed(rows)

    def _listed(self, place: Connector, until: float) -> list[dict[str, Any]]:
        try:
            return self._list(place, until)
        except NotFound as error:
            # Asked again as often as for what is missing. Where the environment is gone, all that is declared is.
            logger.warning("%s", error)
            return []

    def _list(self, place: Connector, until: float) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        token: str | None = None
        tokens: set[str] = set()
        while True:
            page, token = self._retries.through(partial(self._evs.raw_page, place, token), until)
            rows += page
            if token is None:
                return rows
            if token in tokens or len(tokens) >= MOST_PAGES:
                raise Failure(f"EVS's list of entitlements at {place} has no end: {len(tokens):,} pages read")
            tokens.add(token)

    def connector(self, place: Connector, until: float) -> tuple[Health | None, bool]:
        """Return how a connector is, None where EVS does not list it, and whether the list was whole.

        Raises:
            AwsError, Failure: EVS can't be asked until `until` (epoch seconds).
        """
        known = self._connectors.get(place.environment_id)
        if known is None:
            known = self._connectors[place.environment_id] = self._ask(place.environment_id, until)
        if isinstance(known, Exception):
            raise known
        listed, is_whole = known
        return next((one for one in listed if one.connector_id == place.connector_id), None), is_whole

    def _ask(self, environment_id: str, until: float) -> tuple[list[Health], bool] | AwsError | Failure:
        try:
            rows, is_whole = self._of_connectors.through(lambda: self._evs.connectors(environment_id), until)
        except (AwsError, Failure) as error:
            return error
        return [Health.from_row(row) for row in rows], is_whole


def judged(listed: Listed, expected: Expected) -> Assessment:
    """Compare what is listed with what is expected; what an operation is moving is left out."""
    return assess(expected.declared, (row for row in listed.rows if row.get("vmId") not in expected.moving))
