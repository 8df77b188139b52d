"""Looks at the whole list: ends that never come, aged tokens, a look that a fresh invocation goes on with."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from lambda_handler.aws.calls import NotFound, Refused, Throttled
from lambda_handler.errors import Failure, HandOver
from lambda_handler.evs.listing import Listing, NotFoundSince, PartialLook
from lambda_handler.evs.rows import Row
from tests.support.room import HERE, START, THERE, Room, row

ACTION = "evs:ListVmEntitlements"


class Pages:
    """A list of pages of one row each, and who asked for them."""

    def __init__(self, room: Room, number: int, takes: float = 0.1) -> None:
        self.room, self.number, self.takes = room, number, takes
        self.asked: list[str | None] = []

    def page(self, connector: Any, token: str | None = None) -> tuple[list[Row], str | None]:
        self.asked.append(token)
        self.room.pass_time(self.takes)
        number = int(token or 0)
        return [row(number)], str(number + 1) if number + 1 < self.number else None

    def listing(self, **given: Any) -> Listing:
        room = self.room
        return Listing(cast(Any, SimpleNamespace(page=self.page)), room.retries, room.clock, room.pace, **given)


def test_a_look_reads_all_pages() -> None:
    pages = Pages(Room(), 5)
    look = pages.listing().look(HERE, START + 100)
    assert len(look.rows) == 5
    assert (look.began, look.last_page) == (START, "4")


def test_a_token_that_has_aged_begins_the_look_anew() -> None:
    pages = Pages(Room(), 5)
    page = pages.page

    def aged(connector: Any, token: str | None = None) -> Any:
        found = page(connector, token)
        if len(pages.asked) == 3:
            raise Refused(ACTION, "ValidationException", "nextToken is invalid")
        return found

    pages.page = aged  # type: ignore[method-assign]
    look = pages.listing().look(HERE, START + 100)
    assert len(look.rows) == 5
    assert pages.asked == [None, "1", "2", None, "1", "2", "3", "4"]
    # What the first pages had shown is old by then.
    assert look.began > START


def test_tokens_that_age_each_time_are_given_up() -> None:
    room = Room()

    def page(_: Any, token: str | None = None) -> Any:
        if token is not None:
            raise Refused(ACTION, "ValidationException", "nextToken is invalid")
        return [row(1)], "1"

    listing = Listing(cast(Any, SimpleNamespace(page=page)), room.retries, room.clock, room.pace)
    with pytest.raises(Refused):
        listing.look(HERE, START + 100)


@pytest.mark.parametrize("remaining", [30.0, 900.0])
def test_tokens_that_age_each_time_are_given_up_across_invocations(remaining: float) -> None:
    """EVS asks for a pause after each first page, and the token ages meanwhile."""
    room = Room(remaining=remaining)
    first: list[float] = []

    def page(_: Any, token: str | None = None) -> Any:
        room.pass_time(8.0)
        if token is not None:
            raise Refused(ACTION, "ValidationException", "nextToken is invalid")
        first.append(room.at)
        return [row(1)], "1"

    partial: PartialLook | None = None
    for _ in range(50):
        room.ends = room.at + remaining
        evs: Any = SimpleNamespace(page=page)
        listing = Listing(evs, room.retries, room.clock, room.pace, partial)
        try:
            with pytest.raises(Refused):
                listing.look(HERE, START + 3000)
            break
        except HandOver:
            partial = listing.partial
    assert len(first) == room.pace.looks_anew + 1


@pytest.mark.parametrize("tokens", [["1", "2", "1", "2"], None])
def test_a_list_without_an_end_is_given_up(tokens: list[str] | None) -> None:
    room = Room()
    asked: list[int] = []

    def page(_: Any, token: str | None = None) -> Any:
        asked.append(1)
        return [], tokens[len(asked) % len(tokens)] if tokens else str(len(asked))

    listing = Listing(cast(Any, SimpleNamespace(page=page)), room.retries, room.clock, room.pace)
    with pytest.raises(Failure, match="has no end"):
        listing.look(HERE, START + 1e9)
    assert len(asked) <= (room.pace.looks_anew + 1) * room.pace.most_pages


def test_what_one_invocation_could_not_finish_the_next_goes_on_with() -> None:
    pages = Pages(Room(remaining=40.0), 60, takes=0.5)
    listing = pages.listing()
    with pytest.raises(HandOver):
        listing.look(HERE, START + 1000)
    partial = listing.partial
    assert partial is not None
    assert partial.began == START

    later = Pages(Room(), 60)
    later.room.pass_time(500.0)
    look = later.listing(partial=partial).look(HERE, START + 1000)
    assert later.asked[0] == partial.token
    assert len(look.rows) == 60
    # What the first pages have missed may have come since: the look is as old as its first page.
    assert look.began == START


def test_a_look_at_another_connector_begins_anew() -> None:
    pages = Pages(Room(), 3)
    partial = PartialLook(THERE, START - 50.0, "2", 2, {"vm-9": row(9)})
    look = pages.listing(partial=partial).look(HERE, START + 100)
    assert pages.asked == [None, "1", "2"]
    assert "vm-9" not in look.rows


@pytest.mark.parametrize("stays", [False, True])
def test_one_not_found_is_not_believed_and_one_that_stays_is(stays: bool) -> None:
    room = Room()

    def page(*_: Any) -> Any:
        if stays or room.at < START + 3.0:
            raise NotFound(ACTION, "ResourceNotFoundException", "not found")
        return [row(1)], None

    listing = Listing(cast(Any, SimpleNamespace(page=page)), room.retries, room.clock, room.pace)
    if not stays:
        assert len(listing.look(HERE, START + 100).rows) == 1
        return
    with pytest.raises(NotFound):
        listing.look(HERE, START + 100)
    assert room.at - START >= room.pace.not_found_for


def test_two_not_founds_far_apart_prove_no_more_than_one() -> None:
    """In between EVS had only throttled."""
    room = Room()
    asked: list[float] = []

    def page(*_: Any) -> Any:
        asked.append(room.at)
        if len(asked) in (1, 5):
            raise NotFound(ACTION, "ResourceNotFoundException", "not found")
        if len(asked) < 5:
            room.pass_time(4.0)
            raise Throttled(ACTION, "ThrottlingException", "slow")
        return [row(1)], None

    listing = Listing(cast(Any, SimpleNamespace(page=page)), room.retries, room.clock, room.pace)
    assert len(listing.look(HERE, START + 100).rows) == 1
    assert asked[4] - asked[0] > room.pace.not_found_for


@pytest.mark.parametrize(("since", "told", "answers"), [(20.0, 1, 2), (20.0, 2, 1), (1.0, 1, 4), (1.0, 5, 4)])
def test_what_the_invocations_before_were_told_counts(since: float, told: int, answers: int) -> None:
    room = Room()
    asked: list[float] = []

    def page(*_: Any) -> Any:
        asked.append(room.at)
        raise NotFound(ACTION, "ResourceNotFoundException", "not found")

    before = NotFoundSince(HERE, START - since, told)
    listing = Listing(cast(Any, SimpleNamespace(page=page)), room.retries, room.clock, room.pace, not_found=before)
    with pytest.raises(NotFound):
        listing.look(HERE, START + 100)
    assert len(asked) >= answers
    assert since < 8.0 or len(asked) == answers


def test_a_not_found_is_not_believed_because_the_time_is_up() -> None:
    """Whoever looks takes it for an environment without entitlements."""
    room = Room()

    def page(*_: Any) -> Any:
        raise NotFound(ACTION, "ResourceNotFoundException", "not found")

    listing = Listing(cast(Any, SimpleNamespace(page=page)), room.retries, room.clock, room.pace)
    with pytest.raises(Failure, match="no time to ask again"):
        listing.look(HERE, START)
    room.at = START
    listing = Listing(cast(Any, SimpleNamespace(page=page)), room.retries, room.clock, room.pace)
    with pytest.raises(Failure, match="no time to ask again"):
        listing.look(HERE, START + 3.0)


def test_a_look_that_ends_with_the_invocation_is_handed_on_whole() -> None:
    """Read again, it would end just as late in each invocation."""
    room = Room()
    pages = Pages(room, 5, takes=177.5)
    listing = pages.listing()
    with pytest.raises(HandOver):
        listing.look(HERE, START + 1e6)
    assert listing.partial is not None
    assert (listing.partial.is_whole, len(listing.partial.rows)) == (True, 5)
    pages.asked.clear()
    fresh = pages.listing(partial=listing.partial)
    fresh._clock = Room().clock
    look = fresh.look(HERE, START + 1e6)
    assert (look.began, len(look.rows), pages.asked) == (START, 5, [])


def test_a_page_token_that_is_not_found_is_one_that_has_aged() -> None:
    pages = Pages(Room(), 3)
    page = pages.page

    def stale(connector: Any, token: str | None = None) -> Any:
        if token is not None and len(pages.asked) < 4:
            pages.asked.append(token)
            raise NotFound(ACTION, "ResourceNotFoundException", "Not found")
        return page(connector, token)

    pages.page = stale  # type: ignore[method-assign]
    listing = pages.listing()
    assert len(listing.look(HERE, START + 100).rows) == 3
    assert listing.not_found is None
