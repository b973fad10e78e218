"""Commits that need not wait for the disk, during which SQLite is locked for all others."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db.backends.base.base import BaseDatabaseWrapper

from notifications.database.fast_sql import execute, fetch_all

#: Numbers of `PRAGMA synchronous`.
NORMAL: Final = 1


@contextmanager
def unsynced(db: BaseDatabaseWrapper) -> Iterator[None]:
    """SQLite does not sync commits in the block; the next commit after it does. A power cut may take them until then.

    Other databases, and transactions that are open already, are as they were. Raises database errors.
    """
    before = NORMAL if db.vendor != "sqlite" or db.in_atomic_block else _synchronous(db)
    if before <= NORMAL:
        yield
        return
    execute(db, f"PRAGMA synchronous = {NORMAL}", [])
    driver = db.connection
    try:
        yield
    finally:
        if db.connection is driver:  # a new one has its own
            execute(db, f"PRAGMA synchronous = {before}", [])


def _synchronous(db: BaseDatabaseWrapper) -> int:
    ((number,),) = fetch_all(db, "PRAGMA synchronous", [])
    return int(number)
