"""What people see where a request failed."""

import sys
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.defaults import server_error as django_server_error

from notifications.patience import is_away

#: Seconds after which somebody who was told to come back may.
RETRY_AFTER: Final = 5


def server_error(request: HttpRequest) -> HttpResponse:
    """For `handler500`: 503 where the database is away, which trying again mends, and 500 for everything else."""
    if not is_away(sys.exception()):
        return django_server_error(request)
    page = render_to_string("503.html")  # without the request: what a context processor asks for may be away as well
    return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_AFTER), "Cache-Control": "no-store"})
