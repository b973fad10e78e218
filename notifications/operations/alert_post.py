"""Delivers one event at once, without journal and database: for a unit that would have to report its own failure."""

import logging
import time
from typing import Final

from notifications.channels import Channel, Unavailable, Undeliverable
from notifications.events.event import Event
from notifications.utils.retry_delay import backoff
from notifications.workers.outage import LONGEST_BACKOFF, Outage

logger = logging.getLogger(__name__)

#: At most so many tries, in so many seconds, unless the caller says otherwise.
TRIES: Final = 3
SECONDS: Final = 30.0


class Post:
    """A `loop.Worker`: delivers one event without journal and database. `problem` says why that failed, or "".

    It gives up after so many tries, or seconds.
    """

    def __init__(self, channel: Channel, event: Event, *, tries: float = TRIES, seconds: float = SECONDS) -> None:
        self.problem = "not tried yet"
        self._channel, self._event = channel, event
        self._outage = Outage(f"channel {channel.name}")
        self._tries, self._give_up_at = tries, time.monotonic() + seconds

    def fileno(self) -> int | None:
        return None

    def close(self) -> None:
        self._channel.close()

    def poll(self) -> float | None:
        """Try once, if it is time."""
        if pause := self._outage.seconds_left():
            return pause
        try:
            self._channel.deliver([self._event])
        except Unavailable as error:
            return self._later(error)
        except Undeliverable as error:
            self.problem = str(error)
        except Exception as error:  # a bug in the channel: the caller sends the event another way
            logger.exception("channel %s failed on an alert", self._channel.name)
            self.problem = f"it raised {type(error).__name__}: {error}"
        else:
            self.problem = ""
        return None

    def _later(self, error: Unavailable) -> float | None:
        self.problem = str(error)
        retry_after = error.retry_after
        if retry_after is None:
            retry_after = backoff(self._outage.failures + 1, base=4.0, cap=LONGEST_BACKOFF)
        delay = self._outage.failed(self.problem, retry_after)
        return delay if self._outage.failures < self._tries and time.monotonic() + delay < self._give_up_at else None
