"""The queue behind a commit: who waits, who commits for all of them, and who takes over."""

import threading
import time
from typing import Final

from django.db import OperationalError

from notifications.database.bounded_wait import LOCKED_MS, STILL_LOCKED_MS
from notifications.store.new_payload import Record
from notifications.utils.forks import renew_after_fork

#: What one transaction holds at most, so that its commit and a rollback stay short.
MOST_ROWS: Final = 64
MOST_BYTES: Final = 4 * 1024 * 1024


class Ticket:
    """A record that waits, and what became of it."""

    __slots__ = ("_turn", "_until", "error", "group", "leader", "record", "stored")

    def __init__(self, record: Record, patience: int = LOCKED_MS) -> None:
        self.record = record
        self.stored = False
        self.error: Exception | None = None
        #: The tickets that this one is to store, itself among them; None if another does it.
        self.group: list[Ticket] | None = None
        #: Who is at work as it begins to wait; once it has a group: itself.
        self.leader = 0
        self._until = time.monotonic() + patience / 1000
        self._turn = threading.Lock()
        self._turn.acquire()

    @property
    def is_over(self) -> bool:
        return self.stored or self.error is not None

    def call(self) -> None:
        """Its group is over, or it is to lead one."""
        self._turn.release()

    def wait(self, milliseconds: int) -> bool:
        """Whether it was called in time."""
        return self._turn.acquire(timeout=milliseconds / 1000)

    def milliseconds_left(self) -> int:
        """Of its `patience`."""
        return max(STILL_LOCKED_MS, int((self._until - time.monotonic()) * 1000))


class CommitQueue:
    """One for each database of a process. Any thread may come."""

    def __init__(self) -> None:
        self.after_fork()
        renew_after_fork(self)

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def after_fork(self) -> None:
        # An RLock: a signal handler may keep() in the middle of a keep().
        self._lock = threading.RLock()
        self._waiting: list[Ticket] = []
        #: Counts the leaders; and the number of the one at work, or None.
        self._leaders = 0
        self._led_by: int | None = None

    def begin_alone(self) -> int:
        """The number of a leader that stores one record, then calls `end_alone()`. 0: another is at work."""
        with self._lock:
            if self._led_by is not None:
                return 0
            return self._next_leader()

    def end_alone(self, leader: int) -> None:
        """The next in the queue leads."""
        self._hand_over(leader)

    def enter(self, ticket: Ticket, milliseconds: int) -> bool:
        """Whether the ticket is to store its `group`; then it must call `leave()`. False: another has stored it.

        Raises OperationalError if nobody has in so many milliseconds.
        """
        if self._leads(ticket):
            return True
        try:
            if not ticket.wait(milliseconds):
                self._give_up(ticket)
        except BaseException:
            self._withdraw(ticket)
            raise
        return ticket.group is not None

    def leave(self, ticket: Ticket) -> None:
        """The next in the queue leads; those of the ticket's group go on."""
        self._hand_over(ticket.leader)
        for other in ticket.group or ():
            if other is not ticket:
                other.call()

    def _leads(self, ticket: Ticket) -> bool:
        """Whether nobody is at work. Otherwise it queues."""
        with self._lock:
            if self._led_by is None:
                self._make_leader(ticket, [ticket])
                return True
            self._waiting.append(ticket)
            ticket.leader = self._led_by
            return False

    def _make_leader(self, ticket: Ticket, group: list[Ticket]) -> None:
        ticket.leader, ticket.group = self._next_leader(), group

    def _next_leader(self) -> int:
        self._leaders += 1
        self._led_by = self._leaders
        return self._leaders

    def _give_up(self, ticket: Ticket) -> None:
        """Raise OperationalError, unless it was called just now.

        Its group may still be committed: then the row comes twice, with one receipt. A leader that has not moved on
        meanwhile may be gone, killed by an exception between two lines: the next one need not wait for it.
        """
        with self._lock:
            if ticket.group is not None or ticket.is_over:
                return
            if ticket in self._waiting:
                self._waiting.remove(ticket)
            if self._led_by == ticket.leader:
                self._led_by = None
        raise OperationalError("the commit before this one takes too long")

    def _withdraw(self, ticket: Ticket) -> None:
        """An exception has ended its wait: another one stores those that it was to store."""
        with self._lock:
            if ticket in self._waiting:
                self._waiting.remove(ticket)
            if ticket.group is not None:
                self._waiting[:0] = ticket.group[1:]
                self._hand_over(ticket.leader)

    def _hand_over(self, leader: int) -> None:
        """The first in the queue stores as many as one transaction may hold."""
        with self._lock:
            if self._led_by not in {leader, None}:
                return
            self._led_by = None
            if self._waiting:
                group = self._waiting[: _fitting(self._waiting)]
                del self._waiting[: len(group)]
                self._make_leader(group[0], group)
                group[0].call()


def _fitting(waiting: list[Ticket]) -> int:
    """How many of them fit into one transaction: at least the first."""
    size = 0
    for count, ticket in enumerate(waiting[:MOST_ROWS]):
        size += len(ticket.record.body)
        if count and size > MOST_BYTES:
            return count
    return min(len(waiting), MOST_ROWS)
