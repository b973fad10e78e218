"""Counts requests that a rate limit refused, and tells them as one REPORT event per interval: a flood must not fill
the journal."""

import logging
import threading
import time
from collections import Counter
from typing import Final

from notifications.bounded_queue import BoundedQueue
from notifications.conf import conf
from notifications.events import emit
from notifications.forks import renew_after_fork

logger = logging.getLogger(__name__)

#: In front of the limit's name, in reports.
REFUSED: Final = "refused by rate limit: "


class Refusals:
    """An interval begins with its first refusal and takes `conf.metrics_interval` seconds; at exit it ends early."""

    def __init__(self) -> None:
        self._queue = BoundedQueue(self._begin, maxsize=1, name="refusals", idle=self._idle)
        self.flush = self._queue.flush
        self.after_fork()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """What was counted so far is the parent's to tell."""
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._ends: float | None = None

    def add(self, limit: str) -> None:
        """Count one refusal by the limit of this name."""
        with self._lock:
            is_first = not self._counts
            self._counts[limit] += 1
        if is_first:
            self._queue.put(None)

    def _begin(self, _: None) -> None:
        self._ends = time.monotonic() + conf.metrics_interval

    def _idle(self, hurry: bool) -> float | None:
        if self._ends is None:
            return None
        left = self._ends - time.monotonic()
        if left > 0 and not hurry:
            return left
        self._ends = None  # first, so that who adds from now on begins an interval
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if counts:
            text = ", ".join(f"{limit} {count}" for limit, count in sorted(counts.items()))
            logger.warning("Rate limits refused requests: %s", text)
            told = {f"{REFUSED}{limit}": count for limit, count in counts.items()}
            emit("REPORT", "refused requests", on_commit=False, counts=told)
        return None


refusals = Refusals()
