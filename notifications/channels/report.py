"""Reports: how often something happened, by name and day."""

from collections import Counter
from collections.abc import Sequence
from datetime import date
from typing import Final

from django.utils import timezone

from notifications.channels.base import Channel
from notifications.clean import clean
from notifications.events import Event
from notifications.raw import store

LONGEST_NAME: Final = 200
LARGEST: Final = 2**53
ADD: Final = (
    "INSERT INTO notifications_reportrow (name, day, count) VALUES (%s, %s, %s)"
    " ON CONFLICT (day, name) DO UPDATE SET count = notifications_reportrow.count + excluded.count"
)


class Report(Channel):
    """Counts `emit("REPORT", "sign-up")` as one, and `counts={"sign-up": 3, …}` as what it says."""

    batch = 500
    transactional = True
    harmless = True

    def deliver(self, events: Sequence[Event]) -> None:
        totals: Counter[tuple[str, date]] = Counter()
        for event in events:
            day = timezone.localdate(event.time)
            for name, count in _counts(event).items():
                totals[clean(name)[:LONGEST_NAME], day] += count
        connection = store.connection()
        with connection.cursor() as cursor:
            # In one order everywhere, so that two followers cannot lock each other out.
            cursor.executemany(ADD, [(name, day, count) for (name, day), count in sorted(totals.items())])


def _counts(event: Event) -> dict[str, int]:
    counts = event.data.get("counts")
    if not isinstance(counts, dict):
        return {event.text: 1}
    return {name: count for name, count in counts.items() if type(count) is int and abs(count) < LARGEST}
