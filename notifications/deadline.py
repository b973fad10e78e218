"""A limit for work with the database. Libpq has none for a server that takes a query and never answers."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

from django.db import transaction


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Break a connection to PostgreSQL off after so many seconds: what waits on it raises OperationalError.

    The next connection has `connect_timeout`; SQLite has its busy time-out.
    """
    connection = transaction.get_connection()
    if connection.vendor != "postgresql":
        yield
        return
    connection.ensure_connection()
    with closing(socket.socket(fileno=os.dup(connection.connection.fileno()))) as line:
        timer = threading.Timer(seconds, _hang_up, [line])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


def _hang_up(line: socket.socket) -> None:
    with suppress(OSError):  # it is closed already
        line.shutdown(socket.SHUT_RDWR)
