"""Samples for the series `lag`: how long the oldest event of a channel has waited."""

import time
from datetime import datetime
from typing import Final

from notifications.events.series_counts import counted
from notifications.utils.times import utc_now

#: Seconds between two samples.
INTERVAL: Final = 60.0


class LagSamples:
    """Of one channel. Call `take()` in each turn."""

    def __init__(self, channel: str) -> None:
        self._channel = channel
        self._due = 0.0

    def take(self, since: datetime | None) -> None:
        """`since`: when the oldest event that waits was written, if any waits. Takes a sample if one is due."""
        now = time.monotonic()
        if now >= self._due:
            self._due = now + INTERVAL
            counted.add("lag", self._channel, 0.0 if since is None else max(0.0, (utc_now() - since).total_seconds()))
