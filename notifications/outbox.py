"""Writes entries to the journal without waiting: what the journal cannot take now waits in a bounded queue.

Beyond that entries are dropped and counted, and the count is told as one more entry once the journal takes them again.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from notifications.bounded_queue import BoundedQueue, TryAgain
from notifications.journal import EntryTooLarge, Journal

logger = logging.getLogger(__name__)

QUEUE_BYTES: Final = 8 * 1024 * 1024
FIRST_DELAY: Final = 0.02
LONGEST_DELAY: Final = 1.0
REPORT_INTERVAL: Final = 1.0

#: Makes the entry that tells a loss: reason, number of entries, since when, until when.
LostEntry = Callable[[str, int, datetime, datetime], Mapping[str, str]]


class Outbox:
    """One for each process and journal. Any thread may write, also after a fork."""

    def __init__(self, journal: Journal, lost_entry: LostEntry) -> None:
        self.journal = journal
        self.lost = Losses(lost_entry)
        self._delay = FIRST_DELAY
        self._queue = BoundedQueue(self._write_again, maxsize=QUEUE_BYTES, weigh=len, name="journal")

    def write(self, entry: Mapping[str, str]) -> None:
        """Write now, else queue, else count as lost."""
        record = self.journal.encode(entry)
        if not self._queue:  # else those that wait go first
            try:
                self.journal.write(record)
            except EntryTooLarge:
                return self.count_loss("larger than the journal takes")
            except OSError:
                pass
            else:
                return None
        if not self._queue.put(record):
            self.count_loss("the journal took nothing until the queue was full")
        return None

    def count_loss(self, reason: str) -> None:
        """Count one lost entry; it is told once the journal takes entries."""
        self.lost.add(reason)
        if not self._queue:
            self._queue.put(b"")  # wakes the thread, which tells

    def flush(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds until nothing is queued. Whether it is so."""
        return self._queue.flush(timeout)

    def _write_again(self, record: bytes) -> None:
        try:
            if record:
                self.journal.write(record)
            if len(self._queue) <= 1 or self.lost.report_is_due():
                self.lost.report(self.journal)
        except EntryTooLarge:
            self.lost.add("larger than the journal takes")
        except OSError as error:
            self._delay = min(self._delay * 2, LONGEST_DELAY)
            raise TryAgain(self._delay) from error
        self._delay = FIRST_DELAY


class Losses:
    """Entries lost since the last report, by reason."""

    def __init__(self, lost_entry: LostEntry) -> None:
        self._lost_entry = lost_entry
        self._lock = threading.RLock()
        self._counts: dict[str, int] = {}
        self._since = datetime.now(UTC)
        self._next_report = 0.0

    def add(self, reason: str) -> None:
        with self._lock:
            if not self._counts:
                self._since = datetime.now(UTC)
            self._counts[reason] = self._counts.get(reason, 0) + 1

    def report_is_due(self) -> bool:
        return bool(self._counts) and time.monotonic() >= self._next_report

    def report(self, journal: Journal) -> None:
        """Write one entry for each reason. Raises OSError; what could not be told is kept."""
        self._next_report = time.monotonic() + REPORT_INTERVAL
        while self._counts:
            with self._lock:
                reason, count = next(iter(self._counts.items()))
            journal.write(journal.encode(self._lost_entry(reason, count, self._since, datetime.now(UTC))))
            logger.warning("%d events were lost: %s", count, reason)
            with self._lock:
                self._counts[reason] -= count
                if not self._counts[reason]:
                    del self._counts[reason]
