"""A journal in the memory of this process: for tests."""

import time
from collections import deque
from collections.abc import Mapping
from datetime import datetime
from itertools import islice
from threading import Lock

from notifications.journal.base import Entry, Found, Gap, Journal, Reader, ReadOptions
from notifications.journal.json_header import dump_header
from notifications.journal.json_lines import dump_fields, parse
from notifications.utils.forks import renew_after_fork


class MemoryJournal(Journal):
    """Positions are the numbers of the entries, from 1. Above `max_entries` the oldest entries are removed."""

    def __init__(self, *, max_entries: int | None = None) -> None:
        self.url = "memory://"
        self._lines: deque[tuple[int, bytes]] = deque(maxlen=max_entries)
        self._last = 0
        self._lock = Lock()
        renew_after_fork(self)

    def after_fork(self) -> None:
        self._lock = Lock()

    def encode(self, fields: Mapping[str, str]) -> bytes:
        return dump_fields(fields)

    def write(self, record: bytes) -> None:
        with self._lock:
            now_us = time.time_ns() // 1000
            self._lines.append((now_us, dump_header(now_us) + record))
            self._last += 1

    def _reader(self, options: ReadOptions) -> "MemoryReader":
        return MemoryReader(self, options)

    def find(self, field: str, value: str, *, since: datetime, most: int, seconds: float) -> Found:
        before, last = self.range()
        since_us = int(since.timestamp() * 1e6)
        ours = [each for each in self.entries(before, last - before) if each.fields.get(field) == value]
        found = [each for each in ours if each.time_us >= since_us]
        return Found(found[-most:], len(found) <= most)

    def clear(self) -> None:
        """Removes all entries. Positions count on, so a reader that had read them sees no gap."""
        with self._lock:
            self._lines.clear()

    def close(self) -> None:
        """The entries stay."""

    def range(self) -> tuple[int, int]:
        """The positions just before the oldest entry and of the newest."""
        with self._lock:
            return self._last - len(self._lines), self._last

    def entries(self, after: int, limit: int) -> list[Entry]:
        """Returns up to `limit` entries after a position that is not older than the oldest entry."""
        with self._lock:
            before = self._last - len(self._lines)
            lines = list(islice(self._lines, max(after - before, 0), max(after - before, 0) + limit))
        start = max(after, before) + 1
        return [Entry(str(start + n), us, parse(line) or {}) for n, (us, line) in enumerate(lines)]


class MemoryReader(Reader):
    interval = 0.05

    def __init__(self, journal: MemoryJournal, options: ReadOptions) -> None:
        self._journal = journal
        self._follow = options.follow
        self._since_us = options.since_us
        before, _ = journal.range()
        self._position = before if options.after is None else _number(options.after)

    def read(self, limit: int) -> list[Entry]:
        self._look_for_gap()
        entries = self._journal.entries(self._position, limit)
        if entries:
            self._position = int(entries[-1].position)
        self.exhausted = not self._follow and self._position >= self._journal.range()[1]
        return self._newer(entries, limit)

    def _newer(self, entries: list[Entry], limit: int) -> list[Entry]:
        """Removes what is older than `since`. Only at the start, because the clock may be set back later."""
        if not self._since_us or not entries:
            return entries
        newer = [entry for entry in entries if entry.time_us >= self._since_us]
        if not newer:
            return self.read(limit)
        self._since_us = 0
        return entries[entries.index(newer[0]) :]

    def _look_for_gap(self) -> None:
        before, last = self._journal.range()
        if before <= self._position <= last:
            return
        count = before - self._position if self._position < before else None
        self.note_gap(Gap(str(self._position), "entries were removed before they were read", count))
        self._position = before

    def fileno(self) -> int | None:
        return None

    def close(self) -> None:
        """Nothing is held."""


def _number(position: str) -> int:
    if not (position.isascii() and position.isdigit()):
        raise ValueError(f"{position!r} is not a position of a memory journal; those are numbers from 0.")
    return int(position)
