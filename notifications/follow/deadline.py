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

    Raises that of Django itself where there is none. Opening one is limited by DATABASES' `connect_timeout`, which
    proppy/environment.py sets; SQLite has its busy time-out.
    """
    connection = transaction.get_connection()
    if connection.vendor != "postgresql":
        yield
        return
    connection.ensure_connection()
    with connection.wrap_database_errors:  # psycopg's own, of a connection that was lost without Django's knowledge
        descriptor = os.dup(connection.connection.fileno())
    with closing(socket.socket(fileno=descriptor)) as line:
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
