"""Django's WSGI application with two changes, which must take effect before the first middleware.

An invalid Content-Type header is no error. A transaction that an earlier request left open is rolled back: in it this
request would store and acknowledge a body that is never committed.
"""

import logging
from typing import Any

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest

from notifications.database.transactions import close_open
from notifications.http.django_entry import AnyContentType, set_up

logger = logging.getLogger(__name__)


class Request(AnyContentType, WSGIRequest):
    """A request with any Content-Type."""


class Handler(WSGIHandler):
    request_class = Request

    def __call__(self, environ: Any, start_response: Any) -> Any:
        if problem := close_open("An earlier request"):
            logger.error("%s", problem)
        return super().__call__(environ, start_response)


def get_wsgi_application() -> Handler:
    """Replaces the function of this name in django.core.wsgi. Logs what this user may not use of the state folder."""
    set_up()
    return Handler()
