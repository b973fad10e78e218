"""Something that fails for a while: when it is tried again, and what is said of it in the log."""

import logging
import time
from typing import Final

from notifications.backoff import backoff

logger = logging.getLogger(__name__)

#: Seconds between two attempts at most, where nobody asked for more.
LONGEST_BACKOFF: Final = 60.0


class Outage:
    """`subject` is what fails: "channel SLACK"."""

    def __init__(self, subject: str) -> None:
        self._subject = subject
        self._resume_at = 0.0
        #: Attempts that failed since the last one that did not.
        self.failures = 0
        #: Why the last one failed; "" after success.
        self.reason = ""

    def resting(self) -> float:
        """Seconds until the next attempt; 0.0 is now."""
        return max(self._resume_at - time.monotonic(), 0.0)

    def failed(self, reason: str, retry_after: float | None = None) -> float:
        """Seconds to wait: as many as were asked for, else growing ones."""
        self.failures += 1
        delay = backoff(self.failures, base=0.5, cap=LONGEST_BACKOFF) if retry_after is None else retry_after
        self._resume_at = time.monotonic() + delay
        # Never "SLACK: …" at the start of a line: where stderr goes to the journal, that is a text event.
        level = logging.DEBUG if reason == self.reason else logging.WARNING  # an outage is told once
        logger.log(level, "%s: %s; next try in %.1f s", self._subject, reason, delay)
        self.reason = reason
        return delay

    def over(self) -> None:
        """It did not fail."""
        self.failures, self.reason = 0, ""
