"""Reads SERIES events. Their writers are trusted, and may be of another release, or mistaken."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from notifications.events.event import Event
from notifications.events.series import LONGEST_LABEL, NAMES
from notifications.utils import graphemes
from notifications.utils.clean_text import clean
from notifications.utils.histogram import BUCKETS, counts_of
from notifications.utils.sums import Sum

#: A minute is taken for that of the event itself if it is further away: then a clock was set.
LONGEST_AGO: Final = timedelta(days=2)
LONGEST_AHEAD: Final = timedelta(minutes=2)
#: No series has more in a minute. Sums of many of them still fit a column.
LARGEST: Final = 2**53
LONGEST_TEXT: Final = 1000
#: The most labels of one event.
MOST_LABELS: Final = 5000


class Found(NamedTuple):
    """One label of one series in one minute."""

    minute: datetime
    name: str
    label: str
    sum: Sum


def found_in(event: Event) -> list[Found]:
    """What a SERIES event says. Raises ValueError: then nothing of it is to be counted."""
    minute = _minute_of(event)
    names = event.data.get("series")
    if not isinstance(names, dict) or not all(isinstance(labels, dict) for labels in names.values()):
        raise ValueError("series are no objects of objects")
    if sum(map(len, names.values())) > MOST_LABELS:
        raise ValueError("too many labels")
    return list(_found(minute, names))


def _found(minute: datetime, names: dict[str, dict[str, Any]]) -> Iterator[Found]:
    for name in names.keys() & NAMES:  # a newer release may have more
        for label, values in names[name].items():
            yield Found(minute, name, graphemes.first(clean(label), LONGEST_LABEL), _sum_of(values))


def _minute_of(event: Event) -> datetime:
    seconds = event.data.get("minute")
    if type(seconds) is not int:
        raise ValueError("its minute is no whole number")
    written = event.time.replace(second=0, microsecond=0)
    earliest, latest = written - LONGEST_AGO, written + LONGEST_AHEAD
    if not earliest.timestamp() <= seconds <= latest.timestamp():
        return written
    return datetime.fromtimestamp(seconds // 60 * 60, UTC)


def _sum_of(values: Any) -> Sum:
    if not isinstance(values, list) or len(values) != 4:
        raise ValueError("values are not count, total, highest and buckets")
    count, total, highest, text = values
    if type(count) is not int or not 0 <= count < LARGEST:
        raise ValueError("a count is no whole number")
    for number in (total, highest):
        if type(number) not in {int, float} or not 0 <= number < LARGEST:
            raise ValueError("a value is no number")
    if not isinstance(text, str) or len(text) > LONGEST_TEXT or not text.isascii():
        raise ValueError("buckets are no text")
    buckets = counts_of(text)
    if len(buckets) > BUCKETS or not all(0 <= each < LARGEST for each in buckets):
        raise ValueError("buckets are no histogram")
    return Sum(count, float(total), float(highest), buckets)
