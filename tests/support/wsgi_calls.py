"""Calls of a WSGI application, as a web server makes them, with all that came of each."""

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final

from django.core.signals import got_request_exception, request_finished, request_started
from django.db import close_old_connections
from django.forms.models import model_to_dict

from notifications.models import RawPayload
from notifications.signals import gate_answered

RECEIPT: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
#: What is new in each answer, and in each row.
NEW_HEADER: Final = "X-Request-ID"
NEW_COLUMNS: Final = {"id", "receipt", "received_at", "next_attempt_at", "headers_json"}


@dataclass
class Called:
    """An answer with its effects. Receipts and the id of the request are masked."""

    status: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: str = ""
    #: Of `django.*`: logger, level, text, the status, the path of the request, the class of an exception.
    logged: list[tuple[Any, ...]] = field(default_factory=list)
    raised: list[str] = field(default_factory=list)
    stored: list[dict[str, Any]] = field(default_factory=list)


def environ(path: str = "/in/open/", body: bytes = b"x", **changes: Any) -> dict[str, Any]:
    """None removes a variable."""
    made = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_HOST": "testserver",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "gunicorn/27.0.1",
        "REMOTE_ADDR": "203.0.113.7",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(body),
        "wsgi.input_terminated": True,
    } | changes
    return {name: value for name, value in made.items() if value is not None}


def call(application: Any, environ: dict[str, Any]) -> Called:
    """Of the rows, only the new ones."""
    called = Called()
    before = set(RawPayload.objects.values_list("pk", flat=True))

    def start(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
        called.status = status
        called.headers = sorted((name, _masked(value, name)) for name, value in headers)

    with _noted(called):
        response = application(environ, start)
        called.body = _masked(b"".join(response).decode())
        response.close()
    called.stored = [_row(row) for row in RawPayload.objects.exclude(pk__in=before).order_by("pk")]
    return called


def _masked(text: str, header: str = "") -> str:
    return "masked" if header == NEW_HEADER else RECEIPT.sub("masked", text)


def _row(row: RawPayload) -> dict[str, Any]:
    headers = json.loads(row.headers_json) | {"x-request-id": "masked"}
    columns = {name: value for name, value in model_to_dict(row).items() if name not in NEW_COLUMNS}
    return columns | {"headers": headers, "body": bytes(row.body)}


@contextmanager
def _noted(called: Called) -> Iterator[None]:
    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            request, error = getattr(record, "request", None), record.exc_info[0] if record.exc_info else None
            status = getattr(record, "status_code", None)
            path = getattr(request, "path", None)
            called.logged.append((record.name, record.levelname, record.getMessage(), status, path, error))

    def note(request: Any, **_: Any) -> None:
        called.raised.append(request.path)

    handler, logger = Handler(), logging.getLogger("django")
    logger.addHandler(handler)
    got_request_exception.connect(note)
    try:
        yield
    finally:
        got_request_exception.disconnect(note)
        logger.removeHandler(handler)


class AtGate:
    """The statuses that the gate has answered, and their routes."""

    def __init__(self) -> None:
        self.answered: list[tuple[str, int]] = []
        gate_answered.connect(self._note)

    def _note(self, route: str, status: int, milliseconds: float, **_: Any) -> None:
        assert milliseconds > 0
        self.answered.append((route, status))

    def close(self) -> None:
        gate_answered.disconnect(self._note)


@contextmanager
def kept_connections() -> Iterator[None]:
    """As Django's test client: a test's connection stays open."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        for signal in (request_started, request_finished):
            signal.connect(close_old_connections)
