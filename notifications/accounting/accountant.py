"""The accountant: sees every entry of the events journal, and finds out what is missing and what was refused."""

import logging
import time
from collections.abc import Callable, Collection, Sequence
from typing import Final

from django.db import transaction

from notifications.accounting import findings
from notifications.accounting.audit import Audit
from notifications.accounting.books import Books
from notifications.accounting.observed import Observed, observe
from notifications.accounting.patience import Patience
from notifications.accounting.processes import Watch
from notifications.accounting.refusals import TOO_LARGE, Refusals
from notifications.accounting.telling import tell_losses
from notifications.channels.base import Channel
from notifications.conf import conf
from notifications.events import RESERVED, Event
from notifications.journal import Entry
from notifications.models import Loss

logger = logging.getLogger(__name__)

#: Names of which a process says once that they are no channel's.
MOST_WARNED: Final = 100
#: Seconds between two looks at what is missing, and between two messages.
PAUSE: Final = 10.0
#: Seconds between two times that old rows are deleted.
HOUR: Final = 3600.0
#: Microseconds by which the last entry may be old where the journal's end is reached.
RECENT: Final = 10_000_000


class Accountant(Channel):
    """One for each journal, in a follower of its own. `channels()` are all that events may be for.

    All that it knows is in the database, and changes together with its position: it may be killed at any moment.
    """

    batch = 2000
    transactional = True
    interval = 1.0

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
        self._books: Books | None = None
        self._patience, self._watch = Patience(direct=not journal.startswith("journald:")), Watch()
        self._gap, self._oversized = False, 0
        self._warned: set[str] = set()
        self._look_at = self._tell_at = self._clean_at = 0.0

    def observe(self, entry: Entry) -> Observed:
        """What `deliver()` is to be given for an entry: never None."""
        return observe(entry)

    def gap_seen(self) -> None:
        """Entries were removed before they were read; the follower tells that."""
        self._gap = True

    def oversized(self, count: int) -> None:
        """So many entries were larger than any event."""
        self._oversized += count

    def deliver(self, events: Sequence[Event]) -> None:
        now = self._clock()
        books, refusals = self._open(), Refusals(self._machine, self._journal)
        names = {*self._channels(), *RESERVED}
        audit = Audit(books, refusals, self._patience, self._trusted, names, lenient=self._gap)
        for event in events:
            if isinstance(event, Observed):
                audit.look_at(event)
        self._warn(audit.unknown)
        self._close(books, refusals, audit.losses, now, at_end=self._patience.has_passed(_us(now) - RECENT))
        transaction.on_commit(lambda: self._tell_if_due(now), robust=True)

    def _warn(self, names: Collection[str]) -> None:
        """Once for each, so that a misspelt one does not stay unseen."""
        for name in sorted(set(names) - self._warned)[: MOST_WARNED - len(self._warned)]:
            logger.warning("no channel is called %s: its events are refused; see Refused entries in the admin", name)
            self._warned.add(name)

    def idle(self) -> None:
        now = self._clock()
        self._patience.at_end(_us(now))
        if now >= self._look_at or self._gap:
            with transaction.atomic():
                self._close(self._open(), Refusals(self._machine, self._journal), [], now, at_end=True)
        self._tell_if_due(now)

    def _open(self) -> Books:
        """The books as they are in the database; kept only if the transaction comes to its end."""
        books, self._books = self._books, None
        return books or Books(self._machine, self._journal)

    def _close(self, books: Books, refusals: Refusals, losses: list[Loss], now: float, *, at_end: bool) -> None:
        """Save what was found; where the end is reached, look at what is overdue, too."""
        gap, oversized = self._gap, self._oversized
        if gap:
            books.forget_numbers()
        if oversized:
            refusals.add_unseen(TOO_LARGE, oversized, _us(now))
        if at_end:
            books.know_all()
            losses += self._find_gone(books, now)
        losses += self._find_missing(books)
        Loss.objects.bulk_create(losses, ignore_conflicts=True)
        books.save()
        refusals.save()

        def keep() -> None:
            self._books, self._gap = books, False
            self._oversized -= oversized
            self._tell_at = 0.0 if losses else self._tell_at

        transaction.on_commit(keep)

    def _find_missing(self, books: Books) -> list[Loss]:
        is_over, losses = self._patience.is_over, list[Loss]()
        for book in books:
            if runs := book.give_up(is_over):
                losses += findings.missing(book, self._journal, runs, books.suppressions.reason_of)
        holes = [(book.origin, run) for book in books for run in book.numbers.runs]
        for each in books.suppressions.take_unexplained(is_over, holes):
            if each.unit in books.units:
                losses.append(findings.plain_lines(each, self._journal))
        return losses

    def _find_gone(self, books: Books, now: float) -> list[Loss]:
        """At most every PAUSE seconds: a look at each process."""
        if now < self._look_at:
            return []
        self._look_at = now + PAUSE
        if now >= self._clean_at:
            self._clean_at = now + HOUR
            books.throw_away(_us(now))
        gone = self._watch.find_gone(books, _us(now), self._patience)
        losses = [findings.gone(book, self._journal, _us(now)) for book in gone]
        for book in gone:
            book.pid, book.changed = None, True
        return losses

    def _tell_if_due(self, now: float) -> None:
        """Raises what the database raises."""
        if now >= self._tell_at and self._alert in self._channels():
            self._tell_at = now + PAUSE
            tell_losses(self._alert)


def _us(seconds: float) -> int:
    return int(seconds * 1_000_000)
