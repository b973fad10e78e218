"""Something that fails for a while: when it is tried again, and what is said of it in the log."""

import logging
import math
import time
from typing import Final

from notifications.backoff import backoff
from notifications.clean import one_line

logger = logging.getLogger(__name__)

#: Seconds between two attempts at most, where nobody asked for more.
LONGEST_BACKOFF: Final = 60.0
#: …and where somebody did: a year. Longer times are no dates any more.
LONGEST: Final = 366 * 24 * 3600.0


class Outage:
    """`subject` is what fails: "channel SLACK". `longest`: seconds between two attempts at most."""

    def __init__(self, subject: str, *, longest: float = LONGEST_BACKOFF) -> None:
        self._subject, self._longest = subject, longest
        self._resume_at = 0.0
        self._steps = 0
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
        self._steps += retry_after is None
        delay = backoff(self._steps, base=0.5, cap=self._longest) if retry_after is None else sane(retry_after)
        self._resume_at = time.monotonic() + delay
        # Never "SLACK: …" at the start of a line: where stderr goes to the journal, that is a text event.
        level = logging.DEBUG if reason == self.reason else logging.WARNING  # an outage is told once
        logger.log(level, "%s: %s; next try in %.1f s", self._subject, one_line(reason), delay)
        self.reason = reason
        return delay

    def over(self) -> None:
        """It did not fail."""
        self.failures, self._steps, self.reason = 0, 0, ""


def sane(seconds: float) -> float:
    """A time to wait that somebody else has named; 1.0 for what is no number."""
    return 1.0 if math.isnan(seconds) else min(max(seconds, 0.0), LONGEST)
