"""Gives each request an id, and tells what the product's own requests cost."""

import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse

from notifications import emit
from proppy.visits import CONTACT, Visit, own_visits, remember

#: The posts that go on after their answer, by path.
FOLLOWED: Final = {"/sign-up/": "Sign-up", "/photos/": "Photo upload", "/in/contact/": CONTACT}


class Trace:
    """`request.trace_id` is new for each request; what the client sent as X-Request-ID is replaced.

    The id goes out as X-Request-ID, and is stored as a header of captured payloads, so that the workers
    know for which request they work. The request itself writes one event and a cookie.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        trace = request.META["HTTP_X_REQUEST_ID"] = uuid.uuid4().hex
        request.trace_id = trace  # type: ignore[attr-defined]  # Django has no typed way to add to a request
        began, started = datetime.now(UTC), time.perf_counter()
        response = self.get_response(request)
        response["X-Request-ID"] = trace
        what = FOLLOWED.get(request.path_info) if request.method == "POST" else None
        if what:
            milliseconds = round((time.perf_counter() - started) * 1000, 3)
            line = f"POST {request.path_info} {response.status_code}"
            emit("TRACE", line, trace=trace, ms=milliseconds, what=what)
            if _went_well(response):
                remember(response, [Visit(trace, began, what), *own_visits(request)])
        return response


def _went_well(response: HttpResponseBase) -> bool:
    """Each of the followed forms sends the browser home when it took what was posted."""
    return urlsplit(response.get("Location", "")).path == reverse("home")


def trace_of(request: HttpRequest) -> str:
    """The request's id: 32 hex digits."""
    return str(request.META["HTTP_X_REQUEST_ID"])
