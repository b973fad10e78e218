"""Reports: counts of events by name and day."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from typing import Final

from django.utils import timezone

from notifications.channels.base import Channel
from notifications.database import bounded_wait
from notifications.database.fast_sql import table_of
from notifications.events.event import Event
from notifications.models import ReportRow
from notifications.utils import graphemes
from notifications.utils.clean_text import clean

LONGEST_NAME: Final = 200
LARGEST: Final = 2**53
TABLE: Final = table_of(ReportRow)
ADD: Final = (
    f"INSERT INTO {TABLE} (name, day, count) VALUES (%s, %s, %s)"
    f" ON CONFLICT (day, name) DO UPDATE SET count = {TABLE}.count + excluded.count"
)


class Report(Channel):
    """Counts `emit("REPORT", "sign-up")` as one sign-up, and adds the numbers of `counts={"sign-up": 3, …}`."""

    batch = 500
    transactional = True
    harmless = True
    interval = 1.0  # a commit for each event would lock SQLite each time, while it waits for the disk

    def deliver(self, events: Sequence[Event]) -> None:
        _add(totals_of(events))

    def prepare_delivery(self, events: Sequence[Event]) -> Callable[[], None]:
        if type(self).deliver is not Report.deliver:  # a project's own, which expects a transaction
            return super().prepare_delivery(events)
        return partial(_add, totals_of(events))


def totals_of(events: Sequence[Event]) -> list[tuple[str, date, int]]:
    """How much the events add to each name and day. Sorted, so that two followers cannot deadlock."""
    totals: Counter[tuple[str, date]] = Counter()
    for event in events:
        day = timezone.localdate(event.time)
        for name, count in counts_of(event).items():
            totals[graphemes.first(clean(name), LONGEST_NAME), day] += count
    return [(name, day, count) for (name, day), count in sorted(totals.items())]


def _add(rows: Sequence[tuple[str, date, int]]) -> None:
    with bounded_wait.connection().cursor() as cursor:
        cursor.executemany(ADD, rows)


def counts_of(event: Event) -> dict[str, int]:
    """How much the event adds to each name: its `counts`, without what is no whole number; else its text, once."""
    counts = event.data.get("counts")
    if not isinstance(counts, dict):
        return {event.text: 1}
    return {name: count for name, count in counts.items() if type(count) is int and abs(count) < LARGEST}
