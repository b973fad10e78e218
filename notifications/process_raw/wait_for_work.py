"""Wakes an idle `process_raw`: by datagrams of this machine, and by PostgreSQL's NOTIFY from others."""

import logging
import math
import select
import time
from contextlib import suppress
from typing import Any, Final

from django.db import Error, connections

from notifications.conf import conf
from notifications.database import bounded_wait
from notifications.database.deadline import deadline
from notifications.store import wake_workers
from notifications.store.wake_workers import NOTIFY_CHANNEL, Sleeper

logger = logging.getLogger(__name__)

RETRY_INTERVAL: Final = 1.0
#: Seconds between two probes of the connection: one that TCP does not report as dead is as silent as an idle one.
PROBE_INTERVAL: Final = 30.0
#: Seconds for an answer.
LONGEST_ANSWER: Final = 5.0


class Listener:
    """Its `fileno()` becomes readable when a payload may have come. Both ways may fail: the worker polls as well."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._sleeper = _sleeper()
        if self._sleeper is not None:
            self._epoll.register(self._sleeper.fileno(), select.EPOLLIN)
        #: The connection on which it listens to PostgreSQL; None while there is none.
        self.database: Any = None
        self._retry_at = 0.0
        self._probe_at = math.inf
        self._check_again_at = math.inf

    def fileno(self) -> int:
        return self._epoll.fileno()

    def drain(self) -> None:
        """Read all wake-ups so far, and connect again if the connection was lost."""
        if self._sleeper is not None:
            self._sleeper.drain()
        if time.monotonic() >= self._check_again_at:
            self._check_again_at = math.inf
        if self.database is None:
            self._connect()
            return
        try:
            self._probe()
            for _ in self.database.connection.notifies(timeout=0):
                self._check_again_at = time.monotonic() + wake_workers.NOTIFY_INTERVAL
        except _database_errors() as error:
            logger.warning("PostgreSQL's notifications are lost (%s); polling", str(error).strip())
            self.disconnect()

    def bounded(self, delay: float) -> float:
        """`delay` in seconds, or less after a NOTIFY: payloads kept within 10 ms of it send none of their own.

        So the worker checks once more 10 ms after it, when they are in the table.
        """
        return min(delay, max(self._check_again_at - time.monotonic(), 0.0))

    def disconnect(self) -> None:
        """Close the connection. The next `drain()` opens a new one, perhaps to the server that took over."""
        if self.database is None:
            return
        with suppress(OSError, ValueError, *_database_errors()):  # a broken connection has no descriptor
            self._epoll.unregister(self.database.connection.fileno())
        with suppress(Error):
            self.database.close()
        self.database = None

    def close(self) -> None:
        self.disconnect()
        self._epoll.close()
        if self._sleeper is not None:
            self._sleeper.close()

    def _connect(self) -> None:
        if bounded_wait.connection().vendor != "postgresql" or time.monotonic() < self._retry_at:
            return
        self._retry_at = time.monotonic() + RETRY_INTERVAL
        database = connections.create_connection(conf.database)
        try:
            with deadline(LONGEST_ANSWER, database), database.cursor() as cursor:
                cursor.execute(f"LISTEN {NOTIFY_CHANNEL}")
        except Error:  # the worker's next query reports it
            database.close()
            return
        self.database = database
        self._probe_at = time.monotonic() + PROBE_INTERVAL
        self._check_again_at = time.monotonic() + wake_workers.NOTIFY_INTERVAL  # a NOTIFY may have come before LISTEN
        self._epoll.register(database.connection.fileno(), select.EPOLLIN)

    def _probe(self) -> None:
        if time.monotonic() >= self._probe_at:
            self._probe_at = time.monotonic() + PROBE_INTERVAL
            with deadline(LONGEST_ANSWER, self.database), self.database.cursor() as cursor:
                cursor.execute("SELECT 1")


def _sleeper() -> Sleeper | None:
    try:
        return Sleeper()
    except OSError as error:
        logger.warning("No wake-up socket (%s); polling each second", error)
        return None


def _database_errors() -> tuple[type[Exception], ...]:
    import psycopg

    return (psycopg.Error, Error)
