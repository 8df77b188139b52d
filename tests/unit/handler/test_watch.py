"""Looks at a list of several pages while something on it is still CREATING."""

from types import SimpleNamespace

import pytest

from lambda_handler.aws.calls import TokenRefused
from lambda_handler.errors import Failure
from lambda_handler.evs.rows import Row, Status
from lambda_handler.evs.watch import Watch
from lambda_handler.pace import Pace
from lambda_handler.values import Connector

HERE = Connector("env-abcde12345", "cnctr-abcde12345")


class Pages:
    """A list of pages, the first without a token; counts what is read."""

    def __init__(self, *pages: dict[str, Status]) -> None:
        self.pages = list(pages)
        self.read: list[str | None] = []
        self.aged: set[str] = set()
        self.loops = False

    def page(self, connector: Connector, token: str | None, until: float) -> tuple[list[Row], str | None]:
        self.read.append(token)
        if token in self.aged:
            raise TokenRefused("ValidationException", "the token has expired", "ListVmEntitlements")
        number = int(token or 0)
        following = str(number + 1) if number + 1 < len(self.pages) else None
        rows = [Row(vm_id, status) for vm_id, status in self.pages[number].items()]
        return rows, "1" if self.loops else following


def watch(pages: Pages, last_page: str | None = None) -> Watch:
    return Watch(pages, HERE, SimpleNamespace(now=lambda: 0.0), Pace(), last_page)  # type: ignore[arg-type]


def test_one_page_that_shows_a_vm_as_creating_is_enough() -> None:
    pages = Pages({"vm-1": Status.CREATING, "vm-2": Status.CREATED}, {"vm-3": Status.CREATED})
    rows, is_complete = watch(pages).look(frozenset({"vm-1", "vm-2"}), 9.0)
    assert (set(rows), is_complete, pages.read) == ({"vm-1", "vm-2"}, False, [None])


def test_a_list_of_one_page_is_seen_whole_each_time() -> None:
    pages = Pages({"vm-1": Status.CREATING, "vm-2": Status.CREATE_FAILED})
    rows, is_complete = watch(pages).look(frozenset({"vm-1", "vm-2"}), 9.0)
    assert (rows["vm-2"].status, is_complete) == (Status.CREATE_FAILED, True)


def test_bad_news_of_the_last_page_counts_only_after_a_look_at_all_pages() -> None:
    pages = Pages({"vm-1": Status.CREATED}, {"vm-1": Status.CREATE_FAILED})
    rows, is_complete = watch(pages, last_page="1").look(frozenset({"vm-1"}), 9.0)
    assert (rows["vm-1"].status, is_complete) == (Status.CREATED, True)
    assert pages.read == ["1", None, "1"]


def test_good_news_of_the_last_page_counts_at_once() -> None:
    pages = Pages({}, {"vm-1": Status.CREATED})
    rows, is_complete = watch(pages, last_page="1").look(frozenset({"vm-1"}), 9.0)
    assert (set(rows), is_complete, pages.read) == ({"vm-1"}, False, ["1"])


def test_a_token_that_has_aged_is_no_failure() -> None:
    pages = Pages({"vm-1": Status.CREATED}, {})
    pages.aged.add("1")
    watching = watch(pages, last_page="1")
    pages.pages = pages.pages[:1]
    assert watching.look(frozenset({"vm-1"}), 9.0)[0]["vm-1"].status is Status.CREATED


def test_pages_that_lead_to_each_other_are_a_failure() -> None:
    pages = Pages({}, {})
    pages.loops = True
    with pytest.raises(Failure, match="no end"):
        watch(pages).look(frozenset({"vm-1"}), 9.0)


def test_a_token_that_ages_on_the_way_begins_the_look_anew() -> None:
    """Tokens may be the same each time: that the first page leads to the second again is no list without end."""
    pages = Pages({}, {}, {"vm-1": Status.CREATED})
    page = pages.page

    def aged_once(connector: Connector, token: str | None, until: float) -> tuple[list[Row], str | None]:
        pages.aged = {"2"} if pages.read == [None, "1"] else set()
        return page(connector, token, until)

    pages.page = aged_once  # type: ignore[method-assign]
    rows, is_complete = watch(pages).look(frozenset({"vm-1"}), 9.0)
    assert (set(rows), is_complete, pages.read) == ({"vm-1"}, True, [None, "1", "2", None, "1", "2"])


def test_tokens_that_age_each_time_are_given_up() -> None:
    pages = Pages({}, {"vm-1": Status.CREATED})
    pages.aged = {"1"}
    with pytest.raises(Failure, match="no page token"):
        watch(pages).look(frozenset({"vm-1"}), 9.0)
    assert len(pages.read) == 2 * (Pace().looks_anew + 1)
