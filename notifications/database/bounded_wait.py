"""Statements that wait for the database for a bounded time, however it fails."""

import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from django.db import InterfaceError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from notifications.conf import conf
from notifications.database.deadline import deadline
from notifications.database.postgresql_restart import impatient
from notifications.database.transaction_conflicts import is_locked
from notifications.database.transactions import in_transaction

T = TypeVar("T")
#: Milliseconds to wait for a locked SQLite before the spool is faster.
LOCKED_MS: Final = 250
#: …and if it was locked the last time: requests behind this one wait too.
STILL_LOCKED_MS: Final = 5
#: Milliseconds between two looks at the lock. SQLite's own pauses grow to 100, and whoever waits behind us waits too.
LOOK_MS: Final = 1
#: Seconds to wait for the answer of a PostgreSQL.
LONGEST_STATEMENT: Final = 1.0
#: Bytes a second that its link carries at least.
SLOWEST: Final = 4 * 1024 * 1024


def connection() -> BaseDatabaseWrapper:
    """This thread's connection to the engine's database."""
    return connections[conf.database]


def run_bounded(db: BaseDatabaseWrapper, work: Callable[[], T], *, failed_before: bool = False, size: int = 0) -> T:
    """Returns what `work` returns. It may begin again: it must raise what its statements on this connection raise.

    SQLite: gives up on a lock after 250 ms, after 5 if it `failed_before`. PostgreSQL: gives up on a statement after
    1 s, later if `size` bytes are on their way; reconnects once if the kept connection is lost. Raises database errors
    and OSError. Inside a transaction it waits as the caller's own statements do.
    """
    if db.in_atomic_block:
        return work()
    if db.vendor == "sqlite":
        return until_unlocked(db, STILL_LOCKED_MS if failed_before else LOCKED_MS, work)
    if db.vendor != "postgresql":
        return work()
    with impatient():
        return _run_on_postgresql(db, work, LONGEST_STATEMENT + size / SLOWEST)


def _run_on_postgresql(db: BaseDatabaseWrapper, work: Callable[[], T], longest: float) -> T:
    if db.connection is not None:
        started = time.monotonic()
        db.health_check_done = True  # type: ignore[attr-defined]  # the statement itself is the check: no second round trip
        try:
            with deadline(longest, db):
                return work()
        except (OperationalError, InterfaceError):
            hangs = time.monotonic() - started >= longest
            if hangs or db.connection is None or not db.connection.closed:
                raise
        db.close()
    with deadline(longest, db):
        return work()


def until_unlocked(db: BaseDatabaseWrapper, milliseconds: int, work: Callable[[], T]) -> T:
    """Returns what `work` returns, which begins again while SQLite is locked, for so long. Raises database errors.

    Not inside a transaction: there SQLite does not wait, and the same statement may never pass.
    """
    until = time.monotonic() + milliseconds / 1000
    while True:
        try:
            shorten(db, LOOK_MS)
            return work()
        except OperationalError as error:
            if not is_locked(error) or in_transaction(db) or time.monotonic() >= until:
                raise


def shorten(db: BaseDatabaseWrapper, milliseconds: int) -> None:
    """Shorten SQLite's busy timeout until `restore()`, or a statement of a Django cursor: it may want to wait."""
    if db.connection is None:
        _connect_with_timeout(db, milliseconds)
    shortened = db.connection, milliseconds
    if getattr(db, "shortened", None) != shortened:  # a new connection has the long timeout
        db.shortened = shortened  # type: ignore[attr-defined]  # ours
        db.connection.execute(f"PRAGMA busy_timeout = {milliseconds}")
        if _restore_busy_timeout not in db.execute_wrappers:
            db.execute_wrappers.append(_restore_busy_timeout)


def _connect_with_timeout(db: BaseDatabaseWrapper, milliseconds: int) -> None:
    settings = db.settings_dict
    db.settings_dict = settings | {"OPTIONS": settings["OPTIONS"] | {"timeout": milliseconds / 1000}}
    try:
        db.ensure_connection()
    finally:
        db.settings_dict = settings


def _restore_busy_timeout(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """A Django execute wrapper ("database instrumentation"): runs once, before the next statement of its cursors."""
    restore(context["connection"])
    return execute(sql, params, many, context)


def restore(db: BaseDatabaseWrapper) -> None:
    """Give the connection the patience of its project again, if it was shortened."""
    if getattr(db, "shortened", None) is None:
        return
    db.execute_wrappers.remove(_restore_busy_timeout)
    db.shortened = None  # type: ignore[attr-defined]  # ours
    if db.connection is not None:
        db.connection.execute(f"PRAGMA busy_timeout = {int(db.settings_dict['OPTIONS'].get('timeout', 5.0) * 1000)}")
