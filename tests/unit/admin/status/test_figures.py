"""What was counted, slot by slot."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifications.admin.status.figures import P50, Figures, stopped
from notifications.admin.status.periods import PERIODS, Window
from notifications.admin.status.read_series import by_route, overview
from notifications.models import Series
from notifications.models.series import Step

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 30, 12, 0, 30, tzinfo=UTC)
HOUR, DAY, MONTH = (Window(PERIODS[key], NOW) for key in ("hour", "day", "month"))


def shown(window: Window) -> Figures:
    return overview(window).shown


def add(window: Window, slot: int, name: str, label: str = "", buckets: str = "", **columns: float) -> None:
    start, step = window.start(slot), window.period.step
    values = {"count": 1, **columns}
    Series.objects.create(step=step, start=start, name=name, label=label, buckets=buckets, **values)


@pytest.mark.parametrize("window", [HOUR, DAY, MONTH])
def test_each_period_reads_rows_of_its_own_step(window: Window) -> None:
    last = window.period.steps - 1
    for step in (Step.MINUTE, Step.HOUR, Step.DAY, Step.EVER):
        if step != window.period.step:
            start = window.start(last)
            Series.objects.create(step=step, start=start, name="requests", label="", count=99)
    add(window, last, "requests", count=7)
    add(window, 0, "requests", count=3)
    add(window, -1, "requests", count=50)
    counts = shown(window).counts("requests")
    assert (counts[0], counts[1], counts[last], len(counts)) == (3, 0, 7, window.period.steps)


def test_a_count_of_nothing_is_zero_and_a_duration_a_gap() -> None:
    add(HOUR, 57, "requests", buckets="0,0,4", count=4)
    add(HOUR, 59, "requests", buckets="0,4", count=4)
    figures = shown(HOUR)
    assert figures.counts("requests")[56:] == [None, 4, 0, 4]
    times = figures.quantiles("requests", "", P50)
    assert [value is None for value in times[56:]] == [True, False, True, False]


def test_what_was_not_looked_at_is_a_gap() -> None:
    add(HOUR, 58, "waiting", highest=37.0)
    assert shown(HOUR).highest("waiting")[57:] == [None, 37.0, None]


def test_before_the_first_minute_that_was_counted_and_after_the_last_nothing_is_known() -> None:
    """A minute is written when it is over: until then it had not nothing."""
    for slot in (55, 57):
        add(HOUR, slot, "releases", "1.5.0")
        add(HOUR, slot, "releases")
    assert shown(HOUR).counts("requests")[53:] == [None, None, 0, 0, 0, None, None]
    add(HOUR, -3, "releases")
    assert shown(HOUR).counts("requests")[:2] == [0, 0]


def test_only_routes_and_releases_are_compared_with_the_period_before() -> None:
    for name in ("requests", "received", "releases"):
        add(HOUR, -60, name, "a")
        add(HOUR, -61, name, "b")
    figures = by_route(HOUR)
    assert (figures.labels("requests"), figures.labels("received"), figures.labels("releases")) == (["a"], [], ["a"])
    figures = shown(HOUR)
    assert (figures.labels("requests"), figures.labels("received"), figures.labels("releases")) == ([], [], ["a"])


@pytest.mark.parametrize(
    ("ago", "words"),
    [(3, ""), (6, ""), (7, "Nothing was counted since 11:54"), (90, "Nothing was counted since 10:31")],
)
def test_it_is_said_when_counting_stopped(ago: int, words: str) -> None:
    window = Window(PERIODS["hour"], NOW - timedelta(seconds=30))
    add(window, 60 - ago, "requests" if ago < 60 else "releases")
    assert stopped(shown(window)) == words


def test_buckets_of_any_length_are_added() -> None:
    add(HOUR, 1, "requests", "GET /", buckets="1,2", count=3)
    add(HOUR, 2, "requests", "GET /", buckets="1,0,0,5", count=6)
    total = by_route(HOUR).total("requests", "GET /")
    assert (total.count, total.buckets) == (9, [2, 2, 0, 5])


@pytest.mark.services
@pytest.mark.usefixtures("postgres_database")
def test_postgresql_starts_no_processes_to_read_them() -> None:
    """Not even where it thinks that they cost nothing."""
    Series.objects.bulk_create(
        Series(step=Step.MINUTE, start=HOUR.start(slot), name="requests", label=str(label), count=1)
        for slot in range(HOUR.period.steps)
        for label in range(20)
    )
    with connection.cursor() as cursor:
        for name in ("parallel_setup_cost", "parallel_tuple_cost", "min_parallel_table_scan_size"):
            cursor.execute(f"SET {name} = 0")
        cursor.execute("SET min_parallel_index_scan_size = 0")
        cursor.execute("EXPLAIN SELECT label FROM notifications_series WHERE step = 60 UNION ALL SELECT 'x'")
        assert "Gather" in str(cursor.fetchall())
    with CaptureQueriesContext(connection) as queries:
        overview(HOUR)
        by_route(HOUR)
    for query in queries:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {query['sql']}")
            assert "Gather" not in str(cursor.fetchall())
    assert len(queries) == 2
