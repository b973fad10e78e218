"""What a restart of PostgreSQL does to a request: it waits up to 3 s for a connection, and 5 s for a statement.

Workers and commands are not affected: they have limits of their own.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, TypeVar

from django.db import Error, InterfaceError, OperationalError

T = TypeVar("T")

#: Seconds for which a request tries to reconnect…
LONGEST: Final = 3.0
#: …and seconds between two attempts.
PAUSE: Final = 0.1
#: Threads of a process that may wait at a time. The others serve what needs no database; the web unit has four.
WAITING: Final = 2
#: Seconds for the answer to one statement.
LONGEST_STATEMENT: Final = 5.0
#: When the request has waited long enough; 0.0 outside requests. Under ASGI it reaches the thread of a view.
_until: Final = ContextVar("until", default=0.0)


def is_in_request() -> bool:
    """Whether this code answers a request that may wait."""
    return _until.get() > 0.0


@contextmanager
def patient(seconds: float = LONGEST) -> Iterator[None]:
    """The block answers a request: in all it may wait `seconds` for connections."""
    with _waiting_until(time.monotonic() + seconds):
        yield


@contextmanager
def impatient() -> Iterator[None]:
    """The block has limits of its own."""
    with _waiting_until(0.0):
        yield


@contextmanager
def _waiting_until(until: float) -> Iterator[None]:
    before = _until.get()
    _until.set(until)
    try:
        yield
    finally:
        _until.set(before)


class Reconnection:
    """Reconnects while the request may wait. All threads of the process share one."""

    def __init__(self) -> None:
        self._places = threading.BoundedSemaphore(WAITING)
        self._never = threading.Event()
        self._failed = False

    def connect(self, attempt: Callable[[], T], away: type[Exception]) -> T:
        """Returns what `attempt` returns. Raises `away`, as `attempt` does, when the time is up.

        After a failure only threads with a place to wait try again: an unreachable host is slow to fail.
        """
        if not is_in_request():
            return attempt()
        if not self._failed:
            try:
                return attempt()
            except away:
                self._failed = True
        if not self._places.acquire(blocking=False):
            raise away("the database is away, and others wait for it already")
        try:
            connection = self._try_again(attempt, away)
        finally:
            self._places.release()
        self._failed = False
        return connection

    def _try_again(self, attempt: Callable[[], T], away: type[Exception]) -> T:
        while True:
            try:
                return attempt()
            except away:
                if time.monotonic() + PAUSE > _until.get():
                    raise
            self._never.wait(PAUSE)


reconnection: Final = Reconnection()


def is_away(error: BaseException | None) -> bool:
    """Whether a request failed because the database was unreachable, locked or did not answer in time."""
    return isinstance(error, Error) and isinstance(error, OperationalError | InterfaceError)
