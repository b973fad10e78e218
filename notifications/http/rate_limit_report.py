"""Reports requests refused by rate limits, as one REPORT event per interval: a flood must not fill the journal."""

import logging
import threading
from collections import Counter
from typing import Final

from notifications.events.emit import emit
from notifications.events.interval_report import IntervalReport

logger = logging.getLogger(__name__)

#: Before the limit's name in reports.
REFUSED: Final = "refused by rate limit: "


class Refusals(IntervalReport):
    """Counts refusals by the limit's name. Any thread may add."""

    def __init__(self) -> None:
        super().__init__("refusals")

    def forget(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()

    def add(self, limit: str) -> None:
        """Count one refusal."""
        with self._lock:
            self._counts[limit] += 1
        self.start()

    def report(self) -> None:
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if counts:
            text = ", ".join(f"{limit} {count}" for limit, count in sorted(counts.items()))
            logger.warning("Rate limits refused requests: %s", text)
            by_name = {f"{REFUSED}{limit}": count for limit, count in counts.items()}
            emit("REPORT", "refused requests", on_commit=False, counts=by_name)


refusals = Refusals()
