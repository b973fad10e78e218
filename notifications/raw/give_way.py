"""Leaves SQLite to the captures now and then, while payloads are handled.

SQLite has one writer, and who waits for it only looks again after 1, 2, 5, 10, 15 … ms. A worker with a backlog begins
its next transaction at once, so that a capture finds the database locked most times that it looks.
"""

import select
import time
from typing import Final

from notifications.raw import store
from notifications.raw.listen import Listener
from notifications.worker import Stop

#: Seconds after a capture for which others are expected.
EXPECTED: Final = 1.0
#: Seconds of work between two pauses; shorter ones would only cost.
WORK: Final = 0.001
#: Seconds of pause for each second of work. With 1 a capture finds the database locked too often in a row.
PAUSE: Final = 3.0
#: Seconds that a pause takes at most.
LONGEST_PAUSE: Final = 0.025


class GiveWay:
    """Called before each payload; pauses in proportion to the work since the last pause, where captures come."""

    def __init__(self, stop: Stop, listener: Listener) -> None:
        self._stop, self._listener = stop, listener
        self._calls = select.poll()
        self._calls.register(listener.fileno(), select.POLLIN)
        self._expected_until = 0.0
        self._working_since = 0.0

    def begin(self) -> None:
        """Work begins, with the first payload of a claim."""
        self._working_since = time.monotonic()

    def __call__(self) -> None:
        if store.connection().vendor != "sqlite":
            return
        now = time.monotonic()
        if self._calls.poll(0):  # each capture calls the workers
            self._listener.drain()
            self._expected_until = now + EXPECTED
        worked = now - self._working_since
        if worked >= WORK and now < self._expected_until:
            self._stop.wait(min(PAUSE * worked, LONGEST_PAUSE))
            self._working_since = time.monotonic()
