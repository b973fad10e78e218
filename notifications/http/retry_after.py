"""Retry-After: how long a server asks us to wait."""

import math
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_tz
from typing import Any, Final

#: A year, in seconds: datetime overflows for very long waits.
LONGEST: Final = 366 * 24 * 3600.0
SECONDS: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
LONGEST_DATE: Final = 64


def asked(headers: Mapping[str, Any] | Message) -> float | None:
    """The seconds that an answer's Retry-After asks for: a number or a date. None if it is neither.

    Negative for a past date. The answer's own Date is "now" for the server, whose clock may differ from ours.
    """
    values = {name.lower(): str(value).strip() for name, value in headers.items()}
    value = values.get("retry-after", "")
    if SECONDS.fullmatch(value):
        return float(value)
    until, now = _moment(value), _moment(values.get("date", ""))
    return None if until is None else until - (time.time() if now is None else now)


def bounded(seconds: float) -> float:
    """The seconds between 0 and a year; 1.0 for NaN."""
    return 1.0 if math.isnan(seconds) else min(max(seconds, 0.0), LONGEST)


def _moment(date: str) -> float | None:
    """Seconds since 1970 of a date in any form of HTTP or mail: some servers write +0000 for GMT."""
    try:
        parts = parsedate_tz(date) if len(date) <= LONGEST_DATE else None
        return None if parts is None else datetime(*parts[:6], tzinfo=UTC).timestamp() - (parts[9] or 0)
    except (ValueError, OverflowError):
        return None
