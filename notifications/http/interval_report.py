"""Reports what requests counted, once per interval, from a queue's thread."""

import time
from abc import ABC, abstractmethod

from notifications.conf import conf
from notifications.utils.bounded_queue import BoundedQueue
from notifications.utils.forks import renew_after_fork


class IntervalReport(ABC):
    """An interval starts with the first count after a report, and takes `conf.metrics_interval` seconds.

    The report comes without another request, and early at exit and on flush(). The queue gets one item per interval:
    to wake a thread for each request would cost more than to count it.
    """

    def __init__(self, name: str) -> None:
        self._queue = BoundedQueue(self._start, maxsize=1, name=name, idle=self._idle)
        self.flush = self._queue.flush
        self.close = self._queue.close
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Forget the counts: the parent reports them."""
        self._has_started = False
        self._ends: float | None = None
        self.forget()

    @abstractmethod
    def forget(self) -> None:
        """Count from zero, with new locks."""

    @abstractmethod
    def report(self) -> None:
        """Take the counts, which may be none, and report them. Called in the queue's thread."""

    def start(self) -> None:
        """Start an interval, unless one is running. Call it after you counted."""
        if not self._has_started:
            self._has_started = True
            self._queue.put(None)

    def _start(self, _: None) -> None:
        self._ends = time.monotonic() + conf.metrics_interval

    def _idle(self, hurry: bool) -> float | None:
        if self._ends is None:
            return None
        left = self._ends - time.monotonic()
        if left > 0 and not hurry:
            return left
        self._ends, self._has_started = None, False  # first: a count from now on starts an interval
        self.report()
        return None
