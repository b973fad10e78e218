"""Times as people type them on a command line."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

AGO: Final = re.compile(r"(\d+)\s*(second|minute|hour|day|week)s?\s+ago")
OLDEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: Microseconds; the year 9999 in any time zone is still a date.
_YOUNGEST_US: Final = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000


def moment_of(time_us: int) -> datetime:
    """The time of a journal entry, whatever a damaged one says: never before 1970, never past the year 9998."""
    return datetime.fromtimestamp(min(max(time_us, 0), _YOUNGEST_US) / 1_000_000, UTC)


def parse_time(text: str, *, now: datetime | None = None) -> datetime:
    """An aware datetime from "now", "oldest", "2 days ago", "2026-05-01" or "2026-05-01 14:02" (local time).

    Never before OLDEST. Raises ValueError that says what can be written.
    """
    try:
        moment = _parse(text.strip(), now or timezone.now())
        if moment is not None:
            aware = moment if timezone.is_aware(moment) else timezone.make_aware(moment)
            return max(aware.astimezone(UTC), OLDEST)
    except (ValueError, OverflowError):  # 30 February, a million years ago
        pass
    raise ValueError(f'{text!r} is no time: write "now", "oldest", "2 days ago" or "2026-05-01 14:02"')


def _parse(text: str, now: datetime) -> datetime | None:
    if text in {"now", "oldest"}:
        return now if text == "now" else OLDEST
    if match := AGO.fullmatch(text):
        return now - timedelta(**{f"{match[2]}s": int(match[1])})
    if moment := parse_datetime(text):
        return moment
    day = parse_date(text)
    return datetime(day.year, day.month, day.day) if day else None
