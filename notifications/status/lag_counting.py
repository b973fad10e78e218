"""Counts events in a piece of a journal, within a budget of time and entries."""

import select
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Final

from notifications.events.channel_entries import parser
from notifications.journal import Entry, Journal, Reader
from notifications.models import Position
from notifications.positions.key import TEXT
from notifications.utils.times import moment_of

#: Entries to read at most; later ones are not counted.
MOST: Final = 100_000
#: Entries between two checks of the clock.
CHUNK: Final = 1000
#: Positions that count every entry: those of losses and refused entries.
ACCOUNTS: Final = frozenset({"LOST", "REFUSED"})


@dataclass(frozen=True, slots=True)
class Lag:
    """Events after a position, and when the oldest was written. `at_least`: there may be more, and older ones."""

    events: int = 0
    oldest: datetime | None = None
    at_least: bool = False


class End(Enum):
    """Why reading a piece ended."""

    UNTIL = "its other end"
    JOURNAL = "the end of the journal"
    BUDGET = "no more time"


class Budget:
    """The limits for reading all pieces."""

    def __init__(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self.entries = MOST

    def seconds(self) -> float:
        """The seconds that are left."""
        return max(self._deadline - time.monotonic(), 0.0) if self.entries > 0 else 0.0


class Piece:
    """The entries after one entry, up to another. `lags` counts the events of each position's channel in it."""

    def __init__(self, positions: Sequence[Position]) -> None:
        self.lags = {each.pk: Lag() for each in positions}
        self._counted = {each.pk: _counted(each) for each in positions}

    def read(self, journal: Journal, after: str, until: str | None, budget: Budget) -> End:
        """Raises OSError, and ValueError for a position of another kind of journal."""
        end = End.BUDGET
        if budget.seconds():
            with journal.open(after=after or None, follow=False) as reader:
                end = self._read(reader, until, budget)
        if end is End.BUDGET:
            self._mark_incomplete()
        return end

    def _read(self, reader: Reader, until: str | None, budget: Budget) -> End:
        end, anything = End.BUDGET, False
        while end is End.BUDGET and budget.seconds():
            entries = reader.read(CHUNK)
            budget.entries -= len(entries)
            anything = anything or bool(entries)
            if self._add_all(entries, until):
                end = End.UNTIL
            elif reader.exhausted:
                end = End.JOURNAL
            elif not entries:
                _wait(reader, budget.seconds())
        if reader.gap:
            if end is End.JOURNAL and not anything:
                raise PermissionError("this process may not read the journal")
            self._mark_incomplete()
        return end

    def _add_all(self, entries: Iterable[Entry], until: str | None) -> bool:
        """Whether the entry at `until` was among them; later ones are not counted."""
        for entry in entries:
            for pk, counted in self._counted.items():
                if counted(entry):
                    lag = self.lags[pk]
                    self.lags[pk] = Lag(lag.events + 1, lag.oldest or moment_of(entry.time_us))
            if entry.position == until:
                return True
        return False

    def _mark_incomplete(self) -> None:
        self.lags = {pk: replace(lag, at_least=True) for pk, lag in self.lags.items()}


def _counted(position: Position) -> Callable[[Entry], object]:
    if position.channel in ACCOUNTS:
        return lambda _: True
    return parser(position.channel, text=position.journal.endswith(TEXT))


def _wait(reader: Reader, seconds: float) -> None:
    descriptor = reader.fileno()
    if descriptor is not None:
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        poller.poll(seconds * 1000)
