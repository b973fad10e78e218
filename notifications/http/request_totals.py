"""Counts the requests of each route, for one report per interval."""

import threading
from dataclasses import dataclass, field
from typing import Final

from notifications.utils.histogram import BUCKETS, added, bucket_of

MAX_ROUTES: Final = 200
OTHER: Final = "other"
#: Times of a route that are added at once. That takes the request that does it some 5 µs.
MOST_TIMES: Final = 50
#: All others count as OTHER_METHOD: a client must not fill the table of routes with invented methods.
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD: Final = "OTHER"


@dataclass(slots=True)
class RouteTotals:
    """The requests of one route in one interval, its answers over 499, the milliseconds of all and of the slowest, and
    their histogram.

    `times`: milliseconds that are not in the rest yet. To add many at once takes less than to add each.
    """

    errors: int = 0
    ms: float = 0.0
    highest: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * BUCKETS)
    times: list[float] = field(default_factory=list)

    @property
    def requests(self) -> int:
        return sum(self.buckets) + len(self.times)

    def add_times(self) -> None:
        """Add what is in `times`."""
        for milliseconds in self.times:
            self.buckets[bucket_of(milliseconds)] += 1
        self.ms += sum(self.times)
        self.highest = max([self.highest, *self.times])
        self.times.clear()

    def merge(self, other: "RouteTotals") -> None:
        """Add what another one counted, all of it."""
        self.errors += other.errors
        self.ms += other.ms
        self.highest = max(self.highest, other.highest)
        self.buckets = added(self.buckets, other.buckets)


#: Method and route. The route is None if nothing in the URLconf matched.
Key = tuple[str, str | None]


class RequestTotals:
    """Counts requests by route, from any thread. Bounded: routes beyond `max_routes` count as "other"."""

    def __init__(self, max_routes: int = MAX_ROUTES) -> None:
        self._max_routes = max_routes
        self._lock = threading.Lock()
        self._routes: dict[Key, RouteTotals] = {}
        self._other: RouteTotals | None = None

    def __len__(self) -> int:
        return len(self._routes)

    def add(self, method: str | None, route: str | None, *, error: bool, ms: float) -> None:
        """Count one request that took `ms` milliseconds."""
        key = (method if method in METHODS else OTHER_METHOD), route
        with self._lock:
            totals = self._routes.get(key) or self._new_route(key)
            totals.times.append(ms)
            if error:
                totals.errors += 1
            if len(totals.times) == MOST_TIMES:
                totals.add_times()

    def _new_route(self, key: Key) -> RouteTotals:
        if len(self._routes) < self._max_routes:
            return self._routes.setdefault(key, RouteTotals())
        self._other = self._other or RouteTotals()
        return self._other

    def take(self) -> dict[str, RouteTotals]:
        """Returns the counts since the last take() by label, such as "GET /photos/", and starts again at zero."""
        with self._lock:
            taken, self._routes = self._routes, {}
            other, self._other = self._other, None
        totals = {_label(*key): totals for key, totals in taken.items()}
        if other is not None:
            totals[OTHER] = other
        for each in totals.values():
            each.add_times()
        return totals


def _label(method: str, route: str | None) -> str:
    return f"{method} {'unknown' if route is None else '/' + route}"
