"""How long a request waits for PostgreSQL: a moment to connect, since a restart takes one, and not long for an answer.

Without a request, in workers and commands, nothing here holds: they have limits of their own.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from django.db import Error, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponseBase

T = TypeVar("T")

#: Seconds for which a request tries again to connect…
LONGEST: Final = 3.0
#: …with so many between two attempts.
PAUSE: Final = 0.1
#: Threads of a process that may wait at a time: the others are for what needs no database. The web unit has four.
WAITING: Final = 2
#: Seconds for the answer to one statement.
LONGEST_STATEMENT: Final = 5.0


class _Request(threading.local):
    #: When this thread's request has waited long enough; 0.0 outside requests.
    until = 0.0


_request: Final = _Request()


def is_in_request() -> bool:
    """Whether this thread answers a request that may wait."""
    return _request.until > 0.0


@contextmanager
def patient(seconds: float = LONGEST) -> Iterator[None]:
    """The block answers a request: it may wait so many seconds in all for connections."""
    with _until(time.monotonic() + seconds):
        yield


@contextmanager
def impatient() -> Iterator[None]:
    """The block has limits of its own."""
    with _until(0.0):
        yield


@contextmanager
def _until(until: float) -> Iterator[None]:
    before, _request.until = _request.until, until
    try:
        yield
    finally:
        _request.until = before


class Reconnection:
    """Connects again while the request of the thread has patience. One for the process, which all threads share."""

    def __init__(self) -> None:
        self._places = threading.BoundedSemaphore(WAITING)
        self._never = threading.Event()
        self._failed = False

    def connect(self, attempt: Callable[[], T], away: type[Exception]) -> T:
        """What `attempt` gives. Raises `away`, as `attempt` does, once it was tried long enough.

        After a failure only those attempt it that have a place to wait: an unreachable host takes its time to fail.
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
                if time.monotonic() + PAUSE > _request.until:
                    raise
            self._never.wait(PAUSE)


reconnection: Final = Reconnection()


def is_away(error: BaseException | None) -> bool:
    """Whether a request failed since the database could not be reached, was locked or did not answer in time."""
    return isinstance(error, Error) and isinstance(error, OperationalError | InterfaceError)


class PatientRequests:
    """Middleware: the requests below it wait for PostgreSQL as this module says."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with patient():
            return self._get_response(request)
