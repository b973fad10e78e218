"""Counts of this process for SERIES events: by the intake and the workers. Requests are counted by the middleware."""

from threading import Lock
from typing import Final

from notifications.events import series
from notifications.events.interval_report import IntervalReport
from notifications.utils.sums import Sum

#: Labels of one series that a process counts in a minute; the rest count as OTHER.
MOST_LABELS: Final = 200
OTHER: Final = "other"


class SeriesCounts(IntervalReport):
    """Adds up, from any thread, and writes what was counted in a minute once that is over."""

    def __init__(self) -> None:
        super().__init__("series")

    def forget(self) -> None:
        self._lock = Lock()
        self._series: dict[str, dict[str, Sum]] = {}

    def add(self, name: str, label: str, value: float = 0.0, *, count: int = 1, ms: float | None = None) -> None:
        """Count what happened `count` times. `value` is what was measured; `ms`: the milliseconds that it took."""
        with self._lock:
            labels = self._series.setdefault(name, {})
            found = labels.get(label) or self._new_label(labels, label)
            found.add(count, value, ms)
        self.start()

    def _new_label(self, labels: dict[str, Sum], label: str) -> Sum:
        return labels.setdefault(label if len(labels) < MOST_LABELS else OTHER, Sum())

    def minute_over(self, minute: int) -> None:
        with self._lock:
            counted, self._series = self._series, {}
        if counted:
            series.write(minute, counted)


#: Those of this process.
counted: Final = SeriesCounts()
