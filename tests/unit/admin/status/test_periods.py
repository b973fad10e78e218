"""The windows of the periods, and what their slots are called."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from notifications.admin.status.periods import PERIODS, Window

NOW = datetime(2026, 11, 30, 12, 34, 56, tzinfo=UTC)


@pytest.mark.parametrize(
    ("key", "since", "until"),
    [
        ("hour", datetime(2026, 11, 30, 11, 34, tzinfo=UTC), datetime(2026, 11, 30, 12, 34, tzinfo=UTC)),
        ("day", datetime(2026, 11, 29, 13, tzinfo=UTC), datetime(2026, 11, 30, 13, tzinfo=UTC)),
        ("month", datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)),
    ],
)
def test_a_window_ends_now(key: str, since: datetime, until: datetime) -> None:
    window = Window(PERIODS[key], NOW)
    assert (window.since, window.until) == (since, until)
    assert window.until - window.since == window.since - window.before == window.period.span
    assert window.slot(since) == 0
    assert window.slot(until) == window.period.steps
    assert window.slot(since - window.step) == -1
    assert window.start(3) == since + 3 * window.step


def test_slots_have_local_times() -> None:
    with timezone.override("Asia/Kolkata"):
        assert Window(PERIODS["hour"], NOW).names[0] == "17:04"
        assert Window(PERIODS["day"], NOW).names[-1] == "30 Nov, 17:30"


def test_a_day_is_one_of_utc_wherever_people_are() -> None:
    with timezone.override("America/New_York"):
        assert Window(PERIODS["month"], NOW).names[-1] == "30 Nov"


def test_days_have_the_names_of_the_language() -> None:
    from django.utils import translation

    with translation.override("de"):
        assert Window(PERIODS["month"], NOW).names[0] == "1 Nov"
        assert Window(PERIODS["month"], NOW + timedelta(days=25)).names[-1] == "25 Dez"


@pytest.mark.parametrize("key", PERIODS)
def test_an_axis_names_a_few_of_its_slots(key: str) -> None:
    assert 3 <= len(Window(PERIODS[key], NOW).ticks) <= 5


def test_a_project_without_time_zones(settings: Any) -> None:
    settings.USE_TZ, settings.TIME_ZONE = False, "America/New_York"
    assert Window(PERIODS["hour"], NOW).names[0] == "06:34"
