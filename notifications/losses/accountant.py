"""The accountant reads every entry of the events journal, and finds missing events and refused entries."""

import logging
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Final

from notifications.conf import conf
from notifications.database import bounded_wait
from notifications.database.transactions import atomic
from notifications.events import process_token
from notifications.events.event import RESERVED
from notifications.journal import Entry, Gap, as_text
from notifications.losses import found_losses
from notifications.losses.audit import Audit
from notifications.losses.base_consumer import Observer
from notifications.losses.gone_processes import find_gone
from notifications.losses.missing_numbers import Run
from notifications.losses.observed_entry import Observed
from notifications.losses.refused_entries import Refusals
from notifications.losses.report_losses import report_new_losses
from notifications.losses.series_of_losses import write_series
from notifications.losses.when_to_give_up import JournalTime
from notifications.losses.writers import Writers, WriterState
from notifications.models import Loss
from notifications.utils.times import moment_of

logger = logging.getLogger(__name__)

#: The most unknown names to warn about.
MOST_WARNED: Final = 100
#: Seconds between two searches for gone processes, and between two reports.
PAUSE: Final = 10.0
#: Seconds between two deletions of old rows.
HOUR: Final = 3600.0
#: The most gaps to remember.
MOST_GAPS: Final = 20
#: Microseconds. The journal's end is reached if the last entry is younger.
RECENT: Final = 10_000_000


class Accountant(Observer):
    """One for each journal, with its own follower. `channels()` returns the names that events may have.

    Its state is in the database and changes in one transaction with its position: it may be killed at any time.
    """

    def __init__(
        self,
        machine: str,
        journal: str,
        channels: Callable[[], Collection[str]],
        *,
        alert: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__("LOST")
        self._machine, self._journal, self._channels, self._alert = machine, journal, channels, alert
        self._clock, self._trusted = clock, conf.trusted_uids
        self._writers: Writers | None = None
        self._time = JournalTime(direct=not journal.startswith("journald:"))
        self._undated_gap, self._oversized = False, 0
        #: Times of gaps. Their own Loss counts what is missing there.
        self._dated_gaps: deque[tuple[int, int]] = deque(maxlen=MOST_GAPS)
        self._warned: set[str] = set()
        self._next_search = self._next_report = self._next_deletion = 0.0

    def observe(self, entry: Entry) -> Observed:
        """Returns the item for `deliver()`. Never None: every entry moves the position."""
        name = entry.fields.get("PROPPY_EVENT")
        return Observed(
            name if isinstance(name, str) else "",
            as_text(entry.fields.get("MESSAGE")),
            moment_of(entry.time_us),
            entry,
            id=as_text(entry.fields.get("PROPPY_ID")),
        )

    def gap_seen(self, gap: Gap) -> None:
        """Entries were removed or damaged before they were read. The follower reports that.

        Numbers missing from that time are part of its report. If the gap has no times, any number may come next.
        """
        if gap.since_us is None or gap.until_us is None:
            self._undated_gap = True
        else:
            self._dated_gaps.append((gap.since_us, gap.until_us))

    def oversized(self, count: int) -> None:
        """This many entries were larger than any event."""
        self._oversized += count

    def prepare_delivery(self, items: Sequence[Observed], /) -> Callable[[], None]:
        now = self._clock()
        writers, refusals = self._take_writers(), Refusals(self._machine, self._journal)
        names = {*self._channels(), *RESERVED}
        audit = Audit(writers, refusals, self._time, self._trusted, names, lenient=self._undated_gap)
        for observed in items:
            audit.check(observed)
        self._warn(audit.unknown)
        at_end = self._time.has_passed(_microseconds(now) - RECENT)
        losses = audit.losses + self._find(writers, refusals, now, at_end=at_end)

        def write() -> None:
            self._save(writers, refusals, losses, dropped=audit.losses)
            bounded_wait.connection().on_commit(lambda: self._report_if_due(now), robust=True)

        return write

    def _warn(self, names: Collection[str]) -> None:
        """Warns once about each name: it may be misspelt."""
        for name in sorted(set(names) - self._warned)[: MOST_WARNED - len(self._warned)]:
            logger.warning("no channel is called %s: its events are refused; see Refused entries in the admin", name)
            self._warned.add(name)

    def idle(self) -> None:
        now = self._clock()
        self._time.end_reached(_microseconds(now))
        if now >= self._next_search or self._undated_gap:
            self._search(now)
        self._report_if_due(now)

    def _search(self, now: float) -> None:
        """Look for losses, and save what is found: an empty transaction would lock SQLite all the same."""
        writers, refusals = self._take_writers(), Refusals(self._machine, self._journal)
        losses = self._find(writers, refusals, now, at_end=True)
        if losses or refusals or writers.has_changes:
            with atomic():
                self._save(writers, refusals, losses)
        else:
            self._writers = writers

    def _take_writers(self) -> Writers:
        """The writers as in the database. _save() puts them back after the commit."""
        writers, self._writers = self._writers, None
        return writers or Writers(self._machine, self._journal)

    def _find(self, writers: Writers, refusals: Refusals, now: float, *, at_end: bool) -> list[Loss]:
        """Returns overdue numbers. At the journal's end it also searches for gone processes. It writes nothing."""
        if self._undated_gap:
            writers.forget_numbers()
        if self._oversized:
            refusals.add_too_large(self._oversized, _microseconds(now))
        losses = list[Loss]()
        if at_end:
            writers.end_reached()
            losses += self._find_gone(writers, now)
        return losses + self._find_missing(writers)

    def _save(
        self, writers: Writers, refusals: Refusals, losses: list[Loss], *, dropped: Collection[Loss] = ()
    ) -> None:
        """In the caller's transaction. `dropped`: those of the losses that processes reported."""
        oversized = self._oversized
        Loss.objects.bulk_create(losses, ignore_conflicts=True)
        writers.save()
        refusals.save()

        def committed() -> None:
            self._writers, self._undated_gap = writers, False
            self._oversized -= oversized
            self._next_report = 0.0 if losses else self._next_report
            write_series(losses, dropped)

        bounded_wait.connection().on_commit(committed)

    def _find_missing(self, writers: Writers) -> list[Loss]:
        is_final, losses = self._time.is_final, list[Loss]()
        for writer in writers:
            if runs := [run for run in writer.give_up(is_final) if not self._is_in_a_gap(writer, run)]:
                losses += found_losses.missing(writer, self._journal, runs, writers.suppressions.reason_of)
        holes = [(writer.origin, run) for writer in writers for run in writer.numbers.runs]
        for each in writers.suppressions.take_unexplained(is_final, holes):
            if each.unit in writers.units:
                losses.append(found_losses.plain_lines(each, self._journal))
        return losses

    def _is_in_a_gap(self, writer: WriterState, run: Run) -> bool:
        """Whether the Loss of a gap includes these numbers."""
        birth = process_token.birth_of(writer.token)
        since = run.since or (process_token.time_of(birth) if birth else None) or run.until
        return any(since < gap_until and gap_since < run.until for gap_since, gap_until in self._dated_gaps)

    def _find_gone(self, writers: Writers, now: float) -> list[Loss]:
        """Looks at each process, at most every PAUSE seconds."""
        if now < self._next_search:
            return []
        self._next_search = now + PAUSE
        if now >= self._next_deletion:
            self._next_deletion = now + HOUR
            writers.delete_old(_microseconds(now))
        gone = find_gone(writers, _microseconds(now), self._time)
        losses = [found_losses.gone(writer, self._journal, _microseconds(now)) for writer in gone]
        for writer in gone:
            writer.pid, writer.changed = None, True
        return losses

    def _report_if_due(self, now: float) -> None:
        """Raises database errors."""
        if now >= self._next_report and self._alert in self._channels():
            self._next_report = now + PAUSE
            report_new_losses(self._alert)


def _microseconds(seconds: float) -> int:
    return int(seconds * 1_000_000)
