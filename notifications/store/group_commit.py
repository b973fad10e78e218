"""Captures that wait for SQLite's one writer commit together: one fsync for all of them.

The first is alone: its INSERT commits by itself, and nobody waits for others. Those that come meanwhile queue. When it
is done, the first of the queue inserts the rows of all in one transaction, on its own connection.
"""

import threading
from functools import cache
from typing import Final

from django.db import DataError, IntegrityError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

from notifications.database import bounded_wait
from notifications.database.fast_sql import execute
from notifications.errors import KeyReused
from notifications.store import insert
from notifications.store.new_payload import Record
from notifications.utils.forks import renew_after_fork

#: What one transaction holds at most, so that its commit and a rollback stay short.
MOST_ROWS: Final = 64
MOST_BYTES: Final = 4 * 1024 * 1024
#: What concerns one row alone: the others of its group are stored.
OF_A_ROW: Final = (KeyReused, IntegrityError, DataError, OverflowError)


class _Ticket:
    """A row that waits."""

    __slots__ = ("_turn", "error", "group", "leader", "record", "stored")

    def __init__(self, record: Record) -> None:
        self.record = record
        self.stored = False
        #: Who was at work as it began to wait; once it has a group: itself.
        self.leader = 0
        self.error: Exception | None = None
        #: The tickets that this one is to store, itself among them; None if another does it.
        self.group: list[_Ticket] | None = None
        self._turn = threading.Lock()
        self._turn.acquire()

    def call(self) -> None:
        """Its group is over, or it is to lead one."""
        self._turn.release()

    def wait(self, seconds: float) -> bool:
        """Whether it was called in time."""
        return self._turn.acquire(timeout=seconds)


class GroupCommit:
    """One for each database of a process. Any thread may insert, outside a transaction."""

    def __init__(self) -> None:
        self.after_fork()
        renew_after_fork(self)

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[_Ticket] = []
        #: Counts the leaders; and the number of the one at work, or None.
        self._leaders = 0
        self._led_by: int | None = None

    def insert(self, record: Record, db: BaseDatabaseWrapper) -> None:
        """Insert and commit a record, unless its row exists.

        Raises KeyReused if that row has another body, and database errors.
        """
        ticket = _Ticket(record)
        leader = self._lead_or_queue(ticket)
        if leader is None and not ticket.wait(bounded_wait.LOCKED_MS / 1000):
            self._give_up(ticket)
        if leader is not None:
            self._lead(leader, [ticket], db)
        elif ticket.group is not None:
            self._lead(ticket.leader, ticket.group, db)
        if ticket.error is not None:
            raise ticket.error
        if not ticket.stored:
            raise OperationalError("the transaction of its group failed")

    def _lead_or_queue(self, ticket: _Ticket) -> int | None:
        """The number of a leader if nobody is at work."""
        with self._lock:
            if self._led_by is None:
                return self._next_leader()
            self._waiting.append(ticket)
            ticket.leader = self._led_by
            return None

    def _next_leader(self) -> int:
        self._leaders += 1
        self._led_by = self._leaders
        return self._leaders

    def _give_up(self, ticket: _Ticket) -> None:
        """Raise OperationalError, unless it was called just now.

        Its group may still be committed: then the row comes twice, with one receipt. A leader that has not moved on
        meanwhile may be gone, killed by an exception between two lines: the next one need not wait for it.
        """
        with self._lock:
            if ticket.group is not None or ticket.stored or ticket.error is not None:
                return
            if ticket in self._waiting:
                self._waiting.remove(ticket)
            if self._led_by == ticket.leader:
                self._led_by = None
        raise OperationalError("the commit before this one takes too long")

    def _lead(self, leader: int, group: list[_Ticket], db: BaseDatabaseWrapper) -> None:
        try:
            _store(group, db)
        finally:
            self._hand_over(leader)
            for follower in group:
                if follower.group is None:
                    follower.call()

    def _hand_over(self, leader: int) -> None:
        """The first in the queue stores as many as one transaction may hold."""
        with self._lock:
            if self._led_by != leader:
                return
            group = self._waiting[: _fitting(self._waiting)]
            del self._waiting[: len(group)]
            self._led_by = None
            if group:
                group[0].leader, group[0].group = self._next_leader(), group
                group[0].call()


@cache
def of(alias: str) -> GroupCommit:
    """Of the database with this alias."""
    return GroupCommit()


def _fitting(waiting: list[_Ticket]) -> int:
    """How many of them fit into one transaction: at least the first."""
    size = 0
    for count, ticket in enumerate(waiting[:MOST_ROWS]):
        size += len(ticket.record.body)
        if count and size > MOST_BYTES:
            return count
    return min(len(waiting), MOST_ROWS)


def _store(group: list[_Ticket], db: BaseDatabaseWrapper) -> None:
    """Sets what became of each once it is certain. Raises database errors if nothing was stored."""
    if len(group) == 1:
        outcomes = [_outcome(group[0].record, db)]
    else:
        outcomes = _in_transaction([ticket.record for ticket in group], db)
    for ticket, outcome in zip(group, outcomes, strict=True):
        ticket.error, ticket.stored = outcome, outcome is None


def _in_transaction(records: list[Record], db: BaseDatabaseWrapper) -> list[Exception | None]:
    """On the driver's connection: of this transaction Django need not know."""
    execute(db, "BEGIN IMMEDIATE", [])
    try:
        outcomes = [_outcome(record, db) for record in records]
        execute(db, "COMMIT", [])
    except BaseException:
        if db.connection is not None and db.connection.in_transaction:
            db.connection.rollback()
        raise
    return outcomes


def _outcome(record: Record, db: BaseDatabaseWrapper) -> Exception | None:
    """Insert one. An error that concerns it alone takes back its own statement, and is returned."""
    try:
        insert.insert(record, db)
    except OF_A_ROW as error:
        return error
    return None
