"""Remembers for a moment that the database failed, so that requests do not queue up behind it."""

import time
from typing import Final

#: Seconds for which the database is then left alone.
PAUSE: Final = 1.0


class Breaker:
    """Open: go straight to the spool. One for the process."""

    def __init__(self) -> None:
        self._until = 0.0

    def open(self) -> None:
        self._until = time.monotonic() + PAUSE

    def close(self) -> None:
        self._until = 0.0

    def is_open(self) -> bool:
        return time.monotonic() < self._until


breaker = Breaker()
