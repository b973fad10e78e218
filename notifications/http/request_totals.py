"""Counts the requests of each route, for one report per interval."""

import threading
from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Final

from notifications.utils.histogram import BOUNDS, BUCKETS, added

MAX_ROUTES: Final = 200
OTHER: Final = "other"
#: All others count as OTHER_METHOD: a client must not fill the table of routes with invented methods.
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD: Final = "OTHER"


@dataclass(slots=True)
class RouteTotals:
    """The requests of one route in one interval, its answers over 499, the milliseconds of all and of the slowest, and
    their histogram.
    """

    errors: int = 0
    ms: float = 0.0
    highest: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * BUCKETS)

    @property
    def requests(self) -> int:
        return sum(self.buckets)

    def merge(self, other: "RouteTotals") -> None:
        """Add what another one counted."""
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
        bucket = bisect_left(BOUNDS, ms)  # bucket_of(), without its call
        with self._lock:
            totals = self._routes.get(key) or self._new_route(key)
            totals.buckets[bucket] += 1
            totals.ms += ms
            if ms > totals.highest:
                totals.highest = ms
            if error:
                totals.errors += 1

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
        return totals if other is None else totals | {OTHER: other}


def _label(method: str, route: str | None) -> str:
    return f"{method} {'unknown' if route is None else '/' + route}"
