"""Gives each request an id, and records how long the site's own posts take."""

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from notifications import emit
from notifications.utils.sync_and_async import BothWays
from proppy.visits import CONTACT, Visit, own_visits, remember

#: Posts with work after their answer, by path.
FOLLOWED: Final = {"/sign-up/": "Sign-up", "/photos/": "Photo upload", "/in/contact/": CONTACT}


class Trace(BothWays):
    """X-Request-ID is new for each request, and replaces the client's. `trace_of()` reads it.

    The response has it as X-Request-ID. Captured payloads store it as a header, so that workers know their request.
    The request itself writes one event and a cookie.
    """

    def __call__(self, request: HttpRequest) -> Any:
        began, started = datetime.now(UTC), time.perf_counter()
        request.META["HTTP_X_REQUEST_ID"] = _new_id()
        if self.is_async:
            return self._answer_async(request, began, started)
        return _traced(request, self.get_response(request), began, started)

    async def _answer_async(self, request: HttpRequest, began: datetime, started: float) -> HttpResponseBase:
        return _traced(request, await self.get_response(request), began, started)

    @staticmethod
    def at_gate(meta: Mapping[str, Any]) -> tuple[Mapping[str, str], Mapping[str, str]] | None:
        """The same at the gate of the intake. The followed forms are left to Django."""
        if meta["PATH_INFO"] in FOLLOWED:
            return None
        trace = _new_id()
        return {"HTTP_X_REQUEST_ID": trace}, {"X-Request-ID": trace}


def _new_id() -> str:
    return os.urandom(16).hex()


def _traced(request: HttpRequest, response: HttpResponseBase, began: datetime, started: float) -> HttpResponseBase:
    trace = response["X-Request-ID"] = trace_of(request)
    what = FOLLOWED.get(request.path_info) if request.method == "POST" else None
    if what:
        milliseconds = round((time.perf_counter() - started) * 1000, 3)
        line = f"POST {request.path_info} {response.status_code}"
        emit("TRACE", line, trace=trace, ms=milliseconds, what=what)
        if _went_well(response):
            remember(response, [Visit(trace, began, what), *own_visits(request)])
    return response


def _went_well(response: HttpResponseBase) -> bool:
    """Each of the followed forms redirects home after success."""
    return urlsplit(response.get("Location", "")).path == reverse("home")


def trace_of(request: HttpRequest) -> str:
    """The request's id: 32 hex digits."""
    return str(request.META["HTTP_X_REQUEST_ID"])
