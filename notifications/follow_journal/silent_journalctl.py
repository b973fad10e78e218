"""Finds a hanging journalctl, which looks like a quiet journal: after a minute of silence it must read a tick."""

import logging
import random
import time
from typing import Any, Final

from notifications.follow_journal.feed import Feed
from notifications.journal import Journal

logger = logging.getLogger(__name__)

#: Seconds.
LONGEST_SILENCE: Final = 60.0
SECONDS_TO_READ: Final = 5.0
#: So that one of a journal's followers writes the tick for all.
JITTER: Final = 2.0
TICK: Final = {
    "MESSAGE": "TICK: a follower checks that it still reads",
    "PRIORITY": "7",
    "SYSLOG_IDENTIFIER": "proppy",
    "PROPPY_EVENT": "TICK",
}


class SilenceWatch:
    """Checks a feed whose reader waits for journalctl."""

    def __init__(self, journal: Journal, feed: Feed[Any]) -> None:
        self._journal, self._feed = journal, feed
        self._longest = LONGEST_SILENCE + random.uniform(0, JITTER)  # noqa: S311  no secret
        self._ticked_at: float | None = None

    def check(self) -> None:
        """Call it in each turn that read nothing. Closes the reader if it does not read the tick."""
        now = time.monotonic()
        if self._ticked_at is None:
            if now - self._feed.last_read_at >= self._longest:
                self._write_tick(now)
        elif self._feed.last_read_at >= self._ticked_at:
            self._ticked_at = None
        elif now - self._ticked_at >= SECONDS_TO_READ:
            logger.warning("journalctl hangs on %s: it is started again", self._journal.url)
            self._feed.close()
            self._ticked_at = None
            self._feed.last_read_at = now

    def _write_tick(self, now: float) -> None:
        try:
            self._journal.write(self._journal.encode(TICK))
        except OSError as error:  # the journal is down: nothing can be read either
            logger.info("%s does not take the tick: %s", self._journal.url, error)
            self._feed.last_read_at = now
        else:
            self._ticked_at = now
