"""Decides when a missing number is lost, in the journal's own time.

A missing number may still wait in the queue of its process, or in the socket of a stopped journald. Both keep their
order. So a gap in the numbers is final once entries 60 s newer exist, and the journal has been busy for 5 s since its
last silence: in that time the queues were emptied.
"""

from typing import Final

#: Microseconds.
FINAL_AFTER: Final = 60_000_000
SILENCE: Final = 5_000_000


class JournalTime:
    """How far the journal was read. Call `entry_read()` for each entry, in order. Times are microseconds."""

    def __init__(self, *, direct: bool) -> None:
        """`direct`: entries can be read as soon as they are written, so the journal's end counts like an entry."""
        self._direct = direct
        self._last = self._busy_since = self._now = 0

    def entry_read(self, time: int) -> None:
        """An entry written at this time was read."""
        if not 0 <= time - self._last <= SILENCE:
            self._busy_since = time
        self._last = self._now = time

    def end_reached(self, now: int) -> None:
        """All entries were read."""
        self._now = now
        if self._direct:
            self._last = now
            self._busy_since = self._busy_since or now

    def is_final(self, since: int) -> bool:
        """Whether a number missing at this time can no longer come."""
        return self._last - since >= FINAL_AFTER and self._now - self._busy_since >= SILENCE

    def has_passed(self, time: int) -> bool:
        """Whether all entries before this time were read."""
        return self._last >= time
