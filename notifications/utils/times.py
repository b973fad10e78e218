"""Now, and times of command lines and journal entries: all are aware, also where USE_TZ is False."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from django.conf import settings
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

AGO: Final = re.compile(r"(\d+)\s*(second|minute|hour|day|week)s?\s+ago")
OLDEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
#: Microseconds: in any time zone this is still a valid date.
_YOUNGEST_US: Final = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000


def utc_now() -> datetime:
    """The time, aware. Django's own is naive where USE_TZ is False."""
    return timezone.now().astimezone(UTC)


def aware(moment: datetime, what: str) -> datetime:
    """A datetime in UTC. A naive one is in the project's time zone where USE_TZ is False.

    Raises ValueError where it is True: then nobody knows in which zone a naive one is.
    """
    if timezone.is_naive(moment):
        if settings.USE_TZ:
            raise ValueError(f"{what} {moment!r} has no time zone: use django.utils.timezone")
        moment = timezone.make_aware(moment)
    return moment.astimezone(UTC)


def moment_of(time_us: int) -> datetime:
    """The time of a journal entry. A damaged one may have any number: the result is from 1970 to 9999."""
    return datetime.fromtimestamp(min(max(time_us, 0), _YOUNGEST_US) / 1_000_000, UTC)


def parse_time(text: str, *, now: datetime | None = None) -> datetime:
    """Returns an aware datetime for "now", "oldest", "2 days ago", "2026-05-01" or "2026-05-01 14:02" (local time).

    Never before OLDEST. Raises ValueError with what can be written.
    """
    try:
        moment = _parse(text.strip(), now or utc_now())
        if moment is not None:
            aware = moment if timezone.is_aware(moment) else timezone.make_aware(moment)
            return max(aware.astimezone(UTC), OLDEST)
    except (ValueError, OverflowError):  # 30 February, a million years ago
        pass
    raise ValueError(f'{text!r} is not a time: write "now", "oldest", "2 days ago" or "2026-05-01 14:02"')


def _parse(text: str, now: datetime) -> datetime | None:
    if text in {"now", "oldest"}:
        return now if text == "now" else OLDEST
    if match := AGO.fullmatch(text):
        return now - timedelta(**{f"{match[2]}s": int(match[1])})
    if moment := parse_datetime(text):
        return moment
    day = parse_date(text)
    return datetime(day.year, day.month, day.day) if day else None
