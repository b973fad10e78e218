"""Looks at one batch of entries: whose numbers have come, what was told as lost, what is to be refused."""

from collections.abc import Collection
from dataclasses import dataclass, field

from notifications.accounting import findings
from notifications.accounting.books import Book, Books
from notifications.accounting.observed import Observed, writer_of
from notifications.accounting.patience import Patience
from notifications.accounting.refusals import FOREIGN, MALFORMED, NO_CHANNEL, Refusals
from notifications.accounting.suppressed import MESSAGE_ID
from notifications.events import event_of, is_trusted
from notifications.models import Loss


@dataclass(slots=True)
class Audit:
    """`names`: all that events may be called. `lenient`: there is a gap in this batch, nobody knows where."""

    books: Books
    refusals: Refusals
    patience: Patience
    trusted: frozenset[int]
    names: Collection[str]
    lenient: bool
    #: Names that are no channel's.
    unknown: set[str] = field(default_factory=set)
    #: What processes have told as lost.
    losses: list[Loss] = field(default_factory=list)

    def look_at(self, event: Observed) -> None:
        """One entry of any kind."""
        fields = event.entry.fields
        self.patience.heard(event.entry.time_us)
        if "PROPPY_EVENT" in fields:
            if is_trusted(event.entry, self.trusted):
                self._enter(event)
            else:
                self.refusals.add(FOREIGN, event.entry)
        elif "MESSAGE_ID" in fields:
            if fields["MESSAGE_ID"] == MESSAGE_ID and fields.get("_TRANSPORT") == "driver":
                self.books.suppressions.add(event.entry.time_us, fields)
        else:
            self._remember_unit(event)

    def _enter(self, event: Observed) -> None:
        writer, book = writer_of(event), None
        if writer is not None:
            token, number = writer
            book = self.books.book(token, event.entry)
            book.enter(number, event.entry, is_end=event.name == "END", lenient=self.lenient)
        if not event.is_well_formed:
            self.refusals.add(MALFORMED, event.entry)
        elif event.name not in self.names:
            self.refusals.add(NO_CHANNEL, event.entry, name=event.name)
            self.unknown.add(event.name)
        elif event.name == "LOST":
            self._take_over(event, book)

    def _take_over(self, event: Observed, book: Book | None) -> None:
        told = event_of(event.entry, self.trusted)
        if told is not None:
            loss = findings.told_by_process(told, book)
            self.losses.append(loss)
            if book is not None and loss.count:
                book.explain(loss.count)

    def _remember_unit(self, event: Observed) -> None:
        """A unit whose plain lines come here, and may be suppressed."""
        fields = event.entry.fields
        unit = fields.get("_SYSTEMD_UNIT")
        if isinstance(unit, str) and unit not in self.books.units and is_trusted(event.entry, self.trusted):
            self.books.remember_unit(unit)
