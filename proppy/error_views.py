"""What people see where a request failed."""

import sys
from typing import Final

from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.defaults import bad_request as django_bad_request
from django.views.defaults import server_error as django_server_error

from notifications.patience import is_away

#: Seconds after which somebody who was told to come back may.
RETRY_AFTER: Final = 5


def server_error(request: HttpRequest) -> HttpResponse:
    """For `handler500`: 503 where the database is away, which trying again mends, and 500 for everything else."""
    if not is_away(sys.exception()):
        return django_server_error(request)
    return _come_back()


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """For `handler400`: Django takes a session that the database did not save for one that somebody else has ended."""
    interrupted = isinstance(exception, SessionInterrupted)
    return _come_back() if interrupted and _was_away(exception) else django_bad_request(request, exception)


def _was_away(error: BaseException | None) -> bool:
    while error is not None and not is_away(error):
        error = error.__cause__ or error.__context__
    return error is not None


def _come_back() -> HttpResponse:
    page = render_to_string("503.html")  # without the request: what a context processor asks for may be away as well
    return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_AFTER), "Cache-Control": "no-store"})
