"""How long to wait for what is missing, in the journal's own time.

A number that has not come may still wait in the queue of its process or in the socket of a journald that is stopped.
Both hand on in order: what is missing will not come any more once the journal has taken entries that are a minute
younger, and has gone on for some seconds after a silence, in which the queues may have been emptied.
"""

from typing import Final

#: Microseconds.
LONG: Final = 60_000_000
SOON: Final = 5_000_000


class Patience:
    """Hears the time of each entry, in order."""

    def __init__(self, *, direct: bool) -> None:
        """`direct`: what is written to this journal can be read at once, its end proves as much as an entry."""
        self._direct = direct
        self._last = self._since = self._now = 0

    def heard(self, time: int) -> None:
        """An entry was written at this time, in microseconds."""
        if not 0 <= time - self._last <= SOON:
            self._since = time
        self._last = self._now = time

    def at_end(self, now: int) -> None:
        """All was read that there is."""
        self._now = now
        if self._direct:
            self._last = now
            self._since = self._since or now

    def is_over(self, since: int) -> bool:
        """Whether what is missing since then will not come any more."""
        return self._last - since >= LONG and self._now - self._since >= SOON

    def has_passed(self, time: int) -> bool:
        """Whether all was read that was written before."""
        return self._last >= time
