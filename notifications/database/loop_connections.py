"""Connections of a thread that runs an event loop: Django has others for its tasks (asgiref's Local)."""

from asyncio import _get_running_loop, _set_running_loop
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from notifications.database.transactions import in_own_block


def thread_connection() -> BaseDatabaseWrapper:
    """The thread's own connection to `default`, also on an event loop. Opens nothing."""
    with _without_loop():
        db: BaseDatabaseWrapper = transaction.get_connection()
        return db


def is_inside_transaction() -> bool:
    """Whether the caller is inside an atomic block of any database: of the thread, or of a task on its event loop."""
    with _without_loop():
        of_thread = connections.all(initialized_only=True)
    return any(map(in_own_block, [*of_thread, *connections.all(initialized_only=True)]))


@contextmanager
def _without_loop() -> Iterator[None]:
    loop = _get_running_loop()
    _set_running_loop(None)  # nothing else runs in this thread meanwhile
    try:
        yield
    finally:
        _set_running_loop(loop)
