"""The payload of a log line, even if a handler's own code or a library logs it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from notifications.models import RawPayload

_current: Final[ContextVar[str]] = ContextVar("payload", default="")
#: This logger's lines name the payload themselves, for projects without the filter.
ENGINE: Final = "notifications.process_raw.handle_payload"


def attempt_of(payload: "RawPayload") -> str:
    """The name of an attempt in all its lines: "stripe 0a3c… attempt 2"."""
    return f"{payload} attempt {payload.attempts}"


@contextmanager
def handling(payload: "RawPayload") -> Iterator[None]:
    """In the block, all lines that this thread logs name the payload and its attempt."""
    token = _current.set(attempt_of(payload))
    try:
        yield
    finally:
        _current.reset(token)


class PayloadFilter(logging.Filter):
    """For a handler of LOGGING: sets each record's `payload`, such as " [stripe 0a3c… attempt 2]", or ""."""

    def filter(self, record: logging.LogRecord) -> bool:
        current = "" if record.name == ENGINE else _current.get()
        record.payload = f" [{current}]" if current else ""
        return True
