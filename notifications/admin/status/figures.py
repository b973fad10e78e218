"""The figures of a period and of the period before, slot by slot."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from typing import Final

from notifications.admin.status.periods import Window
from notifications.admin.status.time_texts import TimeText, time_of
from notifications.utils.histogram import added, counts_of, quantile

#: All labels of a name together.
ALL: Final = ""
RELEASES: Final = "releases"
#: Of these some are counted each minute.
COUNTED: Final = ("requests", "releases", "waiting", "oldest", "handled")
#: What was counted is written a little later.
LATE: Final = timedelta(minutes=5)
P50: Final = 0.5
P99: Final = 0.99
#: Of a query: which part of it, name, label, start; then as a point.
Row = tuple[int, str, str, TimeText, int, float, str]
#: A row of the table: how many, the highest, and the text of its buckets. There are thousands: a class takes longer.
Point = tuple[int, float, str]
NUMBER: Final = 0
HIGHEST: Final = 1
BUCKETS: Final = 2


@lru_cache(maxsize=8192)
def _counts(text: str) -> list[int]:
    """The buckets of a text. Few requests have few texts, and a minute's stay the same."""
    return counts_of(text)


class Total:
    """Points added up."""

    __slots__ = ("buckets", "count", "highest")

    def __init__(self, points: Iterable[Point]) -> None:
        numbers, highest, texts = tuple(zip(*points, strict=True)) or ((), (), ())
        self.count, self.highest = sum(numbers), max(highest, default=0.0)
        self.buckets = added([0], *map(_counts, texts))

    def quantile(self, share: float) -> float | None:
        """As utils/histogram.py, in ms."""
        return quantile(self.buckets, share)


class Figures:
    """What was counted in a window, by name and label. Slots below 0 are of the period before."""

    def __init__(self, window: Window) -> None:
        self.window = window
        #: The minute that each release came in, as far as it is known: hours and days lose it.
        self.first_minutes: dict[str, datetime] = {}
        self._slots: defaultdict[str, defaultdict[str, dict[int, Point]]]
        self._slots = defaultdict(lambda: defaultdict(dict))
        self._numbers: dict[TimeText, int] = {}  # of slots: there are few of them

    def take(self, rows: Iterable[Row]) -> None:
        """Rows of the database."""
        slots, numbers = self._slots, self._numbers
        for _, name, label, start, number, highest, buckets in rows:
            slot = numbers.get(start)
            if slot is None:
                slot = numbers[start] = self.window.slot(time_of(start))
            slots[name][label][slot] = number, highest, buckets

    def labels(self, name: str) -> list[str]:
        """The labels that have points, without that for all."""
        return sorted(label for label in self._slots[name] if label != ALL)

    def points(self, name: str, label: str = ALL) -> dict[int, Point]:
        """By slot."""
        return self._slots[name].get(label, {})

    @cached_property
    def counted(self) -> range:
        """From the first slot of which anything was counted to the last: what a minute had is written when it is over.

        Empty if there is none.
        """
        slots = [slot for name in COUNTED for slot in self.points(name)]
        return range(min(slots), max(slots) + 1) if slots else range(0)

    def total(self, name: str, label: str = ALL, slots: range | None = None) -> Total:
        """The points of these slots added up; of the window's, if none are given."""
        chosen = range(self.window.period.steps) if slots is None else slots
        return Total(filter(None, map(self.points(name, label).get, chosen)))

    def counts(self, name: str, label: str = ALL) -> list[float | None]:
        """What was counted in each slot: nothing is 0, but None where nothing at all is known yet, or any more."""
        known = self.counted
        found = enumerate(self._each(name, label))
        return [point[NUMBER] if point else 0 if slot in known else None for slot, point in found]

    def highest(self, name: str, label: str = ALL) -> list[float | None]:
        """A gauge's highest in each slot; None where nobody looked."""
        return [point[HIGHEST] if point else None for point in self._each(name, label)]

    def quantiles(self, name: str, label: str, share: float) -> list[float | None]:
        """In ms; None where nothing was measured."""
        return [quantile(_counts(point[BUCKETS]), share) if point else None for point in self._each(name, label)]

    def _each(self, name: str, label: str) -> Iterator[Point | None]:
        points = self.points(name, label)
        return (points.get(slot) for slot in range(self.window.period.steps))


def stopped(figures: Figures) -> str:
    """Since when nothing was counted, in words; "" if counting goes on.

    A quiet site counts too: workers run, and what waits is looked at.
    """
    window, counted = figures.window, figures.counted
    if not counted:
        return f"Nothing was counted in this time, nor in {window.period.before}"
    end = window.start(counted.stop)
    return f"Nothing was counted since {window.name_of(end)}" if window.now - end > LATE else ""
