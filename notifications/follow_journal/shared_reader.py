"""One reader for all followers that have read a journal to the same entry: one journalctl, and not one for each.

A follower has a reader of its own until that waits for new entries. Then it joins the shared reader, if both have read
to the same entry and neither has noted anything lost or skipped since: so it gets each entry and each loss once. A
follower that lags behind the others is dismissed. It reads with a reader of its own until it has caught up.
"""

import os
import time
from collections import deque
from contextlib import suppress
from threading import Lock
from typing import Final, NamedTuple

from notifications.journal import Entry, Gap, Journal, Reader
from notifications.workers.loop import LONGEST_WAIT
from notifications.workers.outage import Outage

#: Entries of one read.
READ: Final = 1000
#: Entries that a member may leave unread while others read on.
MOST_UNREAD: Final = 1000
#: Seconds that all members may leave entries unread.
PATIENCE: Final = 1.0


class Read(NamedTuple):
    """What one read returned and noted: see `Reader`."""

    entries: list[Entry]
    gaps: list[Gap]
    skipped: int
    oversized: int

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost or skipped."""
        return not (self.gaps or self.skipped or self.oversized)


class SharedReader:
    """A `loop.Worker`, whose thread reads while there are members. Followers call `join()` in threads of their own."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._outage = Outage(f"the shared reader of {journal.url}")
        self._reader: Reader | None = None
        self._wake = _eventfd()
        self._lock = Lock()
        # The rest is used under the lock.
        self._members: list[Member] = []
        self._runs = self._closed = False
        self._position: str | None = None
        #: Whether nothing was noted since the entry at the position.
        self._is_clean = True
        #: Since when all members have unread entries.
        self._stalled_at: float | None = None

    def join(self, position: str | None) -> "Member | None":
        """Returns a reader of what comes after this entry. None if the shared reader is not there, or cannot read.

        The caller must have noted no loss since that entry. The first member says where the reader starts.
        """
        with self._lock:
            if not self._runs:
                if self._closed or self._outage.seconds_left():
                    return None
                self._runs, self._position, self._is_clean = True, position, True
                os.eventfd_write(self._wake, 1)
            elif position != self._position or not self._is_clean:
                return None
            self._members.append(Member(self))
            return self._members[-1]

    def fileno(self) -> int | None:
        return self._wake if self._reader is None or self._stalled_at is not None else self._reader.fileno()

    def poll(self) -> float:
        """Read some entries for the members."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        if not self._has_readers():
            return LONGEST_WAIT
        try:
            reader = self._reader = self._reader or self._open()
            read = _read(reader)
        except (OSError, ValueError) as error:
            self._outage.failed(f"it cannot read: {error}")
            self._end()
            return 0.0
        self._outage.over()
        self._pass_on(read)
        if read.entries:
            return 0.0
        return reader.interval if reader.fileno() is None else LONGEST_WAIT

    def close(self) -> None:
        """Members get nothing more."""
        self._close_reader()
        with self._lock:
            self._closed = True
            os.close(self._wake)

    def take(self, member: "Member", limit: int) -> Read:
        """For `Member.read()`."""
        with self._lock:
            read = member.take(limit)
            if self._stalled_at is not None and not (member.unread or self._closed):
                os.eventfd_write(self._wake, 1)
            return read

    def leave(self, member: "Member") -> None:
        """For `Member.close()`."""
        with self._lock:
            if member in self._members:
                self._members.remove(member)
            member.end()

    def _open(self) -> Reader:
        return self._journal.open(after=self._position, audit=True, thorough=True)

    def _has_readers(self) -> bool:
        """Whether any member has read all. Ends if none has for a while, or if there are none."""
        with self._lock:
            if not self._runs:
                return False
            if any(not member.unread for member in self._members):
                self._stalled_at = None
                return True
            now = time.monotonic()
            self._stalled_at = self._stalled_at or now
            if self._members and (now - self._stalled_at < PATIENCE or not self._is_clean):
                return False
        self._end()
        return False

    def _pass_on(self, read: Read) -> None:
        if not read.entries and read.is_clean:
            return
        with self._lock:
            self._is_clean = read.is_clean
            if read.entries:
                self._position = read.entries[-1].position
            for member in list(self._members):
                member.put(read)
                # Only after an entry, or its next reader would note again what came after that.
                if member.unread > MOST_UNREAD and read.entries and read.is_clean:
                    self._dismiss(member)

    def _end(self) -> None:
        """Dismisses all members. The next one that joins says where it starts again."""
        self._close_reader()
        with self._lock:
            for member in list(self._members):
                self._dismiss(member)
            self._runs, self._stalled_at = False, None

    def _dismiss(self, member: "Member") -> None:
        self._members.remove(member)
        member.dismiss()

    def _close_reader(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None


class Member(Reader):
    """A follower's part of a shared reader. It returns the entries of an audit.

    Methods without a docstring are called by the shared reader, under its lock.
    """

    def __init__(self, shared: SharedReader) -> None:
        self._shared = shared
        self._reads: deque[Read] = deque()
        self._dismissed = False
        #: Readable if there are reads, and after the dismissal.
        self._descriptor: int | None = _eventfd()
        #: Entries to read. A read without entries counts as one.
        self.unread = 0

    @property
    def is_over(self) -> bool:
        """Whether it was dismissed and has returned all. Then open another reader at the last position."""
        return self._dismissed and not self._reads

    def read(self, limit: int) -> list[Entry]:
        """Returns the entries of one read of the shared reader, and notes what that noted."""
        if not self._reads:
            return []
        read = self._shared.take(self, limit)
        self._gaps += tuple(read.gaps)
        self.skipped += read.skipped
        self.oversized += read.oversized
        return read.entries

    def fileno(self) -> int | None:
        return self._descriptor

    def close(self) -> None:
        """Leaves the shared reader."""
        self._shared.leave(self)

    def put(self, read: Read) -> None:
        self._reads.append(read)
        self.unread += max(len(read.entries), 1)
        self._ring()

    def take(self, limit: int) -> Read:
        read = self._reads.popleft()
        if len(read.entries) > limit:
            self._reads.appendleft(Read(read.entries[limit:], [], 0, 0))
            read = read._replace(entries=read.entries[:limit])
        self.unread -= max(len(read.entries), 1)
        if self._descriptor is not None and not (self._reads or self._dismissed):
            os.eventfd_read(self._descriptor)
        return read

    def dismiss(self) -> None:
        self._dismissed = True
        self._ring()

    def end(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _ring(self) -> None:
        if self._descriptor is not None:
            os.eventfd_write(self._descriptor, 1)


def _eventfd() -> int:
    return os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)


def _read(reader: Reader) -> Read:
    entries = reader.read(READ)
    read = Read(entries, reader.take_gaps(), reader.skipped, reader.oversized)
    reader.skipped = reader.oversized = 0
    return read
