from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st

from notifications.utils.times import OLDEST, moment_of, parse_time

NOW: Final = datetime(2026, 5, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", NOW),
        ("oldest", OLDEST),
        ("2 days ago", NOW - timedelta(days=2)),
        ("1 hour ago", NOW - timedelta(hours=1)),
        (" 90 seconds ago ", NOW - timedelta(seconds=90)),
        ("3 weeks ago", NOW - timedelta(weeks=3)),
        ("2026-05-01", datetime(2026, 5, 1, tzinfo=UTC)),
        ("2026-05-01 14:02", datetime(2026, 5, 1, 14, 2, tzinfo=UTC)),
        ("2026-05-01T14:02:03+02:00", datetime(2026, 5, 1, 12, 2, 3, tzinfo=UTC)),
        ("0001-01-01", OLDEST),
    ],
)
def test_times_as_people_type_them(text: str, moment: datetime) -> None:
    assert parse_time(text, now=NOW) == moment


@override_settings(TIME_ZONE="Pacific/Auckland")
def test_times_without_a_zone_are_local() -> None:
    assert parse_time("2026-05-01 14:02") == datetime(2026, 5, 1, 14, 2, tzinfo=ZoneInfo("Pacific/Auckland"))


@pytest.mark.parametrize(
    "text",
    ["", "soon", "2026-02-30", "2026-13-01 10:00", "yesterday", "2 moons ago", "9" * 30 + " days ago", "-1 days ago"],
)
def test_what_is_no_time_says_what_can_be_written(text: str) -> None:
    with pytest.raises(ValueError, match='is not a time: write "now", "oldest", "2 days ago" or "2026-05-01 14:02"'):
        parse_time(text)


@given(st.text() | st.from_regex(r"\A[0-9]{1,30} (second|minute|hour|day|week)s? ago\Z"))
def test_any_text_is_a_time_or_a_valueerror(text: str) -> None:
    try:
        moment = parse_time(text)
    except ValueError:
        return
    assert moment >= OLDEST


@given(st.integers())
def test_any_number_of_microseconds_is_a_time_that_can_be_shown_in_any_zone(time_us: int) -> None:
    moment = moment_of(time_us)
    for zone in ("Pacific/Kiritimati", "Pacific/Pago_Pago"):
        assert 1969 <= moment.astimezone(ZoneInfo(zone)).year <= 9999


def test_microseconds_are_kept() -> None:
    assert moment_of(1_700_000_000_123_456) == datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=UTC)
