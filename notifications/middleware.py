"""Middleware: what each route does, as one REPORT event per interval."""

import os
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from django.http import HttpRequest, HttpResponseBase

from notifications.bounded_queue import BoundedQueue
from notifications.conf import conf
from notifications.events import emit
from notifications.metrics import RequestTotals, RouteTotals

MAX_WAITING: Final = 10_000
#: Whatever else a client invents counts as OTHER, or it could fill the table of routes.
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SERVER_ERROR: Final = 500


class Served(NamedTuple):
    """One request that was answered."""

    at: float  # time.monotonic()
    method: str | None
    route: str | None  # None: nothing in the URLconf matched
    status: int
    ms: float


class Reporter:
    """Adds up requests and tells one REPORT event for each interval in which there were any.

    An interval begins with the first request after the last event and takes `conf.metrics_interval` seconds;
    its event needs no further request, and comes at exit too. All but put() happens in the queue's thread.
    """

    def __init__(self) -> None:
        self._start_afresh()
        self._queue = BoundedQueue(self._add, maxsize=MAX_WAITING, name="requests", idle=self._idle)
        self.put = self._queue.put
        self.flush = self._queue.flush
        self.close = self._queue.close

    def _start_afresh(self) -> None:
        self._pid = os.getpid()
        self._totals = RequestTotals()
        self._ends = 0.0

    def _add(self, served: Served) -> None:
        if self._pid != os.getpid():  # what a forked child inherited is the parent's to tell
            self._start_afresh()
        if self._totals and served.at >= self._ends:
            self._tell()
        if not self._totals:
            self._ends = served.at + conf.metrics_interval
        self._totals.add(_label(served), error=served.status >= SERVER_ERROR, ms=served.ms)

    def _idle(self, hurry: bool) -> float | None:
        if not self._totals or self._pid != os.getpid():
            return None
        left = self._ends - time.monotonic()
        if left > 0 and not hurry:
            return left
        self._tell()
        return None

    def _tell(self) -> None:
        emit("REPORT", "requests", on_commit=False, counts=counts_of(self._totals.take()))


def _label(served: Served) -> str:
    method = served.method if served.method in METHODS else "OTHER"
    return f"{method} unknown" if served.route is None else f"{method} /{served.route}"


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
            now = time.monotonic()
            route = match.route if match else None
            reporter.put(Served(now, request.method, route, status, (now - began) * 1000))
        return response
