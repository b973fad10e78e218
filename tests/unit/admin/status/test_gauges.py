"""What waits now, and since when nobody measures it."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from notifications.admin.status.chart import Chart
from notifications.admin.status.drawing import Values
from notifications.admin.status.gauges import Gauges, Latest
from notifications.admin.status.lines import Line
from notifications.admin.status.periods import PERIODS, Window
from notifications.admin.status.read_series import overview
from notifications.models import Series
from notifications.models.series import Step

NOW: Final = datetime(2026, 11, 30, 12, 0, 30, tzinfo=UTC)
WINDOWS: Final = [Window(period, NOW) for period in PERIODS.values()]


def add(name: str, label: str, minutes_ago: int, value: float) -> None:
    """In all steps."""
    start = NOW.replace(second=0) - timedelta(minutes=minutes_ago)
    for step in (Step.MINUTE, Step.HOUR, Step.DAY):
        row, _ = Series.objects.get_or_create(step=step, start=step.start_of(start), name=name, label=label)
        Series.objects.filter(pk=row.pk).update(count=1, highest=max(row.highest, value))


def gauges_of(window: Window) -> Gauges:
    found = overview(window)
    return Gauges(found.shown, found.minutes)


@pytest.mark.django_db
@pytest.mark.parametrize("window", WINDOWS)
def test_what_the_last_minute_had_and_not_the_highest_of_the_hour(window: Window) -> None:
    add("waiting", "", 30, 90.0)
    add("waiting", "", 2, 12.0)
    add("lag", "SLACK", 1, 7.0)
    gauges = gauges_of(window)
    assert gauges.latest("waiting") == Latest(12.0)
    assert gauges.latest("lag", "SLACK") == Latest(7.0)
    assert gauges.latest("oldest") == gauges.latest("lag", "OPS") == Latest()


@pytest.mark.django_db
@pytest.mark.parametrize("window", WINDOWS)
def test_a_gauge_that_nobody_measures_has_no_last_value(window: Window) -> None:
    add("oldest", "", 17, 0.5)
    assert gauges_of(window).latest("oldest") == Latest(stopped="not measured since 11:44")
    add("releases", "", 1, 0.0)
    assert gauges_of(window).latest("oldest").stopped == "not measured since 11:44: no process_raw runs"


@pytest.mark.django_db
def test_in_a_day_that_runs_samples_may_have_stopped_hours_ago() -> None:
    add("oldest", "", 200, 0.5)
    assert gauges_of(Window(PERIODS["month"], NOW)).latest("oldest").stopped == "not measured since 11:00"


def chart(period: str, values: Values, *, sums: bool = False, latest: Latest | None = None) -> Chart:
    window = Window(PERIODS[period], NOW)
    padded = [None] * (window.period.steps - len(values)) + list(values)
    lines = [Line("a", padded, latest=latest), Line("b", padded, number=1)]
    return Chart(key="x", title="X", window=window, lines=lines, sums=sums)


@pytest.mark.parametrize(
    ("drawn", "says"),
    [
        (chart("day", [4, 3], sums=True), "7 in all"),
        (chart("day", [4, 3]), "this hour 3"),
        (chart("day", [4, None]), "at 30 Nov, 11:00 4"),
        (chart("month", [4, 3]), "today 3"),
        (chart("hour", [4, 3]), "at 11:59 3"),
        (chart("day", [4, 3], latest=Latest(2.0)), "last minute 2"),
        (chart("day", [4, 3], latest=Latest(stopped="not measured since 11:44")), "not measured since 11:44"),
    ],
)
def test_each_number_of_a_legend_says_what_it_is_of(drawn: Chart, says: str) -> None:
    assert drawn.drawn[0].says == says
    assert says in drawn.summary


def test_a_count_that_only_began_is_no_fall() -> None:
    day, hour = (chart(period, [4, 4, 1], sums=True).drawn[0] for period in ("day", "hour"))
    assert day.path.endswith("L937.5 0.0")
    assert day.running.startswith("M962.5 105.0h")
    assert not hour.running
