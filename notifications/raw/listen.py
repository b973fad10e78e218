"""What an idle `process_raw` waits on: datagrams of this machine, and PostgreSQL's NOTIFY from others."""

import logging
import select
import time
from contextlib import suppress
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, Error, connections

from notifications.raw import store
from notifications.raw.wake import NOTIFY_CHANNEL, Sleeper

logger = logging.getLogger(__name__)

RETRY_INTERVAL: Final = 1.0


class Listener:
    """Readable, by `fileno()`, when a payload may have come. Both ways may fail: the poll stands behind them."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._sleeper = _sleeper()
        if self._sleeper is not None:
            self._epoll.register(self._sleeper.fileno(), select.EPOLLIN)
        self._database: Any = None
        self._retry_at = 0.0

    def fileno(self) -> int:
        return self._epoll.fileno()

    def drain(self) -> None:
        """Forget the calls so far, and listen again where the connection was lost."""
        if self._sleeper is not None:
            self._sleeper.drain()
        if self._database is None:
            self._connect()
            return
        try:
            for _ in self._database.connection.notifies(timeout=0):
                pass
        except _errors() as error:
            logger.warning("PostgreSQL notifies no more (%s); polling", error)
            self._disconnect()

    def close(self) -> None:
        self._disconnect()
        self._epoll.close()
        if self._sleeper is not None:
            self._sleeper.close()

    def _connect(self) -> None:
        if store.connection().vendor != "postgresql" or time.monotonic() < self._retry_at:
            return
        self._retry_at = time.monotonic() + RETRY_INTERVAL
        database = connections.create_connection(DEFAULT_DB_ALIAS)
        try:
            with database.cursor() as cursor:
                cursor.execute(f"LISTEN {NOTIFY_CHANNEL}")
        except Error:  # the turn that follows meets the same database and says so
            database.close()
            return
        self._database = database
        self._epoll.register(database.connection.fileno(), select.EPOLLIN)

    def _disconnect(self) -> None:
        if self._database is None:
            return
        with suppress(OSError, ValueError, *_errors()):  # a broken connection has no descriptor
            self._epoll.unregister(self._database.connection.fileno())
        with suppress(Error):
            self._database.close()
        self._database = None


def _sleeper() -> Sleeper | None:
    try:
        return Sleeper()
    except OSError as error:
        logger.warning("No wake-up socket (%s); polling each second", error)
        return None


def _errors() -> tuple[type[Exception], ...]:
    import psycopg

    return (psycopg.Error, Error)
