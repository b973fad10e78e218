"""Captures that wait for SQLite's one writer commit together: one fsync for all of them.

The first is alone: its INSERT commits by itself, and nobody waits for others. Those that come meanwhile queue. When it
is done, the first of the queue inserts the rows of all in one transaction, on its own connection.
"""

from functools import cache, partial
from typing import Final

from django.db import DataError, Error, IntegrityError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from notifications.database import bounded_wait
from notifications.database.fast_sql import execute
from notifications.database.transactions import in_transaction
from notifications.errors import KeyReused
from notifications.store import insert
from notifications.store.commit_queue import CommitQueue, Ticket
from notifications.store.new_payload import Record

#: What concerns one row alone: the others of its group are stored.
OF_A_ROW: Final = (KeyReused, IntegrityError, DataError, OverflowError)


class GroupFailed(OperationalError):
    """The transaction failed that another one led, which reports it: one verdict for a group."""


@cache
def queue_of(alias: str) -> CommitQueue:
    """Of the database with this alias."""
    return CommitQueue()


def insert_together(record: Record, db: BaseDatabaseWrapper, *, patience: int) -> None:
    """Insert and commit a record, unless its row exists. Outside of a transaction, on a SQLite file.

    `patience`: milliseconds to wait for others and for the lock. Raises KeyReused if that row has another body,
    GroupFailed, and database errors.
    """
    queue = queue_of(db.alias)
    if leader := queue.begin_alone():  # as most: it needs no ticket
        try:
            bounded_wait.until_unlocked(db, patience, partial(insert.insert, record, db))
        finally:
            queue.end_alone(leader)
    else:
        _insert_with_others(record, db, queue, patience)


def _insert_with_others(record: Record, db: BaseDatabaseWrapper, queue: CommitQueue, patience: int) -> None:
    ticket = Ticket(record, patience)
    if queue.enter(ticket, patience):
        try:
            _store(ticket.group or [], db, ticket.milliseconds_left())
        finally:
            queue.leave(ticket)
    if ticket.error is not None:
        raise ticket.error
    if not ticket.stored:
        raise GroupFailed("the transaction of its group failed")


def _store(group: list[Ticket], db: BaseDatabaseWrapper, milliseconds: int) -> None:
    """Sets what became of each once it is certain. Raises database errors if nothing was stored."""
    records = [ticket.record for ticket in group]
    outcomes = bounded_wait.until_unlocked(db, milliseconds, partial(_outcomes, records, db))
    for ticket, outcome in zip(group, outcomes, strict=True):
        ticket.error, ticket.stored = outcome, outcome is None


def _outcomes(records: list[Record], db: BaseDatabaseWrapper) -> list[Exception | None]:
    return [_outcome(records[0], db)] if len(records) == 1 else _in_transaction(records, db)


def _in_transaction(records: list[Record], db: BaseDatabaseWrapper) -> list[Exception | None]:
    """On the driver's connection: of this transaction Django need not know."""
    execute(db, "BEGIN IMMEDIATE", [])
    try:
        outcomes = [_outcome(record, db, in_group=True) for record in records]
        execute(db, "COMMIT", [])
    except BaseException as error:
        _roll_back(db)
        if isinstance(error, Exception) and not isinstance(error, Error):  # another's record must not fail the leader
            raise OperationalError("the transaction of its group failed") from error
        raise
    return outcomes


def _roll_back(db: BaseDatabaseWrapper) -> None:
    try:
        if in_transaction(db):
            execute(db, "ROLLBACK", [])
    except Error:
        db.close()


def _outcome(record: Record, db: BaseDatabaseWrapper, *, in_group: bool = False) -> Exception | None:
    """Insert one. An error that concerns it alone takes back its own statement, and is returned."""
    try:
        insert.insert(record, db)
    except OF_A_ROW as error:
        if in_group and not in_transaction(db):  # a trigger may roll back all
            raise OperationalError("an error of one row ended the transaction of its group") from error
        return error
    return None
