"""The worker of the tell lane: one channel that follows one journal, with a position of its own.

The position moves after delivery, never before. What cannot be delivered now is tried again, in order; what never can
becomes a failed delivery. A database that is away stops no delivery, except of what needs it.
"""

import logging
import time
import traceback
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from django.db import Error, InterfaceError, OperationalError, connections, transaction

from notifications import losses, positions
from notifications.backoff import backoff
from notifications.channels import Channel, Unavailable, Undeliverable
from notifications.checkpoint import Checkpoint
from notifications.events import Event
from notifications.feed import Batch, Feed
from notifications.journal import Entry, Journal
from notifications.signals import event_delivered
from notifications.worker import LONGEST_WAIT

logger = logging.getLogger(__name__)

#: Seconds between two attempts at most.
LONGEST_BACKOFF: Final = 60.0
#: Attempts at events on which a channel raises what it should not.
BUGGY_ATTEMPTS: Final = 8
#: What a database raises that will be back; other errors of it are the channel's own.
AWAY: Final = (OperationalError, InterfaceError)


class Follower:
    """A `worker.Worker`. `drain`: done at the journal's end. `detached`: no position is read, locked or moved."""

    def __init__(
        self,
        channel: Channel,
        journal: Journal,
        parse: Callable[[Entry], Event | None],
        key: positions.Key,
        *,
        since: datetime | None = None,
        detached: bool = False,
        drain: bool = False,
    ) -> None:
        self._channel, self._drain = channel, drain
        self._lock = None if detached else positions.Lock(key)
        self._checkpoint = Checkpoint(key, keep=not detached)
        try:
            after = None if since else self._checkpoint.start()
        except Error:
            self._unlock()
            raise
        self._feed = Feed(journal, parse, after=after, since=since, follow=not drain)
        self._batch: Batch | None = None
        self._failures = self._bugs = 0
        self._resume_at = 0.0
        self._reason = ""

    def fileno(self) -> int | None:
        return None if self._failures else self._feed.fileno()

    def close(self) -> None:
        self._checkpoint.close()
        self._feed.close()
        self._channel.close()
        self._unlock()
        connections.close_all()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()

    def poll(self) -> float | None:
        """One batch, or one more attempt at it."""
        pause = self._resume_at - time.monotonic()
        if pause > 0:
            self._checkpoint.save_if_due()
            return pause
        try:
            self._batch = self._batch or self._next_batch()
            if self._batch is None:
                return self._idle()
            self._deliver(self._batch)
        except Unavailable as error:
            return self._pause(error)
        self._batch, self._failures, self._bugs, self._reason = None, 0, 0, ""
        return 0.0

    def _next_batch(self) -> Batch | None:
        try:
            return self._feed.next(self._channel.batch)
        except OSError as error:
            raise Unavailable(f"the journal cannot be read: {error}") from error
        finally:
            if self._feed.gap is not None:
                self._checkpoint.note_gap(self._feed.gap)
                self._feed.gap = None

    def _idle(self) -> float | None:
        self._failures = 0
        self._checkpoint.save_if_due()
        if self._feed.exhausted:
            return None
        return LONGEST_WAIT if self._feed.fileno() is not None else self._feed.interval

    def _deliver(self, batch: Batch) -> None:
        if not batch.events:
            self._checkpoint.passed(batch.last)
            self._checkpoint.save_if_due()
            return
        started = time.monotonic()
        try:
            self._hand_over(batch)
        except Unavailable:
            raise
        except Undeliverable as error:
            self._give_up(batch, str(error))
        except AWAY as error:
            connections.close_all()
            raise Unavailable(f"the database is away: {error}") from error
        except Exception as error:  # noqa: BLE001  a channel with a bug must neither stop nor lose its events
            self._after_bug(batch, error)
        else:
            self._tell(batch.events, (time.monotonic() - started) * 1000)

    def _after_bug(self, batch: Batch, error: Exception) -> None:
        self._bugs += 1
        if self._bugs == 1:
            logger.error("channel %s failed on %d events", self._channel.name, len(batch.events), exc_info=error)
        if self._bugs < BUGGY_ATTEMPTS:
            raise Unavailable(f"it raised {type(error).__name__}: {error}") from error
        self._give_up(batch, "".join(traceback.format_exception(error)))

    def _hand_over(self, batch: Batch) -> None:
        if self._channel.transactional:
            with transaction.atomic():
                # A commit whose answer was lost may have come through all the same.
                if not (self._failures and self._checkpoint.is_saved(batch.last)):
                    self._channel.deliver(batch.events)
                    self._checkpoint.save(batch.last, delivered=True)
            self._checkpoint.saved()
        else:
            self._channel.deliver(batch.events)
            self._checkpoint.delivered(batch.last)

    def _give_up(self, batch: Batch, reason: str) -> None:
        last_line = reason.strip().rpartition("\n")[2]
        logger.error("channel %s gave up %d events for good: %s", self._channel.name, len(batch.events), last_line)
        try:
            with transaction.atomic():
                losses.record_failed(self._channel.name, batch.events, reason)
                self._checkpoint.save(batch.last, delivered=False)
        except Error as error:  # what is on no record must not be passed over
            connections.close_all()
            raise Unavailable(f"a failed delivery could not be recorded: {error}") from error
        self._checkpoint.saved()

    def _tell(self, events: Sequence[Event], milliseconds: float) -> None:
        for event in events:
            results = event_delivered.send_robust(
                sender=Follower, channel=self._channel.name, event=event, milliseconds=milliseconds
            )
            for receiver, result in results:
                if isinstance(result, Exception):
                    logger.warning("%r failed on a delivered event: %s", receiver, result)

    def _pause(self, error: Unavailable) -> float:
        self._failures += 1
        delay = error.retry_after
        if delay is None:
            delay = backoff(self._failures, base=0.5, cap=LONGEST_BACKOFF)
        self._resume_at = time.monotonic() + delay
        # Never "SLACK: …" at the start of a line: where stderr goes to the journal, that is a text event.
        level = logging.DEBUG if str(error) == self._reason else logging.WARNING  # an outage is told once
        logger.log(level, "channel %s: %s; next try in %.1f s", self._channel.name, error, delay)
        self._reason = str(error)
        return delay
