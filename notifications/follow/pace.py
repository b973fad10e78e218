"""How often a channel may be called: a few times at once after a rest, then once in each interval."""

import threading
import time


class Pace:
    """One for each channel of a process; all that deliver to it share it. `interval` is in seconds."""

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
        """A call is made now."""
        with self._lock:
            self._next = max(self._next, time.monotonic()) + self._interval

    def hold(self, seconds: float) -> None:
        """No call before so many seconds have passed: the destination asked for it."""
        with self._lock:
            self._held_until = max(self._held_until, time.monotonic() + seconds)
