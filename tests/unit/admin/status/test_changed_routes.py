"""The tile of response times, and the routes that it opens."""

import re
from html import unescape
from typing import Final

import pytest
from django.test import Client

from notifications.admin.status.changed_routes import chosen, times_tile
from notifications.admin.status.periods import PERIODS
from notifications.admin.status.routes import Change, Route
from notifications.admin.status.tile import Mood
from tests.support.shop_series import ROUTES, SLOW, Shop, fill_series

STATUS: Final = "/admin/notifications/status/"
HOUR: Final = PERIODS["hour"]
SAME: Final = Change("about the same", is_known=True)
SLOWER: Final = Change("twice as slow", "worse", "120 ms", "240 ms", is_known=True)
FASTER: Final = Change("29 % faster", "better", is_known=True)
ROW: Final = re.compile(r'<tr><th scope="row">(.+?)</th><td data-label="Requests">')


def routes(*changes: Change) -> list[Route]:
    return [Route(f"GET /{number}/", 500, 0, "4 ms", 9.0, change) for number, change in enumerate(changes)]


def test_those_that_became_slower_are_named_with_what_they_take_now() -> None:
    found = times_tile(routes(SLOWER, SAME, FASTER), HOUR)
    assert (found.state, found.mood) == ("1 route slower", Mood.WARNING)
    assert found.href == "?period=hour&routes=slower#group-routes"
    assert found.facts == [
        "GET /0/: twice as slow, p99 120 ms → 240 ms",
        "1 route faster",
        "3 routes compared with the hour before",
    ]


def test_of_many_the_slowest_are_named() -> None:
    found = times_tile(routes(*[SLOWER] * 5), PERIODS["day"])
    assert found.state == "5 routes slower"
    assert [fact[:8] for fact in found.facts] == ["GET /0/:", "GET /1/:", "GET /2/:", "and 2 mo", "5 routes"]


@pytest.mark.parametrize(
    ("changes", "state", "mood"),
    [
        ([SAME, FASTER], "no route slower", Mood.FINE),
        ([Change("new"), Change("too few to say")], "not known yet", Mood.UNKNOWN),
        ([], "not known yet", Mood.UNKNOWN),
    ],
)
def test_what_it_says_where_none_became_slower(changes: list[Change], state: str, mood: Mood) -> None:
    found = times_tile(routes(*changes), HOUR)
    assert (found.state, found.mood, found.href) == (state, mood, "?period=hour#group-routes")


def test_the_slowest_is_named_though_it_was_slow_before() -> None:
    was_slow = Change("about the same", before="890 ms", now="897 ms", is_known=True)
    assert times_tile(routes(was_slow, SLOWER), HOUR).facts[:2] == [
        "GET /1/: twice as slow, p99 120 ms → 240 ms",
        "slowest: GET /0/, p99 897 ms",
    ]


def test_a_choice_that_there_is_not_is_all() -> None:
    found = routes(SLOWER, SAME)
    assert chosen(found, "<b>") == chosen(found, "") == found
    assert [each.change for each in chosen(found, "slower")] == [SLOWER]
    assert chosen(found, "faster") == []


@pytest.mark.django_db
def test_the_page_has_the_routes_and_charts_of_the_choice_alone(admin: Client) -> None:
    few = {name: ROUTES[name] for name in (SLOW, "GET /")}
    fill_series(120, shop=Shop(release=30, outage=None, routes=few))
    for part in ("", "&part=routes"):
        page = unescape(admin.get(f"{STATUS}?period=hour&routes=slower{part}").content.decode())
        assert ROW.findall(page) == [SLOW]
        assert 'id="tile-times"' in page
        assert "1 route slower" in page, "the tile is of all routes"
        every = '<a class="chip" id="routes-all" href="?period=hour#group-routes">All <span class="chip-count">'
        assert f"{every}2<" in page
        assert 'href="?period=hour&routes=slower#group-routes" aria-current="true">Slower' in page
        assert page.count("Response time by route, p99") == 3  # its title, and what readers hear of drawing and table
        assert part or 'href="?period=day&routes=slower"' in page, "another period keeps the choice"
        page = admin.get(f"{STATUS}?period=hour&routes=faster{part}").content.decode()
        assert ROW.findall(page) == []
        assert "None of them." in page
