"""The events of one journal. Opens a new reader if one fails, and joins the shared one where that is."""

import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any, Generic, NamedTuple

from notifications.follow_journal.consumer import T
from notifications.follow_journal.lost_in_gap import Tally
from notifications.follow_journal.shared_reader import READ, Member, SharedReader
from notifications.journal import Entry, Gap, Journal, Reader


class Found(NamedTuple, Generic[T]):
    """Items with their entries, and the last entry read."""

    items: list[tuple[T, Entry]]
    last: Entry


class Feed(Generic[T]):
    """Reads after a position, or since a time, or from the oldest entry.

    `tally` sees each entry that is returned. `audit` and `reached` are for `Journal.open()`. Once it waits for new
    entries it joins `shared`.
    """

    def __init__(
        self,
        journal: Journal,
        parse: Callable[[Entry], T | None],
        *,
        after: str | None,
        since: datetime | None,
        follow: bool,
        audit: bool = False,
        tally: Tally | None = None,
        reached: Collection[str] = (),
        shared: SharedReader | None = None,
    ) -> None:
        self._journal, self._parse, self._shared = journal, parse, shared
        self._after, self._since, self._follow = after, since, follow
        self._start, self._audit = since, audit
        self._reader: Reader | None = None
        self._entries: deque[Entry] = deque()
        self._tally = tally
        self._rereads, self._reached = False, reached
        #: Whether no loss was noted since the last entry.
        self._is_clean = True
        #: Where entries were removed or damaged before they were read. The caller clears it.
        self.gaps: list[Gap] = []
        #: The number of entries too large to be events. The caller clears it.
        self.oversized = 0
        #: The time.monotonic() of the last entry, or when the reader was opened.
        self.last_read_at = time.monotonic()

    @property
    def exhausted(self) -> bool:
        """Whether the journal's end was reached. Never with `follow`."""
        return not self._entries and self._reader is not None and self._reader.exhausted

    @property
    def interval(self) -> float:
        """Seconds until the next read, if there is no descriptor."""
        return self._reader.interval if self._reader else 0.0

    def fileno(self) -> int | None:
        return self._reader.fileno() if self._reader else None

    def next(self, size: int, *, until: Entry | None = None) -> Found[T] | None:
        """Returns up to `size` items, or None if there is no entry. Reads nothing after the entry `until`.

        Raises OSError.
        """
        if not self._entries:
            self._entries.extend(self._read())
        if not self._entries:
            return None
        items: list[tuple[T, Entry]] = []
        while self._entries and len(items) < size:
            last = self._entries.popleft()
            item = None if self._was_read_before(last) else self._parse(last)
            if item is not None:
                items.append((item, last))
            if until is not None and last.position == until.position:
                break
        return Found(items, last)

    def rewind(self, after: str | None) -> None:
        """Read again after a position; None is where the feed began."""
        self.close()
        self._entries.clear()
        if self._tally:
            self._tally.forget()
        self._after, self._since, self._is_clean = after, None if after else self._start, False

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
        self._reader = None

    def _read(self) -> list[Entry]:
        if isinstance(self._reader, Member) and self._reader.is_over:
            self.close()
        try:
            reader = self._reader = self._reader or self._open()
            entries = reader.read(READ)
        except OSError:
            self.close()
            raise
        if entries or reader.oversized:
            self.last_read_at = time.monotonic()
        is_clean = not self._note_losses(reader, entries)
        self._is_clean = is_clean and (bool(entries) or self._is_clean)
        if entries:
            self._after, self._since = entries[-1].position, None
        elif self._shared and self._is_clean and reader.follows:
            self._join(self._shared)
        return entries

    def _join(self, shared: SharedReader) -> None:
        """Goes on with the shared reader, if that has read as far."""
        if member := shared.join(self._after):
            self.close()
            self._reader = member

    def _was_read_before(self, entry: Entry) -> bool:
        """Whether the entry comes again after a gap, by its number. Passes it to the tally."""
        if self._tally is None:
            return False
        was_read = self._tally.has_passed(entry) if self._rereads else False
        if self._rereads and was_read is False:
            self._rereads = False
            self._tally.end_gap(entry)
        self._tally.passed(entry)
        return bool(was_read)

    def _note_losses(self, reader: Reader, entries: Sequence[Entry]) -> bool:
        """Returns whether there were any."""
        gaps = reader.take_gaps()
        if reader.skipped and not gaps:
            gaps = [Gap(self._after or "", f"{reader.skipped} entries were damaged")]
            reader.skipped = 0
        for gap in gaps:
            until_us = gap.until_us or (entries[-1].time_us if entries else None)
            self._note_gap(replace(gap, until_us=None if gap.rereads else until_us))
        oversized, reader.oversized = reader.oversized, 0
        self.oversized += oversized
        return bool(gaps or oversized)

    def _note_gap(self, gap: Gap) -> None:
        self.gaps.append(self._tally.add_gap(gap) if self._tally else gap)
        self._rereads = self._rereads or gap.rereads

    def _open(self) -> Reader:
        self.last_read_at = time.monotonic()
        options: dict[str, Any] = {"follow": self._follow, "audit": self._audit, "thorough": True}
        open_now = partial(self._journal.open, **options, reached=self._reached)
        self._reached = ()
        try:
            return open_now(after=self._after, since=self._since)
        except ValueError as error:  # a position of another journal, or an invalid one
            self._is_clean = False
            reason = f"the position cannot be read ({error}); started at the oldest entry"
            self._note_gap(Gap(self._after or "", reason, rereads=True))
            return open_now()
