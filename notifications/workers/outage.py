"""Something that fails for a while: when to try again, and what to log."""

import logging
import time
from typing import Final

from notifications.utils.clean_text import one_line
from notifications.utils.retry_delay import backoff

logger = logging.getLogger(__name__)

#: The most seconds between two attempts, unless a server asks for more.
LONGEST_BACKOFF: Final = 60.0


class Outage:
    """`subject` is what fails: "channel SLACK". `longest` is the most seconds between two attempts."""

    def __init__(self, subject: str, *, longest: float = LONGEST_BACKOFF) -> None:
        self._subject, self._longest = subject, longest
        self._resume_at = 0.0
        self._steps = 0
        #: Failed attempts since the last success.
        self.failures = 0
        #: Why the last attempt failed; "" after success.
        self.reason = ""

    def seconds_left(self) -> float:
        """Seconds until the next attempt; 0.0 is now."""
        return max(self._resume_at - time.monotonic(), 0.0)

    def failed(self, reason: str, retry_after: float | None = None) -> float:
        """Record a failed attempt. Returns the seconds to wait: `retry_after`, else a growing back-off."""
        self.failures += 1
        self._steps += retry_after is None
        delay = backoff(self._steps, base=0.5, cap=self._longest) if retry_after is None else retry_after
        self._resume_at = time.monotonic() + delay
        # No line may start with "SLACK: …": if stderr goes to the journal, that is a text event.
        level = logging.DEBUG if reason == self.reason else logging.WARNING  # report an outage once
        logger.log(level, "%s: %s; next try in %.1f s", self._subject, one_line(reason), delay)
        self.reason = reason
        return delay

    def over(self) -> None:
        """Record a success."""
        self.failures, self._steps, self.reason = 0, 0, ""
