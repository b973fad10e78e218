"""Which payload a log line belongs to, also where a handler's own code or a library logs it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from notifications.models import RawPayload

_current: Final[ContextVar[str]] = ContextVar("payload", default="")
#: Its lines name the payload themselves, for projects without the filter.
ENGINE: Final = "notifications.raw.handling"


def attempt_of(payload: "RawPayload") -> str:
    """What all lines about an attempt have in common: "stripe 0a3c… attempt 2"."""
    return f"{payload} attempt {payload.attempts}"


@contextmanager
def handling(payload: "RawPayload") -> Iterator[None]:
    """Lines that this thread logs in the block name the payload and its attempt."""
    token = _current.set(attempt_of(payload))
    try:
        yield
    finally:
        _current.reset(token)


class PayloadFilter(logging.Filter):
    """For a handler of LOGGING: gives each record `payload`, such as " [stripe 0a3c… attempt 2]", or ""."""

    def filter(self, record: logging.LogRecord) -> bool:
        current = "" if record.name == ENGINE else _current.get()
        record.payload = f" [{current}]" if current else ""
        return True
