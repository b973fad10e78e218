"""Adds SERIES events to the rows of their minute, hour and day, and to what was counted since ever.

The engine's own channel: no setting makes it. Rows change in the transaction that moves its position, so each event
counts exactly once.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, Final

from notifications.channels.base import Channel
from notifications.database import bounded_wait
from notifications.database.fast_sql import execute, table_of, time_value
from notifications.events.event import Event
from notifications.events.series_events import found_in
from notifications.models import Series
from notifications.models.series import Step
from notifications.utils.histogram import counts_of, text_of
from notifications.utils.sums import Sum

logger = logging.getLogger(__name__)

#: All labels of a series together, and those beyond MOST_LABELS.
ALL: Final = ""
OTHER: Final = "other"
#: Labels that a series may have in a minute, an hour, a day, and since ever.
MOST_LABELS: Final = 200
#: Series whose label "" is no sum of the others: their writers say what it is.
OWN_TOTALS: Final = frozenset({"waiting", "oldest", "lost", "dropped"})
#: The largest number of the column.
LARGEST: Final = 2**63 - 1
#: The key of PostgreSQL's lock: no other lock of ours has it.
LOCK: Final = 0x5345_5249_4553
TABLE: Final = table_of(Series)
PUT: Final = (
    f"INSERT INTO {TABLE} (step, start, name, label, count, total, highest, buckets)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
    " ON CONFLICT (name, step, start, label) DO UPDATE SET count = excluded.count, total = excluded.total,"
    " highest = excluded.highest, buckets = excluded.buckets"
)

#: Name, start, label.
Key = tuple[str, datetime, str]
Sums = dict[Key, Sum]


class SeriesChannel(Channel):
    """Takes many events at a time: one row of a day then changes once for all of them."""

    batch: ClassVar[int] = 50  # a thousand labels in each would lock SQLite for a quarter of a second
    transactional: ClassVar[bool] = True
    interval: ClassVar[float] = 1.0

    def deliver(self, events: Sequence[Event]) -> None:
        _add(sums_of(events))

    def prepare_delivery(self, events: Sequence[Event]) -> Callable[[], None]:
        return partial(_add, sums_of(events))


def sums_of(events: Iterable[Event]) -> Sums:
    """What the events add to each minute. One that says nothing sensible adds nothing."""
    sums: Sums = {}
    for event in events:
        try:
            found = found_in(event)
        except ValueError as error:
            logger.warning("A SERIES event of %s counts nothing: %s", event.time, error)
            continue
        for minute, name, label, each in found:
            _merge(sums, (name, minute, label), each)
            if label != ALL and name not in OWN_TOTALS:
                _merge(sums, (name, minute, ALL), each)
    return sums


def _merge(sums: Sums, key: Key, more: Sum) -> None:
    if (found := sums.get(key)) is None:
        found = sums[key] = Sum()
    found.merge(more)


def _add(minutes: Sums) -> None:
    """In the caller's transaction. Raises database errors."""
    if not minutes:
        return
    db = bounded_wait.connection()
    if db.vendor == "postgresql":  # followers of other machines; SQLite has one writer
        execute(db, "SELECT pg_advisory_xact_lock(%s)", [LOCK])
    rows: list[tuple[Any, ...]] = []
    for step in Step:
        sums = _by_start(minutes, step)
        known = _known(sums, step)
        for key, each in sorted(_folded(sums, known).items()):
            if key in known:
                each.merge(known[key])
            name, start, label = key
            count = min(each.count, LARGEST)
            values = (count, each.total, each.highest, text_of(each.buckets))
            rows.append((step.value, time_value(db, start), name, label, *values))
    with db.cursor() as cursor:
        cursor.executemany(PUT, rows)


def _by_start(minutes: Sums, step: Step) -> Sums:
    sums: Sums = {}
    for (name, minute, label), each in minutes.items():
        _merge(sums, (name, step.start_of(minute), label), each)
    return sums


def _known(sums: Sums, step: Step) -> Sums:
    """The rows of these series at these times."""
    names, starts = {name for name, _, _ in sums}, {start for _, start, _ in sums}
    rows = Series.objects.filter(step=step, start__in=starts, name__in=names)
    found = rows.values_list("name", "start", "label", "count", "total", "highest", "buckets")
    return {
        (name, start, label): Sum(count, total, highest, counts_of(text))
        for name, start, label, count, total, highest, text in found
    }


def _folded(sums: Sums, known: Mapping[Key, Sum]) -> Sums:
    """With labels that have no row, and find no free one, as OTHER."""
    labels: dict[tuple[str, datetime], set[str]] = {}
    for name, start, label in known:
        labels.setdefault((name, start), {ALL, OTHER}).add(label)
    folded: Sums = {}
    for (name, start, label), each in sums.items():
        there = labels.setdefault((name, start), {ALL, OTHER})
        shown = label if label in there or len(there) < MOST_LABELS + 2 else OTHER
        there.add(shown)
        _merge(folded, (name, start, shown), each)
    return folded
