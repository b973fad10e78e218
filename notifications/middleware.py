"""Middleware: what each route does, as one REPORT event per interval."""

import time
from collections.abc import Callable, Mapping
from typing import Final

from django.http import HttpRequest, HttpResponseBase

from notifications.bounded_queue import BoundedQueue
from notifications.conf import conf
from notifications.events import emit
from notifications.forks import renew_after_fork
from notifications.metrics import RequestTotals, RouteTotals

#: Whatever else a client invents counts as OTHER, or it could fill the table of routes.
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SERVER_ERROR: Final = 500


class Reporter:
    """Adds up requests and tells one REPORT event for each interval in which there were any.

    An interval begins with the first request after the last event and takes `conf.metrics_interval` seconds;
    its event needs no further request, and comes at exit too. A request only adds to the totals; the queue gets
    one item for each interval, and its thread tells: waking a thread for each request would cost more than to count.
    """

    def __init__(self) -> None:
        self._queue = BoundedQueue(self._begin, maxsize=1, name="requests", idle=self._idle)
        self.flush = self._queue.flush
        self.close = self._queue.close
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """What was counted so far is the parent's to tell."""
        self._totals = RequestTotals()
        self._begun = False
        self._ends: float | None = None

    def add(self, method: str | None, route: str | None, *, status: int, ms: float) -> None:
        """Count one request that was answered; `route` is None where nothing in the URLconf matched."""
        label = f"{method if method in METHODS else 'OTHER'} {'unknown' if route is None else '/' + route}"
        self._totals.add(label, error=status >= SERVER_ERROR, ms=ms)
        if not self._begun:
            self._begun = True
            self._queue.put(None)

    def _begin(self, _: None) -> None:
        self._ends = time.monotonic() + conf.metrics_interval

    def _idle(self, hurry: bool) -> float | None:
        if self._ends is None:
            return None
        left = self._ends - time.monotonic()
        if left > 0 and not hurry:
            return left
        self._ends, self._begun = None, False  # first, so that who adds from now on begins an interval
        if totals := self._totals.take():
            emit("REPORT", "requests", on_commit=False, counts=counts_of(totals))
        return None


def counts_of(totals: Mapping[str, RouteTotals]) -> dict[str, int]:
    """Flat counts, `{"requests GET /photos/": 12, "ms GET /photos/": 345}`, without zeros."""
    counts: dict[str, int] = {}
    for label, route in totals.items():
        counts[f"requests {label}"] = route.requests
        counts[f"errors {label}"] = route.errors
        counts[f"ms {label}"] = round(route.ms)
    return {name: count for name, count in counts.items() if count}


reporter = Reporter()


class RequestStats:
    """Counts requests, errors (status 500 and over, exceptions) and milliseconds per method and route."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        began = time.monotonic()
        status = SERVER_ERROR
        try:
            response = self._get_response(request)
            status = response.status_code
        finally:
            match = request.resolver_match
            milliseconds = (time.monotonic() - began) * 1000
            reporter.add(request.method, match.route if match else None, status=status, ms=milliseconds)
        return response
