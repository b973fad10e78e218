"""Numbers for people, in the project's language."""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Final

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import get_language

from notifications.utils import durations
from notifications.utils.times import utc_now

#: Nothing was measured.
NONE: Final = "–"
#: Makes a text of a value.
Words = Callable[[float], str]


def count(value: float) -> str:
    """ "0", "312", "12,345"; of a mean one decimal."""
    if value < 1000 and value == int(value):  # the same in each language, and most of them
        return str(int(value))
    return _rounded(value, 0 if value >= 9.95 or value == int(value) else 1)


def milliseconds(value: float) -> str:
    """ "4 ms", "412 ms", "1.2 s", "23 s"."""
    if value < 1:
        return "under 1 ms"
    if value < 999.5:
        return f"{value:.0f} ms"
    return f"{_rounded(value / 1000, 1 if value < 9_950 else 0)} s"


def seconds(value: float) -> str:
    """ "0 s", "under 1 s", "42 s", "3 min", "5 h"."""
    if 0 < value < 1:
        return "under 1 s"
    return durations.duration(value)


def optional(words: Words, value: float | None) -> str:
    """The words for a value, or for none."""
    return NONE if value is None else words(value)


def plural(number: float, one: str, many: str = "") -> str:
    """ "1 error", "12,345 errors"."""
    return f"{count(number)} {one if number == 1 else many or f'{one}s'}"


def fraction(value: float) -> str:
    """A small number with the digits that matter: "0", "0.02", "1.4", "37", "12,345"."""
    if value == 0 or value >= 10:
        return count(round(value))
    decimals = 1 if value >= 1 else 2 if value >= 0.1 else 3
    return _rounded(value, decimals).rstrip("0").rstrip(".,")


def _rounded(value: float, decimals: int) -> str:
    """Django's function cuts the digits off that it does not show."""
    return _formatted(round(value, decimals), decimals, get_language())


@lru_cache(maxsize=8192)
def _formatted(value: float, decimals: int, language: str | None) -> str:
    """A page has hundreds, nearly the same each time. Django asks for `language` itself: here it is part of the key."""
    return str(number_format(value, decimal_pos=decimals, force_grouping=True))


def clock(moment: datetime) -> str:
    """Local time, with the date if it is not today: "14:05", "29 Nov 14:05"."""
    local = timezone.localtime(moment)
    return date_format(local, "H:i" if local.date() == timezone.localdate(utc_now()) else "j M H:i")
