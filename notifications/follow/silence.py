"""A journalctl that hangs looks like a quiet journal: after a minute of silence a tick is written and must be read."""

import logging
import random
import time
from typing import Final

from notifications.follow.feed import Feed
from notifications.journal import Journal

logger = logging.getLogger(__name__)

#: Seconds.
LONGEST_SILENCE: Final = 60.0
SECONDS_TO_READ: Final = 5.0
#: So that of several followers of a journal one writes the tick that all of them read.
JITTER: Final = 2.0
TICK: Final = {
    "MESSAGE": "TICK: a follower looks whether it still reads",
    "PRIORITY": "7",
    "SYSLOG_IDENTIFIER": "proppy",
    "PROPPY_EVENT": "TICK",
}


class Silence:
    """Watches over a feed whose reader waits for another program."""

    def __init__(self, journal: Journal, feed: Feed) -> None:
        self._journal, self._feed = journal, feed
        self._longest = LONGEST_SILENCE + random.uniform(0, JITTER)  # noqa: S311  no secret
        self._ticked_at: float | None = None

    def check(self) -> None:
        """Called at each turn in which nothing was read. Replaces the reader that does not see the tick."""
        now = time.monotonic()
        if self._ticked_at is None:
            if now - self._feed.heard_at >= self._longest:
                self._tick(now)
        elif self._feed.heard_at >= self._ticked_at:
            self._ticked_at = None
        elif now - self._ticked_at >= SECONDS_TO_READ:
            logger.warning("journalctl is silent on %s: it gets a successor", self._journal.url)
            self._feed.close()
            self._ticked_at = None
            self._feed.heard_at = now

    def _tick(self, now: float) -> None:
        try:
            self._journal.write(self._journal.encode(TICK))
        except OSError as error:  # the journal is down, so that nothing can be read either
            logger.info("%s takes no tick: %s", self._journal.url, error)
            self._feed.heard_at = now
        else:
            self._ticked_at = now
