"""Looks that cost one page for as long as something is still CREATING."""

from collections.abc import Iterable
from typing import Protocol

from ..aws.calls import NotFound, Refused
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
        self._anew_at = clock.now() + pace.look_anew

    def look(self, outstanding: VmIds, until: float) -> tuple[Rows, bool]:
        """Return rows of outstanding VMs, and whether all pages were read."""
        if (now := self._clock.now()) >= self._anew_at:
            # What a page token leads to might be the list as it was when the token was made.
            self._anew_every = min(self._anew_every * 1.5, self._anew_most)
            self._anew_at = now + self._anew_every
            self._token = None
        start = self._token
        seen: Rows = {}
        token = start
        tokens: set[str] = set()
        while True:
            page, following = self._page(token, until)
            rows = [row for row in page if row.vm_id in outstanding]
            merged(rows, seen)
            is_whole = token is None and following is None
            if any(row.is_creating for row in rows) and not is_whole:
                self._token = token
                return _held(seen.values()), False
            if following is None:
                break
            if following in tokens:
                raise Failure(f"EVS's list of entitlements at {self._connector} has no end")
            tokens.add(following)
            token = following
        self._token = None
        if start is None:
            return seen, True
        good = _held(seen.values())
        if outstanding - good.keys():
            more, complete = self.look(outstanding - good.keys(), until)
            return {**more, **good}, complete
        return good, False

    def _page(self, token: str | None, until: float) -> tuple[list[Row], str | None]:
        try:
            return self._pages.page(self._connector, token, until)
        except Refused:
            if token is None:
                raise
            # The token has aged; begin anew.
            self._token = None
            return self._pages.page(self._connector, None, until)
        except NotFound as error:
            raise not_found(error, self._connector, self._place) from error


def _held(rows: Iterable[Row]) -> Rows:
    return {row.vm_id: row for row in rows if row.is_held}
