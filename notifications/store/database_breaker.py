"""Remembers for a moment that the database failed, so that requests do not queue behind it."""

import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from notifications.conf import conf

#: Seconds for which the database is left alone at least; a slow failure makes the pause longer…
PAUSE: Final = 1.0
#: …this many times as long as it took, so that requests spend little time on trying…
PATIENCE: Final = 10.0
#: …and at most this long.
LONGEST_PAUSE: Final = 30.0
#: Seconds after which a caller that tries and reports nothing is forgotten, and another may try.
TRY: Final = 10.0


class Breaker:
    """Open: go straight to the spool. After the pause only one caller at a time tries the database.

    One for the process. A file in the state directory shows the machine's other processes that it is open. A process
    that finds the database working removes the file, which ends the pause for all.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = True
        self._until = 0.0
        self._marked = self._trying = False

    def allows(self) -> bool:
        """Whether the caller may use the database. It then calls `open()` on failure, or `close()`."""
        if self._closed:
            return True
        with self._lock:
            now = time.monotonic()
            if not self._closed and now < self._until and (self._trying or not self._works_for_others()):
                return False
            self._until, self._trying = now + TRY, True
            return True

    def may_answer(self) -> bool:
        """Whether the database worked last, for this process or another one of the machine."""
        return self._closed or self._works_for_others()

    def open(self, took: float = 0.0) -> None:
        """The database failed, after `took` seconds."""
        with self._lock:
            self._until = time.monotonic() + min(max(PAUSE, PATIENCE * took), LONGEST_PAUSE)
            self._closed = self._marked = self._trying = False
            with suppress(OSError):  # without the file, only the others do not know
                _mark().touch(mode=0o600)
                self._marked = True

    def close(self) -> None:
        """The database works."""
        if self._closed:
            return
        self._closed, self._trying = True, False
        database_works()

    def is_open(self) -> bool:
        """Whether the database failed last, as far as this process knows."""
        return not self._closed

    def _works_for_others(self) -> bool:
        return self._marked and not os.path.exists(_mark())


def database_works() -> None:
    """The database takes writes: end the pause of every process."""
    with suppress(OSError):
        _mark().unlink(missing_ok=True)


def is_open_here() -> bool:
    """Whether any process of this machine recently found the database failing."""
    if breaker.is_open():
        return True
    try:
        return time.time() - _mark().stat().st_mtime < LONGEST_PAUSE + TRY
    except OSError:
        return False


def _mark() -> Path:
    return conf.state_dir / "database-away"


breaker = Breaker()
