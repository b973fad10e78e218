"""Limits the calls of a channel: a few at once after a pause, then one per interval."""

import threading
import time


class Pace:
    """One for each channel of a process, shared by all workers that deliver to it. `interval` is in seconds."""

    def __init__(self, interval: float, burst: int = 1) -> None:
        self._interval = interval
        self._slack = interval * (burst - 1)
        self._lock = threading.Lock()
        self._next = self._held_until = 0.0

    def wait(self) -> float:
        """Seconds until the next call is allowed; 0.0 is now."""
        now = time.monotonic()
        return max(self._next - self._slack - now, self._held_until - now, 0.0)

    def take(self) -> None:
        """Count a call."""
        with self._lock:
            self._next = max(self._next, time.monotonic()) + self._interval

    def hold(self, seconds: float) -> None:
        """Allow no call for so many seconds: the destination asked for it."""
        with self._lock:
            self._held_until = max(self._held_until, time.monotonic() + seconds)
