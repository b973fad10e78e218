"""What an idle `process_raw` waits on: datagrams of this machine, and PostgreSQL's NOTIFY from others."""

import logging
import math
import select
import time
from contextlib import suppress
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, Error, connections

from notifications.deadline import deadline
from notifications.raw import store, wake
from notifications.raw.wake import NOTIFY_CHANNEL, Sleeper

logger = logging.getLogger(__name__)

RETRY_INTERVAL: Final = 1.0
#: Seconds after which the connection must answer again. A dead one that TCP does not notice is silent, as an idle one.
PROBE_INTERVAL: Final = 30.0
#: Seconds that an answer may take.
LONGEST_ANSWER: Final = 5.0


class Listener:
    """Readable, by `fileno()`, when a payload may have come. Both ways may fail: the poll stands behind them."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._sleeper = _sleeper()
        if self._sleeper is not None:
            self._epoll.register(self._sleeper.fileno(), select.EPOLLIN)
        self._database: Any = None
        self._retry_at = 0.0
        self._probe_at = math.inf
        self._look_at = math.inf

    def fileno(self) -> int:
        return self._epoll.fileno()

    def drain(self) -> None:
        """Forget the calls so far, and listen again where the connection was lost."""
        if self._sleeper is not None:
            self._sleeper.drain()
        if time.monotonic() >= self._look_at:
            self._look_at = math.inf
        if self._database is None:
            self._connect()
            return
        try:
            self._probe()
            for _ in self._database.connection.notifies(timeout=0):
                self._look_at = time.monotonic() + wake.NOTIFY_INTERVAL
        except _errors() as error:
            logger.warning("PostgreSQL notifies no more (%s); polling", str(error).strip())
            self.hang_up()

    def within(self, delay: float) -> float:
        """`delay`, in seconds, or less: payloads kept within 10 ms of a NOTIFY give none of their own.

        They are in the table 10 ms after it came, so it is looked at once more then.
        """
        return min(delay, max(self._look_at - time.monotonic(), 0.0))

    def hang_up(self) -> None:
        """Let go of the connection; the next `drain()` makes a new one. Perhaps another server has taken over."""
        if self._database is None:
            return
        with suppress(OSError, ValueError, *_errors()):  # a broken connection has no descriptor
            self._epoll.unregister(self._database.connection.fileno())
        with suppress(Error):
            self._database.close()
        self._database = None

    def close(self) -> None:
        self.hang_up()
        self._epoll.close()
        if self._sleeper is not None:
            self._sleeper.close()

    def _connect(self) -> None:
        if store.connection().vendor != "postgresql" or time.monotonic() < self._retry_at:
            return
        self._retry_at = time.monotonic() + RETRY_INTERVAL
        database = connections.create_connection(DEFAULT_DB_ALIAS)
        try:
            with deadline(LONGEST_ANSWER, database), database.cursor() as cursor:
                cursor.execute(f"LISTEN {NOTIFY_CHANNEL}")
        except Error:  # the turn that follows meets the same database and says so
            database.close()
            return
        self._database = database
        self._probe_at = time.monotonic() + PROBE_INTERVAL
        self._look_at = time.monotonic() + wake.NOTIFY_INTERVAL  # after one that came before it listened
        self._epoll.register(database.connection.fileno(), select.EPOLLIN)

    def _probe(self) -> None:
        if time.monotonic() >= self._probe_at:
            self._probe_at = time.monotonic() + PROBE_INTERVAL
            with deadline(LONGEST_ANSWER, self._database), self._database.cursor() as cursor:
                cursor.execute("SELECT 1")


def _sleeper() -> Sleeper | None:
    try:
        return Sleeper()
    except OSError as error:
        logger.warning("No wake-up socket (%s); polling each second", error)
        return None


def _errors() -> tuple[type[Exception], ...]:
    import psycopg

    return (psycopg.Error, Error)
