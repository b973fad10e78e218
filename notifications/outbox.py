"""Writes entries to the journal without waiting: what the journal cannot take now waits in a bounded queue.

Beyond that entries are dropped and counted, and the count is told as one more entry once the journal takes them again.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from notifications.bounded_queue import BoundedQueue, TryAgain
from notifications.forks import renew_after_fork
from notifications.journal import EntryTooLarge, Journal

logger = logging.getLogger(__name__)

QUEUE_BYTES: Final = 8 * 1024 * 1024
#: Seconds. Short, because a socket that was full (10 datagrams, where net.unix.max_dgram_qlen is) is soon empty.
FIRST_DELAY: Final = 0.001
LONGEST_DELAY: Final = 1.0
#: A record of no bytes, which weighs nothing and so always fits: what was lost up to here is told in its place.
REPORT: Final = b""

#: Makes the entry that tells a loss: reason, number of entries, since when, until when.
LostEntry = Callable[[str, int, datetime, datetime], Mapping[str, str]]


class Outbox:
    """One for each process and journal. Any thread may write, also after a fork."""

    def __init__(self, journal: Journal, lost_entry: LostEntry) -> None:
        self.journal = journal
        self._lost_entry = lost_entry
        self._queue = BoundedQueue(self._write_again, maxsize=QUEUE_BYTES, weigh=len, name="journal")
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """What waits and what was lost is the parent's, and the parent tells it."""
        self._delay = FIRST_DELAY
        self._losses = Losses()
        self._report: bytes | None = None
        self._report_queued = False

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
        self._losses.add(reason)
        if not self._report_queued:
            self._report_queued = True
            self._queue.put(REPORT)

    def flush(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds until nothing is queued. Whether it is so."""
        return self._queue.flush(timeout)

    def _write_again(self, record: bytes) -> None:
        try:
            if record:
                self.journal.write(record)
            else:
                self._tell_losses()
        except EntryTooLarge:
            self.count_loss("larger than the journal takes")
        except OSError as error:
            delay, self._delay = self._delay, min(self._delay * 2, LONGEST_DELAY)
            raise TryAgain(delay) from error
        self._delay = FIRST_DELAY

    def _tell_losses(self) -> None:
        """Write one entry for each reason. Raises OSError; what could not be told is kept."""
        while report := self._report or self._next_report():
            self._report = report
            self.journal.write(report)
            self._report, self._report_queued = None, False

    def _next_report(self) -> bytes | None:
        """Made once, however often it is tried: each entry that is made has a number of its own."""
        loss = self._losses.take()
        return None if loss is None else self.journal.encode(self._lost_entry(*loss))


class Losses:
    """Entries lost and not yet told, by reason."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._counts: dict[str, tuple[int, datetime]] = {}

    def add(self, reason: str) -> None:
        """Count one."""
        with self._lock:
            count, since = self._counts.get(reason) or (0, datetime.now(UTC))
            self._counts[reason] = count + 1, since

    def take(self) -> tuple[str, int, datetime, datetime] | None:
        """Reason, number, since when and until when; forgotten here. None where nothing was lost."""
        with self._lock:
            if not self._counts:
                return None
            reason, (count, since) = self._counts.popitem()
        logger.warning("%d events were lost: %s", count, reason)
        return reason, count, since, datetime.now(UTC)
