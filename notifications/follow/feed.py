"""The events of one journal, over readers that come and go."""

import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple

from notifications.events import Event
from notifications.journal import Entry, Gap, Journal, Reader

READ: Final = 1000


class Found(NamedTuple):
    """Events with their entries, and the last entry that was read on the way to them."""

    events: list[tuple[Event, Entry]]
    last: Entry


class Feed:
    """Reads from a position, or since a time, else from the oldest entry; opens a new reader where one fails.

    `audit`: see `Journal.open()`.
    """

    def __init__(
        self,
        journal: Journal,
        parse: Callable[[Entry], Event | None],
        *,
        after: str | None,
        since: datetime | None,
        follow: bool,
        audit: bool = False,
    ) -> None:
        self._journal, self._parse = journal, parse
        self._after, self._since, self._follow = after, since, follow
        self._start, self._audit = since, audit
        self._reader: Reader | None = None
        self._entries: deque[Entry] = deque()
        #: Set when entries were removed before they were read. The caller clears it.
        self.gap: Gap | None = None
        #: Entries that were too large to be anybody's events. The caller clears it.
        self.oversized = 0
        #: When the last entry came, or the reader was opened; time.monotonic().
        self.heard_at = time.monotonic()

    @property
    def exhausted(self) -> bool:
        """Whether the end was reached; only ever without `follow`."""
        return not self._entries and self._reader is not None and self._reader.exhausted

    @property
    def interval(self) -> float:
        """Seconds after which to look again where there is no descriptor."""
        return self._reader.interval if self._reader else 0.0

    def fileno(self) -> int | None:
        return self._reader.fileno() if self._reader else None

    def next(self, size: int, *, until: Entry | None = None) -> Found | None:
        """Up to `size` events, fewer where no more are there; None where nothing is. Raises OSError.

        `until`: an entry behind which nothing is taken.
        """
        if not self._entries:
            self._entries.extend(self._read())
        if not self._entries:
            return None
        events: list[tuple[Event, Entry]] = []
        while self._entries and len(events) < size:
            last = self._entries.popleft()
            event = self._parse(last)
            if event is not None:
                events.append((event, last))
            if until is not None and last.position == until.position:
                break
        return Found(events, last)

    def rewind(self, after: str | None) -> None:
        """Read again from a position on; None is where it all began."""
        self.close()
        self._entries.clear()
        self._after, self._since = after, None if after else self._start

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader = None

    def _read(self) -> list[Entry]:
        try:
            reader = self._reader = self._reader or self._open()
            entries = reader.read(READ)
        except OSError:
            self.close()
            raise
        if entries or reader.oversized:
            self.heard_at = time.monotonic()
        self._note_losses(reader)
        if entries:
            self._after, self._since = entries[-1].position, None
        return entries

    def _note_losses(self, reader: Reader) -> None:
        if reader.gap is not None:
            self.gap, reader.gap = reader.gap, None
        elif reader.skipped:
            self.gap = Gap(self._after or "", f"{reader.skipped} entries were damaged")
            reader.skipped = 0
        self.oversized += reader.oversized
        reader.oversized = 0

    def _open(self) -> Reader:
        self.heard_at = time.monotonic()
        try:
            return self._journal.open(after=self._after, since=self._since, follow=self._follow, audit=self._audit)
        except ValueError as error:  # a position of another journal, or none at all
            self.gap = Gap(self._after or "", f"the position cannot be read ({error}); started at the oldest entry")
            return self._journal.open(follow=self._follow, audit=self._audit)
