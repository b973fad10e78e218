"""The accountant's memory: one book for each process that writes events. Kept in the database with its position."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from notifications import tokens
from notifications.accounting.numbers import UNKNOWN, Numbers, Run
from notifications.accounting.observed import origin_of, pid_of
from notifications.accounting.suppressed import Suppressions
from notifications.journal import Entry, as_text
from notifications.models import Account, Writer
from notifications.times import OLDEST, moment_of

#: How long the row of a process stays that has ended and of which nothing is missing.
KEPT: Final = timedelta(days=1)
MICROSECOND: Final = timedelta(microseconds=1)
#: Units that are remembered.
MOST_UNITS: Final = 1000
KEY: Final = ["machine", "journal", "token"]
VALUES: Final = ["origin", "pid", "highest", "missing", "explained", "ended", "seen_at"]


@dataclass(slots=True)
class Book:
    """One process. `pid` is None once it is known to be gone; times are microseconds."""

    token: str
    origin: str
    pid: int | None
    numbers: Numbers
    explained: int = 0
    ended: bool = False
    seen: int = 0
    changed: bool = False

    @property
    def is_settled(self) -> bool:
        """Whether nothing more is expected."""
        return (self.ended or self.pid is None) and not self.numbers.runs

    def enter(self, number: int, entry: Entry, *, is_end: bool, lenient: bool) -> None:
        """An event with this number has come. `lenient`: nobody knows what was before it."""
        if lenient and number > self.numbers.highest:
            self.numbers.forget()
        self.numbers.came(number, entry.time_us, self.seen or None)
        if number == self.numbers.highest:
            self.seen, self.ended = entry.time_us, is_end
            if not is_end:
                self.pid = self.pid or pid_of(entry.fields)
        if self.explained:
            self.explained = min(self.explained, self.numbers.missing)
        self.changed = True

    def explain(self, count: int) -> None:
        """The process itself has told as lost so many of the numbers that are missing."""
        self.explained = min(self.explained + count, self.numbers.missing)

    def give_up(self, is_over: Callable[[int], bool]) -> list[Run]:
        """Take away what will not come any more."""
        over = self.numbers.give_up(is_over) if self.numbers.runs else []
        self.changed |= bool(over)
        return over


class Books:
    """Those of one journal that are not settled. After an exception they are made anew, from the database."""

    def __init__(self, machine: str, journal: str) -> None:
        self._key = {"machine": machine, "journal": journal}
        self._account = Account.objects.filter(**self._key).first() or Account(**self._key)
        self._account_changed = False
        self.suppressions = Suppressions(self._account.suppressed)
        unsettled = Writer.objects.filter(**self._key).exclude(missing=[], ended=True).exclude(missing=[], pid=None)
        self._books = {row.token: _book(row) for row in unsettled}

    def __iter__(self) -> Iterator[Book]:
        return iter(self._books.values())

    def book(self, token: str, entry: Entry) -> Book:
        """That of a writer; a new one where `entry` is the first that is known of it."""
        return self._books.get(token) or self._look_up(token, entry)

    def _look_up(self, token: str, entry: Entry) -> Book:
        row = Writer.objects.filter(**self._key, token=token).first()
        book = self._books[token] = _book(row) if row else self._begin(token, entry)
        return book

    def _begin(self, token: str, entry: Entry) -> Book:
        self.remember_unit(as_text(entry.fields.get("_SYSTEMD_UNIT")))
        numbers = Numbers(UNKNOWN if self._is_older_than_we(token) else 0)
        return Book(token, origin_of(entry.fields), pid_of(entry.fields), numbers)

    def _is_older_than_we(self, token: str) -> bool:
        """Whether it may have written before all that we know began."""
        boot, _, ticks = self._account.known_since.partition("-")
        birth = tokens.birth_of(token)
        if not boot or birth is None:
            return True
        return birth.ticks <= int(ticks) if birth.boot == boot else birth.boot != tokens.boot()

    def know_all(self) -> None:
        """The journal's end is reached: who begins to write from now on begins with number 1."""
        if not self._account.known_since:
            moment = tokens.now()
            self._know_since(f"{moment.boot}-{moment.ticks}")

    def forget_numbers(self) -> None:
        """Nobody knows how many events of whom were in a gap of the journal."""
        self._know_since("")
        Writer.objects.filter(**self._key).update(highest=UNKNOWN)
        for book in self:
            book.numbers.forget()

    def _know_since(self, moment: str) -> None:
        self._account.known_since, self._account_changed = moment, True

    @property
    def units(self) -> list[str]:
        """The units that write events, or plain lines with our identifier."""
        units: list[str] = self._account.units
        return units

    def remember_unit(self, unit: str) -> None:
        """One of `units`."""
        if unit and unit not in self.units:
            self._account.units, self._account_changed = [*self.units, unit][-MOST_UNITS:], True

    def save(self) -> None:
        """Raises what the database raises."""
        suppressed = self.suppressions.dump()
        if self._account_changed or suppressed != self._account.suppressed:
            self._account.suppressed, self._account_changed = suppressed, False
            self._account.save()
        changed = [book for book in self if book.changed]
        rows = [self._row(book) for book in changed]
        Writer.objects.bulk_create(rows, batch_size=500, update_conflicts=True, unique_fields=KEY, update_fields=VALUES)
        for book in changed:
            book.changed = False
            if book.is_settled:
                del self._books[book.token]

    def _row(self, book: Book) -> Writer:
        values: dict[str, Any] = {"token": book.token, "origin": book.origin, "pid": book.pid, "ended": book.ended}
        values |= {"highest": book.numbers.highest, "missing": book.numbers.runs, "explained": book.explained}
        return Writer(**self._key, **values, seen_at=moment_of(book.seen))

    def throw_away(self, now: int) -> None:
        """Delete what was settled a day ago."""
        old = Writer.objects.filter(**self._key, missing=[], seen_at__lt=moment_of(now) - KEPT)
        old.filter(ended=True).delete()
        old.filter(pid=None).delete()


def _book(row: Writer) -> Book:
    numbers, seen = Numbers(row.highest, row.missing), (row.seen_at - OLDEST) // MICROSECOND
    return Book(row.token, row.origin, row.pid, numbers, row.explained, row.ended, seen)
