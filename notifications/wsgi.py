"""Django's WSGI application with three changes, which must take effect before the first middleware.

Posts to /in/<source>/ are answered at the gate (intake/gate/), which leaves to Django what it cannot answer as Django.
An invalid Content-Type header is no error. A transaction that an earlier request left open is rolled back: in it this
request would store and acknowledge a body that is never committed.
"""

import logging
from collections.abc import Iterator
from typing import Any

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest

from notifications.database.transactions import close_open
from notifications.http.django_entry import AnyContentType, set_up
from notifications.intake.gate.gate import Gate, open_gate, tend_connections
from notifications.intake.gate.wsgi_input import pass_environ

logger = logging.getLogger(__name__)


class Request(AnyContentType, WSGIRequest):
    """A request with any Content-Type."""


class Handler(WSGIHandler):
    request_class = Request

    def __call__(self, environ: Any, start_response: Any) -> Any:
        gate = open_gate() if type(self) is Handler else None  # what a subclass does is not known
        if gate is not None and environ.get("PATH_INFO", "").startswith(gate.prefix):
            body = _pass(gate, environ, start_response)
            if body is not None:
                return body
        if problem := close_open("An earlier request"):
            logger.error("%s", problem)
        return super().__call__(environ, start_response)


class Body:
    """Of an answer at the gate. No list: Granian does not close one."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __iter__(self) -> Iterator[bytes]:
        yield self._data

    def close(self) -> None:
        """The server calls it when the answer is sent."""
        tend_connections()


def _pass(gate: Gate, environ: Any, start_response: Any) -> Body | None:
    """The body of an answer at the gate, or None."""
    passed = pass_environ(gate, environ)
    if passed is None:
        return None
    admitted, answer = passed
    start_response("202 Accepted", admitted.headers)
    return Body(answer.body)


def get_wsgi_application() -> Handler:
    """Replaces the function of this name in django.core.wsgi. Logs what this user may not use of the state folder."""
    set_up()
    return Handler()
