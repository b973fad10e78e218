"""Middleware that counts requests by route, and reports them once per interval."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from django.http import HttpRequest, HttpResponseBase

from notifications.events import series
from notifications.events.emit import emit
from notifications.events.interval_report import IntervalReport
from notifications.http.request_totals import MAX_ROUTES, OTHER, RequestTotals, RouteTotals
from notifications.http.statsd_server import open_server, send_counts
from notifications.utils.sums import Sum
from notifications.utils.sync_and_async import BothWays

SERVER_ERROR: Final = 500
#: nginx's number for a client that did not wait for the answer: under ASGI Django cancels the request then.
CLIENT_LEFT: Final = 499
#: In META: when the gate of the intake took a request that Django answers. No header has such a name.
BEGAN: Final = "notifications.began"


class Reporter(IntervalReport):
    """Adds up requests. Reports those of a minute as series, and those of an interval as one REPORT event, and to
    METRICS_URL.
    """

    def __init__(self) -> None:
        super().__init__("requests")

    def forget(self) -> None:
        self._totals = RequestTotals()
        #: Those of the interval's minutes that are over.
        self._over: dict[str, RouteTotals] = {}

    def add(self, method: str | None, route: str | None, *, status: int, ms: float) -> None:
        """Count one request that was answered; `route` is None if nothing in the URLconf matched."""
        self._totals.add(method, route, error=status >= SERVER_ERROR, ms=ms)
        if not self.has_started:
            self.start()

    def minute_over(self, minute: int) -> None:
        totals = self._totals.take()
        if totals:
            series.write(minute, series_of(totals))
        for label, route in totals.items():
            known = label if label in self._over or len(self._over) < MAX_ROUTES else OTHER
            self._over.setdefault(known, RouteTotals()).merge(route)

    def report(self) -> None:
        totals, self._over = self._over, {}
        if totals:
            counts = counts_of(totals)
            emit("REPORT", "requests", on_commit=False, counts=counts)
            send_counts(counts)


def series_of(totals: Mapping[str, RouteTotals]) -> series.Series:
    """Requests with their times, and errors."""
    requests = {label: Sum(each.requests, each.ms, each.highest, each.buckets) for label, each in totals.items()}
    errors = {label: Sum(each.errors) for label, each in totals.items() if each.errors}
    return {"requests": requests, "errors": errors}


def counts_of(totals: Mapping[str, RouteTotals]) -> dict[str, int]:
    """Flat counts, `{"requests GET /photos/": 12, "ms GET /photos/": 345}`, without zeros."""
    counts: dict[str, int] = {}
    for label, route in totals.items():
        counts[f"requests {label}"] = route.requests
        counts[f"errors {label}"] = route.errors
        counts[f"ms {label}"] = round(route.ms)
    return {name: count for name, count in counts.items() if count}


reporter = Reporter()


class RequestStats(BothWays):
    """Counts requests, errors (status 500 and over, exceptions) and milliseconds per method and route."""

    def __init__(self, get_response: Callable[..., Any]) -> None:
        super().__init__(get_response)
        open_server()

    def __call__(self, request: HttpRequest) -> Any:
        if self.is_async:
            return self._answer_async(request)
        began, status = _beginning(request), SERVER_ERROR
        try:
            response = self.get_response(request)
            status = response.status_code
        finally:
            _count(request, began, status)
        return response

    async def _answer_async(self, request: HttpRequest) -> HttpResponseBase:
        began, status = _beginning(request), SERVER_ERROR
        try:
            response: HttpResponseBase = await self.get_response(request)
            status = response.status_code
        except asyncio.CancelledError:
            status = CLIENT_LEFT
            raise
        finally:
            _count(request, began, status)
        return response


def _beginning(request: HttpRequest) -> float:
    found = request.META.get(BEGAN)
    return found if isinstance(found, float) else time.monotonic()


def _count(request: HttpRequest, began: float, status: int) -> None:
    match = request.resolver_match
    milliseconds = (time.monotonic() - began) * 1000
    reporter.add(request.method, match.route if match else None, status=status, ms=milliseconds)
