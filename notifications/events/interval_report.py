"""Reports what was counted, by minute and by interval, from a queue's thread."""

import time
from typing import Final

from notifications.conf import conf
from notifications.utils.bounded_queue import BoundedQueue
from notifications.utils.forks import renew_after_fork

MINUTE: Final = 60.0
#: The most seconds of an interval, which may be set to any number.
LONGEST: Final = 366 * 86_400.0


class Interval:
    """About so many seconds from now on: if they are a minute or more, it ends with a minute of the clock.

    `minute`: the second since 1970 at which the minute began that is not over yet. A clock that is set changes the
    next one.
    """

    def __init__(self, seconds: float) -> None:
        now = time.monotonic()
        self.begin_minute()
        self._ends = now + min(seconds, LONGEST)
        if seconds >= MINUTE:
            self._ends = self._minute_ends + MINUTE * round((self._ends - self._minute_ends) / MINUTE)

    def begin_minute(self) -> None:
        clock = time.time()
        self.minute = int(clock // MINUTE * MINUTE)
        self._minute_ends = time.monotonic() + MINUTE - clock % MINUTE

    def is_over(self) -> bool:
        return time.monotonic() >= self._ends

    def is_minute_over(self) -> bool:
        return time.monotonic() >= min(self._minute_ends, self._ends)

    def seconds_left(self) -> float:
        """Until the end of its minute, or of itself."""
        return max(0.0, min(self._minute_ends, self._ends) - time.monotonic())


class IntervalReport:
    """An interval of `conf.metrics_interval` seconds starts with the first count after a report.

    Its end, and that of each minute in it, come without another count, and early at exit and on flush(). The queue
    gets one item per interval: to wake a thread for each request would cost more than to count it.
    """

    def __init__(self, name: str) -> None:
        self._queue = BoundedQueue(self._start, maxsize=1, name=name, idle=self._idle)
        self.flush = self._queue.flush
        self.close = self._queue.close
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Forget the counts: the parent reports them."""
        #: Whether an interval is running, or about to: who counts often need not call `start()`.
        self.has_started = False
        self._interval: Interval | None = None
        self.forget()

    def forget(self) -> None:
        """Count from zero, with new locks."""

    def minute_over(self, minute: int) -> None:
        """What was counted since the last call was in this minute: the second since 1970 at which it began.

        Called in the queue's thread.
        """

    def report(self) -> None:
        """Take the counts, which may be none, and report them. Called in the queue's thread, after `minute_over()`."""

    def start(self) -> None:
        """Start an interval, unless one is running. Call it after you counted."""
        if not self.has_started:
            self.has_started = True
            self._queue.put(None)

    def _start(self, _: None) -> None:
        self._interval = Interval(conf.metrics_interval)

    def _idle(self, hurry: bool) -> float | None:
        interval = self._interval
        if interval is None:
            return None
        is_over = hurry or interval.is_over()
        if is_over:
            self._interval, self.has_started = None, False  # first: a count from now on starts an interval
        if is_over or interval.is_minute_over():
            minute = interval.minute
            interval.begin_minute()
            self.minute_over(minute)
        if not is_over:
            return interval.seconds_left()
        self.report()
        return None
