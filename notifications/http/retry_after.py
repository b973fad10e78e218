"""Retry-After: how long a server asks us to wait."""

import math
import re
import time
from typing import Final

from django.utils.http import parse_http_date_safe

#: A year, in seconds: datetime overflows for very long waits.
LONGEST: Final = 366 * 24 * 3600.0
SECONDS: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


def parse(value: str | None) -> float | None:
    """The seconds in a header: a number or a date. None if it is neither; negative for a past date."""
    value = (value or "").strip()
    if SECONDS.fullmatch(value):
        return float(value)
    date = parse_http_date_safe(value)
    return None if date is None else date - time.time()


def bounded(seconds: float) -> float:
    """The seconds between 0 and a year; 1.0 for NaN."""
    return 1.0 if math.isnan(seconds) else min(max(seconds, 0.0), LONGEST)
