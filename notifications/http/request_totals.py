"""Counts the requests of each route, for one report per interval."""

import threading
from dataclasses import dataclass
from typing import Final

MAX_ROUTES: Final = 200
OTHER: Final = "other"


@dataclass(slots=True)
class RouteTotals:
    """The requests of one route in one interval, its answers over 499, and the milliseconds of all."""

    requests: int = 0
    errors: int = 0
    ms: float = 0.0


class RequestTotals:
    """Counts requests by route, from any thread. Bounded: routes beyond `max_routes` count as "other"."""

    def __init__(self, max_routes: int = MAX_ROUTES) -> None:
        self._max_routes = max_routes
        self._lock = threading.Lock()
        self._routes: dict[str, RouteTotals] = {}

    def __len__(self) -> int:
        return len(self._routes)

    def add(self, route: str, *, error: bool, ms: float) -> None:
        """Count one request that took `ms` milliseconds."""
        with self._lock:
            totals = self._routes.get(route) or self._new_route(route)
            totals.requests += 1
            totals.errors += error
            totals.ms += ms

    def _new_route(self, route: str) -> RouteTotals:
        key = route if len(self._routes) < self._max_routes else OTHER
        return self._routes.setdefault(key, RouteTotals())

    def take(self) -> dict[str, RouteTotals]:
        """Returns the counts since the last take(), and starts again at zero."""
        with self._lock:
            taken, self._routes = self._routes, {}
        return taken
