"""What looks like an event and was not delivered: counted, with an example, in a bounded number of rows."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

from notifications.accounting.observed import Observed, author_of, visible
from notifications.channels.base import Channel
from notifications.events import Event, text_event_of
from notifications.journal import Entry, as_text
from notifications.models import Refusal
from notifications.raw import store
from notifications.sql import time_value
from notifications.times import moment_of

FOREIGN: Final = "written by another user"
NO_CHANNEL: Final = "no channel of this name"
MALFORMED: Final = "no event name, or not the one that its message begins with"
TOO_LARGE: Final = "larger than 1 MiB"
PLAIN: Final = "plain text does not reach this channel"
REST: Final = ("more kinds than are kept apart", "…", "…")
MOST_ROWS: Final = 1000
LONGEST: Final = 500
ADD: Final = (
    "INSERT INTO notifications_refusal (machine, journal, reason, name, author, count, since, until, example)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
    " ON CONFLICT (machine, journal, reason, name, author) DO UPDATE SET"
    " count = notifications_refusal.count + excluded.count, until = excluded.until, example = excluded.example"
)

#: Reason, name, author.
Kind = tuple[str, str, str]


class Refusals:
    """Those of one batch. `save()` adds them to the rows of the journal."""

    def __init__(self, machine: str, journal: str) -> None:
        self._machine, self._journal = machine, journal
        self._counts: dict[Kind, tuple[int, int, int, str]] = {}

    def add(self, reason: str, entry: Entry, *, name: str = "") -> None:
        """Count an entry. `name` only where somebody who is trusted has written it, or it is that of a channel."""
        message = as_text(entry.fields.get("MESSAGE"))
        self._count((reason, name, author_of(entry.fields)), 1, entry.time_us, message[:LONGEST])

    def add_unseen(self, reason: str, count: int, time: int) -> None:
        """Count entries that could not be read."""
        self._count((reason, "", "unknown"), count, time, "")

    def _count(self, kind: Kind, count: int, time: int, example: str) -> None:
        before, since, until, _ = self._counts.get(kind, (0, time, time, ""))
        self._counts[kind] = before + count, min(since, time), max(until, time), example

    def save(self) -> None:
        """Raises what the database raises."""
        if not self._counts:
            return
        self._fold()
        connection = store.connection()
        rows = [self._row(connection, kind, *values) for kind, values in sorted(self._counts.items())]
        with connection.cursor() as cursor:
            cursor.executemany(ADD, rows)
        self._counts.clear()

    def _fold(self) -> None:
        """Count together what would be more rows than are kept."""
        ours = Refusal.objects.filter(machine=self._machine, journal=self._journal)
        known = set(ours.values_list("reason", "name", "author"))
        free = max(MOST_ROWS - len(known), 0)
        for kind in [kind for kind in self._counts if kind not in known][free:]:
            count, since, until, example = self._counts.pop(kind)
            self._count(REST, count, since, example)
            self._count(REST, 0, until, example)

    def _row(self, connection: Any, kind: Kind, count: int, since: int, until: int, example: str) -> tuple[Any, ...]:
        times = (time_value(connection, moment_of(time)) for time in (since, until))
        return (self._machine, self._journal, *kind, count, *times, visible(example)[:LONGEST])


class TextRefusals(Channel):
    """Counts plain lines "OPS: …" whose channel does not take them. `names()` are the channels that do not."""

    batch = 2000
    transactional = True
    interval = 1.0

    def __init__(self, machine: str, journal: str, names: Callable[[], Collection[str]]) -> None:
        super().__init__("REFUSED")
        self._machine, self._journal, self._names = machine, journal, names

    def observe(self, entry: Entry) -> Observed | None:
        """None for all other lines, which are nobody's business."""
        event = text_event_of(entry)
        if event is None or event.name not in self._names():
            return None
        return Observed(event.name, event.text, event.time, author_known=False, entry=entry)

    def deliver(self, events: Sequence[Event]) -> None:
        refusals = Refusals(self._machine, self._journal)
        for event in events:
            if isinstance(event, Observed):
                refusals.add(PLAIN, event.entry, name=event.name)
        refusals.save()
