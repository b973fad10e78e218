"""Routes beside the period before, and what releases did."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import F

from notifications.admin.status.figures import Total
from notifications.admin.status.lines import busiest, slowest
from notifications.admin.status.periods import PERIODS, Window
from notifications.admin.status.read_series import by_route
from notifications.admin.status.release_words import did
from notifications.admin.status.releases import effects, marks
from notifications.admin.status.routes import Change, change, changed_first, routes
from notifications.models import Series
from notifications.models.series import Step
from notifications.utils.histogram import bucket_of, text_of
from tests.support.shop_series import SLOW, Shop, fill_series

NOW = datetime(2026, 11, 30, 12, 0, 30, tzinfo=UTC)
HOUR = Window(PERIODS["hour"], NOW)


def took(ms: float, count: int = 100) -> Total:
    buckets = [0] * 31
    buckets[bucket_of(ms)] = count
    return Total([(count, ms, text_of(buckets))] if count else [])


@pytest.mark.parametrize(
    ("before", "now", "words", "kind"),
    [
        (took(200), took(210), "about the same", ""),
        (took(200), took(400), "twice as slow", "worse"),
        (took(400), took(200), "twice as fast", "better"),
        (took(200), took(280), "41 % slower", "worse"),
        (took(280), took(200), "29 % faster", "better"),
        (took(100), took(1600), "16 times as slow", "worse"),
        (took(1), took(4), "about the same", ""),
        (took(0, 0), took(100), "new", ""),
        (took(100), took(0, 0), "too few to say", ""),
        (took(100), took(100, 99), "too few to say", ""),
        (took(100, 99), took(900), "too few before", ""),
    ],
)
def test_a_change_in_words(before: Total, now: Total, words: str, kind: str) -> None:
    found = change(before, now)
    assert (found.words, found.kind) == (words, kind)


def add(label: str, ms: float, count: int, minutes_ago: int, name: str = "requests") -> None:
    buckets = [0] * 31
    buckets[bucket_of(ms)] = count
    start = HOUR.until - timedelta(minutes=minutes_ago)
    Series.objects.create(
        step=60, start=start, name=name, label=label, count=count, highest=ms, buckets=text_of(buckets)
    )


@pytest.mark.django_db
def test_the_slowest_route_is_first_but_not_one_that_was_asked_once() -> None:
    add("GET /slow/", 900, 100, 5)
    add("GET /fast/", 10, 900, 5)
    add("GET /once/", 20_000, 1, 5)
    add("GET /gone/", 50, 800, 70)
    add("GET /slow/", 450, 100, 70)
    add("GET /slow/", 0, 3, 5, "errors")
    found = routes(by_route(HOUR))
    assert [route.label for route in found] == ["GET /slow/", "GET /fast/", "GET /once/"]
    assert (found[0].counted, found[0].failed, found[0].change.words) == ("100", "3", "twice as slow")
    assert slowest(found) == ["GET /fast/", "GET /slow/"]
    assert busiest(found) == ["GET /fast/", "GET /once/", "GET /slow/"]


@pytest.mark.django_db
def test_a_release_that_doubled_the_times_of_a_route() -> None:
    fill_series(120, until=NOW, shop=Shop(release=30, factor=2.0, outage=None))
    figures = by_route(HOUR)
    assert [(mark.name, mark.slot) for mark in marks(figures)] == [("1.5.0", 30)]
    (effect,) = effects(figures)
    assert (effect.name, effect.ago) == ("1.5.0", "30 min")
    assert [(name, found.words) for name, found in effect.routes] == [(SLOW, "twice as slow")]
    assert effect.did == f"made 1 route twice as slow: {SLOW}; all others are as before"
    assert changed_first(routes(figures))[0].label == SLOW


@pytest.mark.django_db
@pytest.mark.parametrize(("period", "slot_name"), [("day", "29 Nov, 15:00"), ("month", "29 Nov")])
def test_the_minute_of_a_release_is_known_in_long_periods_too(period: str, slot_name: str) -> None:
    window = Window(PERIODS[period], NOW)
    came = datetime(2026, 11, 29, 15, 53, tzinfo=UTC)
    for name, label, moment in (
        *(("releases", "1.4.2", came - window.step * back) for back in (2, 5)),
        *(("requests", "", came - window.step * back) for back in (1, 2)),
        *(("releases", "1.5.0", came + timedelta(minutes=later)) for later in (0, 1)),
    ):
        for step in (Step.MINUTE, window.period.step):
            Series.objects.get_or_create(step=step, start=step.start_of(moment), name=name, label=label, count=1)
    (effect,) = effects(by_route(window))
    assert (effect.name, effect.began) == ("1.5.0", "29 Nov, 15:53")
    later = Series.objects.filter(step=Step.MINUTE, label="1.5.0")
    later.update(start=F("start") + window.step)  # those of its first slot are gone
    (effect,) = effects(by_route(window))
    assert effect.began == slot_name
    later.delete()
    (effect,) = effects(by_route(window))
    assert effect.began == slot_name


SLOWER, TWICE, FASTER = (
    Change("41 % slower", "worse"),
    Change("twice as slow", "worse"),
    Change("29 % faster", "better"),
)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([], "has too few requests to say what it did"),
        ([Change("about the same")], "left the times of its route as before"),
        ([Change("about the same")] * 2, "left the times of all routes as before"),
        ([TWICE], "made 1 route twice as slow: 0"),
        ([TWICE, Change("")], "made 1 route twice as slow: 0; the other is as before"),
        ([TWICE, SLOWER, FASTER], "made 2 routes slower: 0, 1 and 1 route 29 % faster: 2"),
        ([SLOWER] * 3, "made 3 routes 41 % slower"),
    ],
)
def test_what_a_release_did_in_a_sentence(changes: list[Change], words: str) -> None:
    assert did({str(number): each for number, each in enumerate(changes)}) == words


@pytest.mark.django_db
def test_a_release_of_just_now_has_too_few_requests_to_say() -> None:
    fill_series(120, until=NOW, shop=Shop(release=1, outage=None))
    (effect,) = effects(by_route(HOUR))
    assert effect.all.words == "too few to say"
    assert effect.errors == "no requests"


@pytest.mark.django_db
def test_the_first_release_that_was_counted_is_a_mark_where_counting_began() -> None:
    fill_series(20, until=NOW, shop=Shop(release=None, outage=None))
    figures = by_route(HOUR)
    assert [(mark.name, mark.slot) for mark in marks(figures)] == [("1.4.2", 40)]
    assert effects(figures) == [], "there is nothing to compare it with"


@pytest.mark.django_db
def test_two_releases_are_compared_each_with_the_one_before() -> None:
    for ago in range(120, 0, -1):
        release, ms = ("3", 100) if ago <= 20 else ("2", 800) if ago <= 60 else ("1", 100)
        add("GET /", ms, 50, ago)
        add("", ms, 50, ago)
        add(release, 0, 50, ago, "releases")
    last, first = effects(by_route(HOUR))
    assert (last.name, last.all.words) == ("3", "8 times as fast")
    assert (first.name, first.all.words) == ("2", "8 times as slow")


@pytest.mark.django_db
@pytest.mark.parametrize("hotfix", [60, 59], ids=["in the same minute", "in the next minute"])
def test_releases_that_came_together_are_compared_as_one(hotfix: int) -> None:
    """Else nothing would be said of the last one, which runs now."""
    for ago in range(120, 0, -1):
        ms = 800 if ago <= 60 else 100
        add("GET /", ms, 50, ago)
        add("", ms, 50, ago)
        add("1" if ago > 60 else "2" if ago == 60 else "3", 0, 50, ago, "releases")
    if hotfix == 60:
        add("3", 0, 50, hotfix, "releases")
    (effect,) = effects(by_route(HOUR))
    assert (effect.name, effect.all.words) == ("2 and 3", "8 times as slow")


@pytest.mark.django_db
def test_a_release_each_minute_has_no_list_of_all_names() -> None:
    for ago in range(120, 0, -1):
        add("", 100, 50, ago)
        add(f"{120 - max(ago, 51):03}", 0, 50, ago, "releases")
    (effect,) = effects(by_route(HOUR))
    assert effect.name == "68 releases and 069"
