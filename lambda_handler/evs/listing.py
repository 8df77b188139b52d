"""Looks at EVS: the whole list, or just far enough to know that it is too early.

Owns the economy of ListVmEntitlements, and that a long look goes on in a fresh invocation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..aws.calls import NotFound, Refused, TokenRefused
from ..aws.retries import Retries
from ..clock import Clock
from ..errors import Failure, HandOver
from ..log import logger
from ..pace import Pace
from ..values import Connector
from .api import Evs
from .rows import Row, Rows, merged
from .watch import Watch


@dataclass(frozen=True)
class Look:
    """What EVS lists at one connector.

    Attributes:
        rows: one row a VM.
        began: when the first page was asked for, in epoch seconds.
        last_page: token of the last page, None where it is the only one.
    """

    rows: Rows
    began: float
    last_page: str | None = None


@dataclass(frozen=True)
class PartialLook:
    """A look that an invocation could not finish: `token` leads to its next page, None to the first one.

    Attributes:
        is_whole: all pages are read, and no time was left to do anything with them.
        anew: how often it has begun anew, since EVS took its token no longer.
    """

    connector: Connector
    began: float
    token: str | None
    pages: int
    rows: Rows = field(default_factory=dict)
    anew: int = 0
    is_whole: bool = False


@dataclass(frozen=True)
class NotFoundSince:
    """EVS says that a connector, or its environment, does not exist, since a moment (epoch seconds).

    Attributes:
        answers: how many say so, with no other one among them.
    """

    connector: Connector
    since: float
    answers: int = 1

    def is_believed(self, now: float, pace: Pace) -> bool:
        """Tell whether EVS has said so often enough, and for long enough."""
        return pace.believes_not_found(now - self.since, self.answers)

    def packed(self) -> list[Any]:
        """Return it as a fresh invocation is told of it."""
        return [str(self.connector), self.since, self.answers]

    @classmethod
    def unpacked(cls, given: Sequence[Any] | None) -> "NotFoundSince | None":
        """Read what `packed` wrote. An older version does not say how many answers: one, then."""
        return cls(Connector.parse(given[0]), *given[1:3]) if given else None


def not_found_again(before: NotFoundSince | None, connector: Connector, now: float) -> NotFoundSince:
    """Note one more answer that says so, after those before."""
    if before is None or before.connector != connector:
        return NotFoundSince(connector, now)
    return replace(before, answers=before.answers + 1)


class _Reading:
    """A look on its way: the pages that were read so far, and how often it has begun anew."""

    def __init__(self, began: float, anew: int = 0) -> None:
        self._began = began
        self.anew = anew
        self._rows: Rows = {}
        self._tokens: set[str] = set()
        self._repeats = False
        self._last_page: str | None = None
        self.token: str | None = None
        self.pages = 0
        self.is_whole = False

    def resume(self, partial: PartialLook) -> None:
        self._began, self._rows = partial.began, dict(partial.rows)
        self.token, self.pages, self.anew = partial.token, partial.pages, partial.anew
        self.is_whole = partial.is_whole

    def add(self, page: list[Row], following: str | None) -> None:
        merged(page, self._rows)
        self.pages += 1
        self._last_page, self.token = self.token, following
        self.is_whole = following is None
        if following is not None:
            self._repeats = following in self._tokens
            self._tokens.add(following)

    def require_time(self, now: float, until: float) -> None:
        if now >= until and self.token is not None:
            raise Failure(f"time is up: only {self.pages:,} pages of EVS's list of entitlements were read")

    def is_endless(self, most_pages: int) -> bool:
        return self._repeats or self.pages >= most_pages

    def look(self) -> Look:
        return Look(self._rows, self._began, self._last_page)

    def partial(self, connector: Connector) -> PartialLook | None:
        if self.token is None and not self.anew and not self.is_whole:
            return None
        return PartialLook(connector, self._began, self.token, self.pages, self._rows, self.anew, self.is_whole)


class Listing:
    """Looks of one invocation.

    Args:
        retries: of ListVmEntitlements.
        partial: a look that the invocation before could not finish.
        not_found: at which connector EVS says that it or its environment does not exist, and since when.
        place: region and account in words, for what a user is told.

    Attributes:
        partial: the look that this invocation could not finish.
    """

    def __init__(
        self,
        evs: Evs,
        retries: Retries,
        clock: Clock,
        pace: Pace,
        partial: PartialLook | None = None,
        not_found: NotFoundSince | None = None,
        *,
        place: str = "",
    ) -> None:
        self._evs = evs
        self._retries = retries
        self._clock = clock
        self._pace = pace
        self.partial = partial
        self.not_found = not_found
        self.place = place

    def look(self, connector: Connector, until: float) -> Look:
        """Return all rows of a connector.

        Raises:
            NotFound: the environment or the connector does not exist.
            Failure: the list has no end, or was not read until `until` (epoch seconds).
            AwsError: EVS could not be asked.
            HandOver: the invocation's time is up. `partial` has what was read.
        """
        reading = _Reading(self._clock.now())
        partial, self.partial = self.partial, None
        if partial is not None and partial.connector == connector:
            reading.resume(partial)
        try:
            while not reading.is_whole:
                reading.require_time(self._clock.now(), until)
                reading = self._read_on(reading, connector, until)
            # Nothing could come of the look here. Read again it might end just as late, in each invocation.
            self._clock.require_room_for_a_call()
        except HandOver:
            self.partial = reading.partial(connector)
            raise
        return reading.look()

    def _read_on(self, reading: _Reading, connector: Connector, until: float) -> _Reading:
        """Read one more page; return the look that is to go on: this one, or one that begins anew."""
        try:
            reading.add(*self.page(connector, reading.token, until))
        except TokenRefused:
            # A token may age while a throttled list is read. What was read so far is old by then, too.
            if reading.anew == self._pace.looks_anew:
                raise
        else:
            if reading.is_whole or not reading.is_endless(self._pace.most_pages):
                return reading
            if reading.anew == self._pace.looks_anew:
                raise Failure(f"EVS's list of entitlements at {connector} has no end: {reading.pages:,} pages read")
        return _Reading(self._clock.now(), reading.anew + 1)

    def page(self, connector: Connector, token: str | None, until: float) -> tuple[list[Row], str | None]:
        """Return one page of rows and the token of the next, with retries.

        A NotFound is believed only when several answers in a row say so, over some seconds, and never of a token: what
        EVS says of one that has aged is not documented.

        Raises:
            TokenRefused: the token has aged, or was never good.
            NotFound, Refused, AwsError, Failure, HandOver
        """
        while True:
            try:
                found = self._retries.through(lambda: self._evs.page(connector, token), until)
            except (NotFound, Refused) as error:
                if token is not None:
                    raise TokenRefused(error.action, error.code, error.message) from error
                if isinstance(error, Refused):
                    raise
                now = self._clock.now()
                self.not_found = not_found_again(self.not_found, connector, now)
                if self.not_found.is_believed(now, self._pace):
                    raise
                if now >= until:
                    raise Failure(f"{error}; there was no time to ask again before that is believed") from error
                logger.warning("%s; asking again before that is believed", error)
                self._clock.pause(self._pace.not_found_for / 4)
            else:
                self.not_found = None
                return found

    def watch(self, connector: Connector, last_page: str | None) -> Watch:
        """Return looks for what is CREATING. Rows of new entitlements are most likely on the last page."""
        return Watch(self, connector, self._clock, self._pace, last_page, self.place)
