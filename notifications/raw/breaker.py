"""Remembers for a moment that the database failed, so that requests do not queue up behind it."""

import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from notifications.conf import conf

#: Seconds for which the database is left alone at least; longer where the failure itself took long…
PAUSE: Final = 1.0
#: …namely so many times as long, so that requests spend little of their time on trying…
PATIENCE: Final = 10.0
#: …but not longer than this.
LONGEST_PAUSE: Final = 30.0
#: Seconds after which one that tries, and says nothing, is forgotten and another may.
TRY: Final = 10.0


class Breaker:
    """Open: go straight to the spool. After the pause one caller tries the database, and no other meanwhile.

    One for the process. A file in the state directory lets the others of the machine see that it is open.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = True
        self._until = 0.0

    def allows(self) -> bool:
        """Whether the caller may use the database. It then calls `open()` or `close()`, whichever it turned out."""
        if self._closed:
            return True
        with self._lock:
            now = time.monotonic()
            if not self._closed and now < self._until:
                return False
            self._until = now + TRY
            return True

    def open(self, took: float = 0.0) -> None:
        """The database failed, after `took` seconds."""
        with self._lock:
            self._until = time.monotonic() + min(max(PAUSE, PATIENCE * took), LONGEST_PAUSE)
            self._closed = False
        with suppress(OSError):  # of all that says so, this is the least
            _mark().touch(mode=0o600)

    def close(self) -> None:
        """The database works."""
        if self._closed:
            return
        self._closed = True
        with suppress(OSError):
            _mark().unlink(missing_ok=True)

    def is_open(self) -> bool:
        """Whether the database failed last, as far as this process knows."""
        return not self._closed


def is_open_here() -> bool:
    """Whether any process of this machine found the database failing, of late."""
    if breaker.is_open():
        return True
    try:
        return time.time() - _mark().stat().st_mtime < LONGEST_PAUSE + TRY
    except OSError:
        return False


def _mark() -> Path:
    return conf.state_dir / "database-away"


breaker = Breaker()
