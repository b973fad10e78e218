"""What came of a call of an application: the answer, and all its effects."""

import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Self

from django.core.signals import got_request_exception, request_finished, request_started
from django.db import close_old_connections
from django.forms.models import model_to_dict

from notifications.models import RawPayload
from notifications.signals import gate_answered

#: Receipts, tokens of forms and cookies, and when those end.
RANDOM: Final = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[A-Za-z0-9]{32,64}\b|expires=[^;]+")
#: What is new in each answer, and in each row.
NEW_HEADER: Final = "X-Request-ID"
NEW_COLUMNS: Final = {"id", "receipt", "received_at", "next_attempt_at", "headers_json"}


@dataclass
class Called:
    """An answer with its effects. Receipts and the id of the request are masked."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    #: Of `django.*`: logger, level, text, the status, the path of the request, the class of an exception.
    logged: list[tuple[Any, ...]] = field(default_factory=list)
    raised: list[str] = field(default_factory=list)
    stored: list[dict[str, Any]] = field(default_factory=list)
    before: set[int] = field(
        default_factory=lambda: set(RawPayload.objects.values_list("pk", flat=True)), compare=False
    )

    def finish(self) -> Self:
        """Of the rows, only the new ones."""
        self.body = RANDOM.sub(b"masked", self.body)
        self.stored = [_row(row) for row in RawPayload.objects.exclude(pk__in=self.before).order_by("pk")]
        return self


def masked(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Sorted, without what is new in each answer."""
    new = {NEW_HEADER: "masked"}
    return sorted((name, new.get(name, RANDOM.sub(b"masked", value.encode()).decode())) for name, value in headers)


def _row(row: RawPayload) -> dict[str, Any]:
    headers = json.loads(row.headers_json) | {"x-request-id": "masked"}
    columns = {name: value for name, value in model_to_dict(row).items() if name not in NEW_COLUMNS}
    return columns | {"headers": headers, "body": bytes(row.body)}


@contextmanager
def noted(called: Called) -> Iterator[None]:
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
