"""The state of each process that writes events. The accountant saves it with its position."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q

from notifications.events import process_token
from notifications.journal import Entry, as_text
from notifications.losses.missing_numbers import UNKNOWN, Numbers, Run
from notifications.losses.observed_entry import origin_of, pid_of
from notifications.losses.suppressed_by_journald import Suppressions
from notifications.models import Account, Writer
from notifications.utils.times import OLDEST, moment_of

#: Rows of settled processes are kept so long.
KEPT: Final = timedelta(days=1)
MICROSECOND: Final = timedelta(microseconds=1)
#: The most units to remember.
MOST_UNITS: Final = 1000
KEY: Final = ["machine", "journal", "token"]
VALUES: Final = ["origin", "pid", "highest", "missing", "explained", "ended", "seen_at"]
#: Rows for which `WriterState.is_settled` is true.
SETTLED: Final = Q(missing=[]) & (Q(ended=True) | Q(pid=None))


@dataclass(slots=True)
class WriterState:
    """One process. `pid` is None once the process is known to be gone. Times are microseconds."""

    token: str
    origin: str
    pid: int | None
    numbers: Numbers
    #: Missing numbers that the process itself reported as lost.
    explained: int = 0
    ended: bool = False
    seen: int = 0
    #: When it was first found gone; 0 before. Not saved.
    gone_since: int = 0
    changed: bool = False

    @property
    def is_settled(self) -> bool:
        """Whether it has ended or is gone, and no number is missing."""
        return (self.ended or self.pid is None) and not self.numbers.runs

    def came(self, number: int, entry: Entry, *, is_end: bool, lenient: bool) -> None:
        """An event with this number came. `lenient`: the events before it are unknown."""
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
        """The process reported `count` of the missing numbers as lost."""
        self.explained = min(self.explained + count, self.numbers.missing)

    def give_up(self, is_final: Callable[[int], bool]) -> list[Run]:
        """Removes and returns the missing numbers that can no longer come."""
        lost = self.numbers.give_up(is_final)
        self.changed |= bool(lost)
        return lost


class Writers:
    """The processes of one journal that are not settled. After an exception, load them again from the database."""

    def __init__(self, machine: str, journal: str) -> None:
        self._key = {"machine": machine, "journal": journal}
        self._account = Account.objects.filter(**self._key).first() or Account(**self._key)
        self._account_changed = self._forgets_numbers = False
        self._delete_before: datetime | None = None
        self.suppressions = Suppressions(self._account.suppressed)
        unsettled = Writer.objects.filter(~SETTLED, **self._key)
        self._writers = {row.token: _state_from(row) for row in unsettled}

    def __iter__(self) -> Iterator[WriterState]:
        return iter(self._writers.values())

    def find(self, token: str, entry: Entry) -> WriterState:
        """Returns the process with this token: a new one if `entry` is its first known entry."""
        if token not in self._writers:
            row = Writer.objects.filter(**self._key, token=token).first()
            self._writers[token] = _state_from(row) if row else self._new_writer(token, entry)
        return self._writers[token]

    def _new_writer(self, token: str, entry: Entry) -> WriterState:
        self.remember_unit(as_text(entry.fields.get("_SYSTEMD_UNIT")))
        numbers = Numbers(UNKNOWN if self._may_be_older_than_the_account(token) else 0)
        return WriterState(token, origin_of(entry.fields), pid_of(entry.fields), numbers)

    def _may_be_older_than_the_account(self, token: str) -> bool:
        """Whether the process may have written events before the account began."""
        boot, _, ticks = self._account.known_since.partition("-")
        birth = process_token.birth_of(token)
        if not boot or birth is None:
            return True
        return birth.ticks <= int(ticks) if birth.boot == boot else birth.boot != process_token.boot()

    def end_reached(self) -> None:
        """All entries were read: the first event of each process born from now on must have the number 1."""
        if not self._account.known_since:
            moment = process_token.now()
            self._know_since(f"{moment.boot}-{moment.ticks}")

    def forget_numbers(self) -> None:
        """The journal has a gap with an unknown number of events of each process."""
        self._know_since("")
        self._forgets_numbers = True
        for writer in self:
            writer.numbers.forget()

    def _know_since(self, moment: str) -> None:
        self._account.known_since, self._account_changed = moment, True

    @property
    def units(self) -> list[str]:
        """The units that write events, or plain lines with our identifier."""
        units: list[str] = self._account.units
        return units

    def remember_unit(self, unit: str) -> None:
        if unit and unit not in self.units:
            self._account.units, self._account_changed = [*self.units, unit][-MOST_UNITS:], True

    @property
    def has_changes(self) -> bool:
        """Whether `save()` would write anything."""
        ours = self._account_changed or self.suppressions.dump() != self._account.suppressed
        return ours or self._forgets_numbers or self._delete_before is not None or any(each.changed for each in self)

    def save(self) -> None:
        """Raises database errors."""
        self._save_rows_of_others()
        suppressed = self.suppressions.dump()
        if self._account_changed or suppressed != self._account.suppressed:
            self._account.suppressed, self._account_changed = suppressed, False
            self._account.save()
        changed = [writer for writer in self if writer.changed]
        rows = [self._row(writer) for writer in changed]
        Writer.objects.bulk_create(rows, batch_size=500, update_conflicts=True, unique_fields=KEY, update_fields=VALUES)
        for writer in changed:
            writer.changed = False
            if writer.is_settled:
                del self._writers[writer.token]

    def _row(self, writer: WriterState) -> Writer:
        return Writer(
            **self._key,
            token=writer.token,
            origin=writer.origin,
            pid=writer.pid,
            ended=writer.ended,
            highest=writer.numbers.highest,
            missing=writer.numbers.runs,
            explained=writer.explained,
            seen_at=moment_of(writer.seen),
        )

    def delete_old(self, now: int) -> None:
        """Have `save()` delete the rows of processes that were settled a day ago."""
        self._delete_before = moment_of(now) - KEPT

    def _save_rows_of_others(self) -> None:
        """Of settled processes, which are not in memory."""
        rows = Writer.objects.filter(**self._key)
        if self._forgets_numbers:
            rows.update(highest=UNKNOWN)
        if self._delete_before:
            rows.filter(SETTLED, seen_at__lt=self._delete_before).delete()
        self._forgets_numbers, self._delete_before = False, None


def _state_from(row: Writer) -> WriterState:
    numbers, seen = Numbers(row.highest, row.missing), (row.seen_at - OLDEST) // MICROSECOND
    return WriterState(row.token, row.origin, row.pid, numbers, row.explained, row.ended, seen)
