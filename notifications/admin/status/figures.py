"""The figures of a period and of the period before, slot by slot."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Final

from notifications.admin.status.periods import Window
from notifications.models import Series
from notifications.models.series import Point
from notifications.utils.histogram import added, quantile

#: All labels of a name together.
ALL: Final = ""
#: Compared with the period before.
COMPARED: Final = ("requests", "errors", "releases")
SHOWN: Final = (
    *("received", "handled", "failed", "waiting", "oldest"),
    *("lag", "delivered", "lost", "dropped"),
)
#: Of these some are counted each minute.
COUNTED: Final = ("requests", "releases", "waiting", "oldest", "handled")
#: What was counted is written a little later.
LATE: Final = timedelta(minutes=5)
P50: Final = 0.5
P99: Final = 0.99


class Total:
    """Points added up."""

    __slots__ = ("buckets", "count", "highest")

    def __init__(self, points: Iterable[Point]) -> None:
        self.count, self.highest, self.buckets = 0, 0.0, [0]
        for point in points:
            self.count += point.count
            self.highest = max(self.highest, point.highest)
            if point.buckets:
                self.buckets = added(self.buckets, point.buckets)

    def quantile(self, share: float) -> float | None:
        """As utils/histogram.py, in ms."""
        return quantile(self.buckets, share)


class Figures:
    """What was counted in a window, by name and label. Slots below 0 are of the period before."""

    def __init__(self, window: Window, points: dict[tuple[str, str], list[Point]]) -> None:
        self.window = window
        self._slots = {key: {window.slot(point.start): point for point in found} for key, found in points.items()}
        self._labels: dict[str, list[str]] = {}
        for name, label in self._slots:
            self._labels.setdefault(name, []).append(label)

    def labels(self, name: str) -> list[str]:
        """The labels that have points, without that for all."""
        return [label for label in self._labels.get(name, ()) if label != ALL]

    def points(self, name: str, label: str = ALL) -> dict[int, Point]:
        """By slot."""
        return self._slots.get((name, label), {})

    def total(self, name: str, label: str = ALL, slots: range | None = None) -> Total:
        """The points of these slots added up; of the window's, if none are given."""
        chosen = range(self.window.period.steps) if slots is None else slots
        return Total(point for slot, point in self.points(name, label).items() if slot in chosen)

    def counts(self, name: str, label: str = ALL) -> list[float | None]:
        """What was counted in each slot: nothing is 0."""
        return [point.count if point else 0 for point in self._each(name, label)]

    def highest(self, name: str, label: str = ALL) -> list[float | None]:
        """A gauge's highest in each slot; None where nobody looked."""
        return [point.highest if point else None for point in self._each(name, label)]

    def quantiles(self, name: str, label: str, share: float) -> list[float | None]:
        """In ms; None where nothing was measured."""
        return [quantile(point.buckets, share) if point else None for point in self._each(name, label)]

    def _each(self, name: str, label: str) -> Iterator[Point | None]:
        points = self.points(name, label)
        return (points.get(slot) for slot in range(self.window.period.steps))


def stopped(figures: Figures) -> str:
    """Since when nothing was counted, in words; "" if counting goes on.

    A quiet site counts too: workers turn, and what waits is looked at.
    """
    window = figures.window
    last = max((slot for name in COUNTED for slot in figures.points(name)), default=None)
    if last is None:
        return f"Nothing was counted in this time, nor in {window.period.before}"
    end = window.start(last + 1)
    return f"Nothing was counted since {window.name_of(end)}" if window.now - end > LATE else ""


def load(window: Window) -> Figures:
    """Two queries: of the period before only what is compared is read."""
    step = window.period.step
    points = Series.objects.points([*COMPARED, *SHOWN], step, window.since, window.until)
    before = Series.objects.points(COMPARED, step, window.before, window.since)
    for key, found in before.items():
        points[key] = found + points.get(key, [])
    return Figures(window, points)
