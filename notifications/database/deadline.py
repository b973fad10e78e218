"""A time limit for database work. libpq has none for a server that takes a query and never answers."""

import math
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from notifications.conf import conf
from notifications.utils.forks import renew_after_fork


@contextmanager
def deadline(seconds: float, db: BaseDatabaseWrapper | None = None) -> Iterator[None]:
    """Cut the connection to PostgreSQL after `seconds`: what waits on it raises OperationalError.

    `db` is a Django connection, by default this thread's to the engine's database. Raises Django's own
    OperationalError if it cannot connect. `connect_timeout` in DATABASES limits connecting. proppy/environment.py sets
    it together with the time zone, so that Django sends no query on a new connection. SQLite has its busy timeout.
    """
    db = connections[conf.database] if db is None else db
    if db.vendor != "postgresql":
        yield
        return
    db.ensure_connection()
    with db.wrap_database_errors:  # psycopg raises its own if Django missed that the connection is lost
        descriptor = os.dup(db.connection.fileno())
    _watcher.add(descriptor, time.monotonic() + seconds)
    try:
        yield
    finally:
        _watcher.remove(descriptor)  # before it is closed: then its number may be reused
        os.close(descriptor)


class _Watcher:
    """One thread for all deadlines of the process. It sleeps until the first may have passed."""

    def __init__(self) -> None:
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        self._deadlines: dict[int, float] = {}
        self._wakes_at = math.inf
        self._earlier = threading.Condition()
        self._thread: threading.Thread | None = None

    def add(self, descriptor: int, until: float) -> None:
        """Hang up at `until`, by the monotonic clock."""
        with self._earlier:
            self._deadlines[descriptor] = until
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="deadlines", daemon=True)
                self._thread.start()
            elif until < self._wakes_at:
                self._earlier.notify()

    def remove(self, descriptor: int) -> None:
        """Leave it alone from now on."""
        with self._earlier:
            self._deadlines.pop(descriptor, None)

    def _watch(self) -> None:
        with self._earlier:
            while True:
                now = time.monotonic()
                for descriptor in [each for each, until in self._deadlines.items() if until <= now]:
                    del self._deadlines[descriptor]
                    _hang_up(descriptor)
                self._wakes_at = min(self._deadlines.values(), default=math.inf)
                self._earlier.wait(None if self._wakes_at == math.inf else self._wakes_at - now)


def _hang_up(descriptor: int) -> None:
    with suppress(OSError), closing(socket.socket(fileno=os.dup(descriptor))) as line:  # OSError: already closed
        line.shutdown(socket.SHUT_RDWR)


_watcher = _Watcher()
