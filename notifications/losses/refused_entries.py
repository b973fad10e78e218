"""Counts refused entries, with an example of each kind, in a bounded number of rows."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

from notifications.database import bounded_wait
from notifications.database.fast_sql import table_of, time_value
from notifications.events.encoding import text_event_of
from notifications.journal import Entry, as_text
from notifications.losses.base_consumer import Observer
from notifications.losses.observed_entry import Observed, author_of, visible
from notifications.models import Refusal
from notifications.utils import graphemes
from notifications.utils.times import moment_of

FOREIGN: Final = "written by another user"
NO_CHANNEL: Final = "no channel of this name"
MALFORMED: Final = "no event name, or not the one that its message begins with"
NO_SERIES: Final = "no series that can be counted"
TOO_LARGE: Final = "larger than 1 MiB"
PLAIN: Final = "plain text does not reach this channel"
REST: Final = ("more kinds than are kept apart", "…", "…")
MOST_ROWS: Final = 1000
LONGEST: Final = 500
TABLE: Final = table_of(Refusal)
ADD: Final = (
    f"INSERT INTO {TABLE} (machine, journal, reason, name, author, count, since, until, example)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
    " ON CONFLICT (machine, journal, reason, name, author) DO UPDATE SET"
    f" count = {TABLE}.count + excluded.count, until = excluded.until, example = excluded.example"
)

#: Reason, name, author.
Kind = tuple[str, str, str]


class Refusals:
    """The refused entries of one batch. `save()` adds them to the journal's rows."""

    def __init__(self, machine: str, journal: str) -> None:
        self._machine, self._journal = machine, journal
        self._counts: dict[Kind, tuple[int, int, int, str]] = {}

    def add(self, reason: str, entry: Entry, *, name: str = "") -> None:
        """Counts an entry. Pass a `name` only if a trusted user wrote it, or a channel has it."""
        message = as_text(entry.fields.get("MESSAGE"))
        example = graphemes.first(message, LONGEST)
        self._count((reason, name, author_of(entry.fields)), 1, entry.time_us, entry.time_us, example)

    def add_too_large(self, count: int, time: int) -> None:
        """Counts entries that were too large to be read."""
        self._count((TOO_LARGE, "", "unknown"), count, time, time, "")

    def _count(self, kind: Kind, count: int, since: int, until: int, example: str) -> None:
        before, first, last, _ = self._counts.get(kind, (0, since, until, ""))
        self._counts[kind] = before + count, min(first, since), max(last, until), example

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._counts)

    def save(self) -> None:
        """Raises database errors."""
        if not self._counts:
            return
        self._fold_into_rest()
        connection = bounded_wait.connection()
        rows = [self._row(connection, kind, *values) for kind, values in sorted(self._counts.items())]
        with connection.cursor() as cursor:
            cursor.executemany(ADD, rows)

    def _fold_into_rest(self) -> None:
        """Counts kinds as REST if no row is free for them."""
        ours = Refusal.objects.filter(machine=self._machine, journal=self._journal)
        known = set(ours.values_list("reason", "name", "author"))
        free = max(MOST_ROWS - len(known), 0)
        for kind in [kind for kind in self._counts if kind not in known][free:]:
            self._count(REST, *self._counts.pop(kind))

    def _row(
        self, connection: BaseDatabaseWrapper, kind: Kind, count: int, since: int, until: int, example: str
    ) -> tuple[Any, ...]:
        times = (time_value(connection, moment_of(time)) for time in (since, until))
        return (self._machine, self._journal, *kind, count, *times, graphemes.first(visible(example), LONGEST))


class TextRefusals(Observer):
    """Counts plain lines "OPS: …" for channels that accept no plain lines. `names()` returns these channels."""

    def __init__(self, machine: str, journal: str, names: Callable[[], Collection[str]]) -> None:
        super().__init__("REFUSED")
        self._machine, self._journal, self._names = machine, journal, names

    def observe(self, entry: Entry) -> Observed | None:
        """Returns None for all other lines."""
        event = text_event_of(entry)
        if event is None or event.name not in self._names():
            return None
        return Observed(event.name, event.text, event.time, entry, author_known=False)

    def prepare_delivery(self, items: Sequence[Observed], /) -> Callable[[], None]:
        refusals = Refusals(self._machine, self._journal)
        for observed in items:
            refusals.add(PLAIN, observed.entry, name=observed.name)
        return refusals.save
