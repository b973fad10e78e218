"""Times as people type them on a command line."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

AGO: Final = re.compile(r"(\d+)\s*(second|minute|hour|day|week)s?\s+ago")
OLDEST: Final = datetime(1970, 1, 1, tzinfo=UTC)


def parse_time(text: str, *, now: datetime | None = None) -> datetime:
    """An aware datetime from "now", "oldest", "2 days ago", "2026-05-01" or "2026-05-01 14:02" (local time).

    Raises ValueError that says what can be written.
    """
    now = now or timezone.now()
    if text in {"now", "oldest"}:
        return now if text == "now" else OLDEST
    if match := AGO.fullmatch(text.strip()):
        return now - timedelta(**{f"{match[2]}s": int(match[1])})
    try:
        moment = parse_datetime(text)
        day = None if moment else parse_date(text)
    except ValueError:
        moment = day = None
    if day is not None:
        moment = datetime(day.year, day.month, day.day)
    if moment is None:
        raise ValueError(f'{text!r} is no time: write "now", "oldest", "2 days ago" or "2026-05-01 14:02"')
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)
