"""What `RequestStats` does to count a request, and what it did before there were series, in turn."""

import threading
from typing import Final

from notifications.events.interval_report import IntervalReport
from notifications.http.request_totals import METHODS
from notifications.middleware import Reporter
from tests.benchmarks.rounds import interleaved
from tests.benchmarks.timing import PAUSE, empty_times, microseconds, time_each

ROUTES: Final = [f"shop/<int:id>/{number}/" for number in range(10)]


class Totals:
    """Of one route: requests, errors, milliseconds."""

    __slots__ = ("errors", "ms", "requests")

    def __init__(self) -> None:
        self.requests = self.errors = 0
        self.ms = 0.0


class WithoutSeries(IntervalReport):
    """Counts without a histogram and the slowest, by a label that is made for each request."""

    def forget(self) -> None:
        self._lock = threading.Lock()
        self._routes: dict[str, Totals] = {}

    def add(self, method: str | None, route: str | None, *, status: int, ms: float) -> None:
        label = f"{method if method in METHODS else 'OTHER'} {'unknown' if route is None else '/' + route}"
        self._add(label, error=status >= 500, ms=ms)
        self.start()

    def _add(self, label: str, *, error: bool, ms: float) -> None:
        with self._lock:
            totals = self._routes.get(label) or self._routes.setdefault(label, Totals())
            totals.requests += 1
            totals.errors += error
            totals.ms += ms


def run(*, rounds: int, calls: int) -> dict[str, list[float]]:
    """Medians in µs, by round: with 0.5 ms between calls, and in a tight loop."""
    ours, bare = Reporter(), WithoutSeries("bare")

    def with_series(number: int) -> None:
        ours.add("GET", ROUTES[number % 10], status=200, ms=3.3 + number % 7)

    def without(number: int) -> None:
        bare.add("GET", ROUTES[number % 10], status=200, ms=3.3 + number % 7)

    def in_turn() -> list[float]:
        medians = []
        for pause in (PAUSE, 0):
            with_times, without_times = empty_times(calls), empty_times(calls)
            for number in range(calls):
                time_each(with_series, [number], with_times, number, pause=pause)
                time_each(without, [number], without_times, number, pause=pause)
            medians += [microseconds(with_times), microseconds(without_times)]
        return medians

    (medians,) = interleaved(rounds, in_turn)
    names = ("paused", "paused_without", "tight", "tight_without")
    return dict(zip(names, map(list, zip(*medians, strict=True)), strict=True))
