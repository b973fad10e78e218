"""Transactions left open: what Django knows of them, and what the driver says."""

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any, Final

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import TransactionManagementError

from notifications.conf import conf

logger = logging.getLogger(__name__)

#: libpq's numbers for: executing, in a transaction, in a failed transaction.
OPEN_ON_POSTGRESQL: Final = frozenset({1, 2, 3})


class LeftOpen(Exception):
    """Called code left a transaction open. `str()` says where, and what to write instead."""


def atomic(*, durable: bool = False) -> AbstractContextManager[None]:
    """`transaction.atomic()` on the engine's database."""
    return transaction.atomic(using=conf.database, durable=durable)


def in_transaction(db: BaseDatabaseWrapper) -> bool:
    """Whether the driver has a transaction open on a Django connection, even one that Django does not know of.

    Only the drivers of SQLite and PostgreSQL are asked.
    """
    driver = db.connection
    if driver is None:
        return False
    if db.vendor == "postgresql":
        return driver.info.transaction_status in OPEN_ON_POSTGRESQL
    return db.vendor == "sqlite" and bool(driver.in_transaction)


def in_own_block(db: BaseDatabaseWrapper) -> bool:
    """Whether a Django connection is in an `atomic()` that is not a test case's."""
    return db.in_atomic_block and not all(getattr(block, "_from_testcase", False) for block in db.atomic_blocks)


def is_open(db: BaseDatabaseWrapper) -> bool:
    """Whether Django or the driver has a transaction open, or autocommit is off. A test case's does not count."""
    if db.atomic_blocks and getattr(db.atomic_blocks[0], "_from_testcase", False):
        return False
    if db.in_atomic_block:
        return True
    return db.connection is not None and (db.autocommit != db.settings_dict["AUTOCOMMIT"] or in_transaction(db))


def check_outside(db: BaseDatabaseWrapper) -> None:
    """Raise TransactionManagementError, a database error, if `is_open(db)`."""
    if is_open(db):
        raise TransactionManagementError(f"the connection {db.alias!r} has an open transaction, or autocommit is off")


def connection_for_rows() -> BaseDatabaseWrapper:
    """The connection for a row of the caller's: the engine's, or one in whose transaction the caller is.

    Another alias can only take part where it is the same database. Where it is not, the log says so, once.
    """
    db = connections[conf.database]
    if len(connections.settings) == 1 or db.in_atomic_block:
        return db
    for other in connections.all(initialized_only=True):
        if other is not db and in_own_block(other):
            if _address(other) == _address(db):
                return other
            _say_apart(other.alias, db.alias)
    return db


def _address(db: BaseDatabaseWrapper) -> tuple[Any, ...]:
    return db.vendor, *(db.settings_dict.get(name) for name in ("NAME", "HOST", "PORT"))


@cache
def _say_apart(theirs: str, ours: str) -> None:
    logger.warning(
        "keep() inside atomic(using=%r) stores in the database %r at once, whatever becomes of that transaction. Write"
        " transaction.on_commit(lambda: keep(…), using=%r), or atomic(using=%r) around both.",
        theirs,
        ours,
        theirs,
        ours,
    )


def used_connections() -> list[Any]:
    """This thread's connections; of several databases only those that it has used, of one also an unused one."""
    if len(connections.settings) == 1:  # to ask whether it was used takes as long as all that follows
        return [connections[alias] for alias in connections.settings]
    return list(connections.all(initialized_only=True))


def open_connections() -> list[Any]:
    """This thread's connections that have a transaction open."""
    return [db for db in used_connections() if is_open(db)]


def close_open(name: str, *, besides: Collection[Any] = ()) -> str:
    """Close this thread's connections with an open transaction, which rolls it back; spare those in `besides`.

    Returns the problem in words, or "". `name` says whose code left it open.
    """
    left = [db for db in open_connections() if db not in besides]
    if not left:
        return ""
    for db in left:
        # Otherwise Django would still expect the end of a block that nobody ends.
        db.in_atomic_block, db.atomic_blocks, db.savepoint_ids, db.closed_in_transaction = False, [], [], False
        db.close()
    return " ".join(
        f"{name} left a transaction open on the connection {db.alias!r}; it was rolled back. Write"
        f" `with transaction.atomic(using={db.alias!r}):` in place of set_autocommit(False) or a BEGIN of your own."
        for db in left
    )


@contextmanager
def nothing_left_open(name: str, rolled_back: Callable[[], None] = lambda: None) -> Iterator[None]:
    """The block calls other people's code: a transaction that it leaves open must not reach the next caller.

    It is rolled back, on any connection. Then `rolled_back` is called, and LeftOpen raised. If the code itself raised,
    that exception gets a note instead.
    """
    raised: BaseException | None = None
    try:
        yield
    except BaseException as error:
        raised = error
        raise
    finally:
        if problem := close_open(name):
            rolled_back()
            if raised is None:
                raise LeftOpen(problem)
            logger.error("%s", problem)
            raised.add_note(problem)
