"""Writes entries to the journal without waiting. An entry that the journal refuses now waits in a bounded queue.

On an event loop's thread an entry for a journal of files goes to the queue too: its thread writes it.

If the queue is full, entries are dropped and counted. The count is written as one LOST entry once the journal takes
entries again. At exit a process writes its losses, then END.
"""

import logging
import threading
from asyncio import _get_running_loop
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

from notifications.journal import EntryTooLarge, Journal
from notifications.utils.bounded_queue import BoundedQueue, TryAgain
from notifications.utils.forks import renew_after_fork

logger = logging.getLogger(__name__)

QUEUE_BYTES: Final = 8 * 1024 * 1024
#: Seconds between two tries of an entry, besides those that `write_patiently()` waits itself.
FIRST_DELAY: Final = 0.001
LONGEST_DELAY: Final = 0.1
#: Seconds at exit for LOST and END, however long the drain took.
END_SECONDS: Final = 1.0
#: Stands in the queue for a report of the losses. It weighs nothing, so it always fits.
REPORT: Final = b""

TOO_LARGE: Final = "larger than the journal takes"
QUEUE_FULL: Final = "the journal took nothing until the queue was full"
ENDED: Final = "the process ended before the journal took them"

#: Makes a LOST entry from the reason, the number of events, and the times of the first and last loss.
LostEntry = Callable[[str, int, datetime, datetime], Mapping[str, str]]


class Report(NamedTuple):
    """An encoded LOST or END, and the number of losses in it."""

    record: bytes
    lost: int


class Outbox:
    """One for each process and journal. Any thread may write, also after a fork."""

    def __init__(self, journal: Journal, lost_entry: LostEntry) -> None:
        self.journal = journal
        self._lost_entry = lost_entry
        #: The entries that wait.
        self.queue = BoundedQueue(
            self._write_again, maxsize=QUEUE_BYTES, weigh=len, name="journal", given_up=self._give_up
        )
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Forget queue and losses: they are the parent's, which reports them."""
        self._delay = FIRST_DELAY
        self._losses = Losses()
        self._report_queued = False
        self._report_lock = threading.RLock()
        self._unwritten: Report | None = None
        self._last_entry: Callable[[], Mapping[str, str]] | None = None
        self._end_timed_out = False

    def write(self, entry: Mapping[str, str]) -> None:
        """Write the entry now, or queue it, or count it as lost."""
        self.write_record(self.journal.encode(entry))

    def write_record(self, record: bytes) -> None:
        """The same of what the journal has encoded."""
        # Those that wait come first. And no event loop waits for a disk.
        if not self.queue and not (self.journal.uses_files and _get_running_loop()):
            try:
                self.journal.write(record)
            except EntryTooLarge:
                return self.count_loss(TOO_LARGE)
            except OSError:
                pass
            else:
                return None
        if not self.queue.put(record):
            self.count_loss(QUEUE_FULL)
        return None

    def count_loss(self, reason: str) -> None:
        """Count one lost entry. It is reported once the journal takes entries."""
        self._losses.add(reason)
        if not self._report_queued:
            self._report_queued = True
            self.queue.put(REPORT)

    def flush(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds until nothing is queued. Returns whether the queue is empty."""
        return self.queue.flush(timeout)

    def end(self, last_entry: Callable[[], Mapping[str, str]]) -> None:
        """Write the losses, then the entry that `last_entry()` makes. Waits at most END_SECONDS.

        Called at exit, after the queue was written or given up. What cannot be written now is tried until the process
        has ended.
        """
        self._last_entry = last_entry
        if not self.queue:
            try:
                return self._write_reports()
            except OSError:
                pass
        self.queue.put(REPORT)
        seconds = 0 if self._end_timed_out or self.queue.is_giving_up else END_SECONDS
        if not self.queue.flush(seconds) and not self._end_timed_out:
            self._end_timed_out = seconds > 0
            lost = self._losses.count + (self._unwritten.lost if self._unwritten else 0)
            logger.warning("%d events are lost: the process exits, and the journal does not take its report", lost)
        return None

    def _give_up(self, records: list[bytes]) -> None:
        if count := sum(record != REPORT for record in records):
            self._losses.add(ENDED, count)
        self.queue.put(REPORT)

    def _write_again(self, record: bytes) -> None:
        try:
            if record:
                self.journal.write_patiently(record)
            else:
                self._write_reports()
        except EntryTooLarge:
            self.count_loss(TOO_LARGE)
        except OSError as error:
            delay, self._delay = self._delay, min(self._delay * 2, LONGEST_DELAY)
            raise TryAgain(delay) from error
        self._delay, self._end_timed_out = FIRST_DELAY, False

    def _write_reports(self) -> None:
        """Write a LOST for each reason, then END if it is due. Raises OSError, and keeps what is left."""
        with self._report_lock:
            while report := self._unwritten or self._next_report():
                self._unwritten = report
                self.journal.write_patiently(report.record)
                self._unwritten, self._end_timed_out = None, False

    def _next_report(self) -> Report | None:
        """Called once per report, however often that is tried: each entry takes a number."""
        self._report_queued = False  # first: a loss counted from here on may miss this report
        loss = self._losses.take()
        if loss is not None:
            return Report(self.journal.encode(self._lost_entry(*loss)), loss[1])
        last_entry, self._last_entry = self._last_entry, None
        return Report(self.journal.encode(last_entry()), 0) if last_entry else None


class Losses:
    """Lost entries that are not reported yet, by reason."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._counts: dict[str, tuple[int, datetime]] = {}

    @property
    def count(self) -> int:
        with self._lock:
            return sum(count for count, _ in self._counts.values())

    def add(self, reason: str, count: int = 1) -> None:
        with self._lock:
            before, since = self._counts.get(reason) or (0, datetime.now(UTC))
            self._counts[reason] = before + count, since

    def take(self) -> tuple[str, int, datetime, datetime] | None:
        """Remove one reason. Returns it with its number and the times of the first loss and of now; or None."""
        with self._lock:
            if not self._counts:
                return None
            reason, (count, since) = self._counts.popitem()
        logger.warning("%d events were lost: %s", count, reason)
        return reason, count, since, datetime.now(UTC)
