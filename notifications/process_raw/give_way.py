"""Pauses the worker, so that captures can write to SQLite.

SQLite has one writer; captures look again each ms, a visitor's other code after 1, 2, 5, 10, 15 … ms. A worker with a
backlog begins its next transaction at once, so they would find the database locked most times that they look.
"""

import select
import time
from typing import Final

from notifications.database import bounded_wait
from notifications.process_raw.wait_for_work import Listener
from notifications.workers.loop import Stop

#: Seconds after a capture in which we expect another.
EXPECTED: Final = 1.0
#: Seconds of work before a pause. More pauses would only take time.
WORK: Final = 0.001
#: Seconds of pause for each second of work. With 1, a capture finds the database locked too often in a row.
PAUSE: Final = 3.0
LONGEST_PAUSE: Final = 0.025


class GiveWay:
    """Call it before each payload. While captures come, it pauses in proportion to the work since the last pause."""

    def __init__(self, stop: Stop, listener: Listener) -> None:
        self._stop, self._listener = stop, listener
        self._poller = select.poll()
        self._poller.register(listener.fileno(), select.POLLIN)
        self._expected_until = 0.0
        self._working_since = 0.0
        self._is_needed = False

    def begin(self) -> None:
        """The first payload of a claim begins."""
        self._working_since = time.monotonic()
        self._is_needed = bounded_wait.connection().vendor == "sqlite"

    def __call__(self) -> None:
        if not self._is_needed:
            return
        now = time.monotonic()
        if self._poller.poll(0):  # each capture wakes the workers
            self._listener.drain()
            self._expected_until = now + EXPECTED
        worked = now - self._working_since
        if worked >= WORK and now < self._expected_until:
            self._stop.wait(min(PAUSE * worked, LONGEST_PAUSE))
            self._working_since = time.monotonic()
