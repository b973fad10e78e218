"""Delivers one event at once, past journal and database: for what would have to tell its own failure."""

import logging
import time
from typing import Final

from notifications.backoff import backoff
from notifications.channels import Channel, Unavailable, Undeliverable
from notifications.conf import conf
from notifications.events import Event
from notifications.folders import make_private
from notifications.follow.outage import Outage

logger = logging.getLogger(__name__)

#: How often it is tried, in how many seconds.
TRIES: Final = 3
SECONDS: Final = 30.0
#: Seconds between two posts about one unit: a crash loop must not flood.
QUIET: Final = 60.0


def told_just_now(unit: str) -> bool:
    """Whether this was asked for the unit within the last minute. A folder that cannot be written to forgets that."""
    stamp = conf.state_dir / "alerts" / unit
    try:
        if stamp.exists() and 0 <= time.time() - stamp.stat().st_mtime < QUIET:
            return True
        make_private(stamp.parent)
        stamp.touch(mode=0o600)
    except OSError as error:
        logger.warning("STATE_DIR remembers no alert: %s", error)
    return False


class Post:
    """A `worker.Worker`: delivers one event past journal and database. `problem` says why that failed, else ""."""

    def __init__(self, channel: Channel, event: Event) -> None:
        self.problem = "not tried yet"
        self._channel, self._event = channel, event
        self._outage = Outage(f"channel {channel.name}")
        self._give_up_at = time.monotonic() + SECONDS

    def fileno(self) -> int | None:
        return None

    def close(self) -> None:
        self._channel.close()

    def poll(self) -> float | None:
        """One try, where it is time for one."""
        if pause := self._outage.resting():
            return pause
        try:
            self._channel.deliver([self._event])
        except Unavailable as error:
            return self._later(error)
        except Undeliverable as error:
            self.problem = str(error)
        except Exception as error:  # a channel with a bug: the event goes another way, which the caller knows
            logger.exception("channel %s failed on an alert", self._channel.name)
            self.problem = f"it raised {type(error).__name__}: {error}"
        else:
            self.problem = ""
        return None

    def _later(self, error: Unavailable) -> float | None:
        self.problem = str(error)
        retry_after = error.retry_after
        if retry_after is None:
            retry_after = backoff(self._outage.failures + 1, base=4.0)
        delay = self._outage.failed(self.problem, retry_after)
        return delay if self._outage.failures < TRIES and time.monotonic() + delay < self._give_up_at else None
