"""The pages of failed requests."""

import sys
from typing import Final

from django.contrib.sessions.exceptions import SessionInterrupted
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.defaults import bad_request as django_bad_request
from django.views.defaults import server_error as django_server_error

from notifications.http.no_store import NO_STORE
from notifications.patience import is_away

#: Seconds for the header Retry-After.
RETRY_AFTER: Final = 5


def server_error(request: HttpRequest) -> HttpResponse:
    """For `handler500`: 503 if the database is away, since trying again helps; 500 for everything else."""
    if not is_away(sys.exception()):
        return django_server_error(request)
    return _service_unavailable()


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """For `handler400`: if the database did not save a session, Django reports that another request ended it."""
    interrupted = isinstance(exception, SessionInterrupted)
    return _service_unavailable() if interrupted and _was_away(exception) else django_bad_request(request, exception)


def _was_away(error: BaseException | None) -> bool:
    while error is not None and not is_away(error):
        error = error.__cause__ or error.__context__
    return error is not None


def _service_unavailable() -> HttpResponse:
    page = render_to_string("503.html")  # without the request: a context processor would query the database
    return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_AFTER), "Cache-Control": NO_STORE})
