"""Looks that cost one page for as long as something is still CREATING."""

from collections.abc import Iterable
from typing import Protocol

from ..aws.calls import NotFound, TokenRefused
from ..clock import Clock
from ..errors import Failure
from ..pace import Pace
from ..values import Connector, VmIds
from .missing import not_found
from .rows import Row, Rows, merged


class Pages(Protocol):
    """Reads single pages of the list."""

    def page(self, connector: Connector, token: str | None, until: float) -> tuple[list[Row], str | None]:
        """Return one page of rows and the token of the next."""
        ...


class Watch:
    """Looks that cost one page for as long as something on it is still CREATING.

    A page that shows an outstanding VM as CREATING says what there is to know: not yet. The next look begins there.
    Bad news (failed, not listed) counts only after a look at all pages, since a VM may have several rows. A list of one
    page is such a look each time.
    """

    def __init__(
        self, pages: Pages, connector: Connector, clock: Clock, pace: Pace, last_page: str | None, place: str = ""
    ) -> None:
        self._pages = pages
        self._place = place
        self._connector = connector
        self._clock = clock
        self._token = last_page
        self._anew_every = pace.look_anew
        self._anew_most = pace.look_anew_most
        self._looks_anew = pace.looks_anew
        self._most_pages = pace.most_pages
        self._anew_at = clock.now() + pace.look_anew

    def look(self, outstanding: VmIds, until: float) -> tuple[Rows, bool]:
        """Return rows of outstanding VMs, and whether all pages were read.

        Raises:
            Failure: the list has no end, or was not read until `until` (epoch seconds); there is no such connector.
            AwsError, HandOver: as `Listing.page` does.
        """
        if (now := self._clock.now()) >= self._anew_at:
            # What a page token leads to might be the list as it was when the token was made.
            self._anew_every = min(self._anew_every * 1.5, self._anew_most)
            self._anew_at = now + self._anew_every
            self._token = None
        for _ in range(self._looks_anew + 1):
            try:
                return self._look(outstanding, until)
            except TokenRefused:
                # The token has aged; begin anew.
                self._token = None
            except NotFound as error:
                raise not_found(error, self._connector, self._place) from error
        raise Failure(f"EVS takes no page token of its list of entitlements at {self._connector}")

    def _look(self, outstanding: VmIds, until: float) -> tuple[Rows, bool]:
        start = token = self._token
        seen: Rows = {}
        tokens: set[str] = set()
        while True:
            page, following = self._pages.page(self._connector, token, until)
            rows = [row for row in page if row.vm_id in outstanding]
            merged(rows, seen)
            is_whole = token is None and following is None
            if any(row.is_creating for row in rows) and not is_whole:
                self._token = token
                return _held(seen.values()), False
            if following is None:
                break
            if following in tokens or len(tokens) >= self._most_pages:
                raise Failure(f"EVS's list of entitlements at {self._connector} has no end")
            if self._clock.now() >= until:
                raise Failure(f"time is up: only {len(tokens) + 1:,} pages of EVS's list of entitlements were read")
            tokens.add(following)
            token = following
        self._token = None
        if start is None:
            return seen, True
        good = _held(seen.values())
        if outstanding - good.keys():
            more, complete = self._look(outstanding - good.keys(), until)
            return {**more, **good}, complete
        return good, False


def _held(rows: Iterable[Row]) -> Rows:
    return {row.vm_id: row for row in rows if row.is_held}
