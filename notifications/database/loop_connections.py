"""Connections of a thread that runs an event loop: Django has others for its tasks (asgiref's Local)."""

from asyncio import _get_running_loop, _set_running_loop

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper


def thread_connection() -> BaseDatabaseWrapper:
    """The thread's own connection to `default`, also on an event loop. Opens nothing."""
    loop = _get_running_loop()
    _set_running_loop(None)  # nothing else runs in this thread meanwhile
    try:
        db: BaseDatabaseWrapper = transaction.get_connection()
        return db
    finally:
        _set_running_loop(loop)


def in_transaction_of_caller(db: BaseDatabaseWrapper) -> bool:
    """Whether it is inside an atomic block; a test case's own does not count."""
    return bool(db.atomic_blocks) and not getattr(db.atomic_blocks[-1], "_from_testcase", False)
