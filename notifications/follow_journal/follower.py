"""The worker of the tell lane: one consumer that follows one journal, with its own position.

The position moves after the delivery, never before. An event that cannot be delivered now is tried again, in order. One
that never can becomes a failed delivery. A database that is away only stops deliveries that need it.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final, Generic, Protocol, cast

from django.db import Error, connections

from notifications.channels import Channel, Unavailable, Undeliverable
from notifications.database.deadline import deadline
from notifications.database.transactions import atomic, nothing_left_open
from notifications.events.event import RESERVED
from notifications.events.series_counts import counted
from notifications.follow_journal import record_undelivered
from notifications.follow_journal.consumer import Consumer, T
from notifications.follow_journal.delivery import AWAY, Delivery
from notifications.follow_journal.feed import Feed
from notifications.follow_journal.lag_samples import LagSamples
from notifications.follow_journal.pace import Pace
from notifications.follow_journal.pending import Batches, Digests, FailedDigest, Message, Pending
from notifications.follow_journal.shared_reader import SharedReader
from notifications.follow_journal.silent_journalctl import SilenceWatch
from notifications.follow_journal.when_to_save import PositionSaver
from notifications.journal import Entry, Gap, Journal
from notifications.losses.base_consumer import Observer
from notifications.positions import saved_position
from notifications.positions.key import Key
from notifications.positions.lock import Lock
from notifications.utils.log_fields import log_fields
from notifications.workers.loop import LONGEST_WAIT
from notifications.workers.outage import Outage

logger = logging.getLogger(__name__)

#: Seconds between two calls of `Channel.idle()`, at least: two turns may be a little less than a second apart.
IDLE_INTERVAL: Final = 0.875
#: The `idle()` of consumers that have nothing to do while they wait.
NOTHING: Final[tuple[object, ...]] = (Channel.idle, Observer.idle)
#: Seconds of the database for a delivery in its transaction, and for the rest.
LONGEST_WORK: Final = 15.0
LONGEST_IDLE: Final = 10.0


class LossObserver(Protocol):
    """Notices entries that no channel gets."""

    def gap_seen(self, gap: Gap) -> None:
        """Entries were removed or damaged before they were read. The follower records a Loss."""

    def oversized(self, count: int) -> None:
        """This many entries were larger than any event."""


class Follower(Generic[T]):
    """A `loop.Worker`. With `drain` it ends at the journal's end. `detached`: it reads, locks and moves no position.

    Once it waits for new entries it reads them with those who have the same `shared` reader.
    """

    def __init__(
        self,
        consumer: Consumer[T],
        journal: Journal,
        parse: Callable[[Entry], T | None],
        key: Key,
        *,
        pace: Pace | None = None,
        observer: LossObserver | None = None,
        since: datetime | None = None,
        detached: bool = False,
        drain: bool = False,
        shared: SharedReader | None = None,
    ) -> None:
        self._consumer, self._observer, self._detached = consumer, observer, detached
        self._lock = None if detached else Lock(key)
        self._position = PositionSaver(key, keep=not detached)
        try:
            after = None if since else self._position.start()
            held_for = 0.0 if detached else saved_position.held_for(key)
            reached = [] if detached else saved_position.accountant_cursors(key)
        except Error:
            self._unlock()
            raise
        self._settled = after  # all up to here is delivered, or recorded as a failed delivery
        audit = observer is not None
        tally = self._position.tally
        self._feed = Feed(
            journal,
            parse,
            after=after,
            since=since,
            follow=not drain,
            audit=audit,
            tally=tally,
            reached=reached,
            shared=shared,
        )
        if observer and tally:
            for gap in tally.recorded_gaps():
                observer.gap_seen(gap)
        self._pending = self._new_pending()
        self._silence_watch = SilenceWatch(journal, self._feed)
        self._idling = Outage(f"channel {consumer.name}, while idle")
        self._reading = Outage(f"journal {journal.url} of channel {consumer.name}")
        pace = pace or Pace(consumer.interval, consumer.burst)
        pace.hold(held_for)
        self._delivery = Delivery(consumer, pace, signals=not audit)
        self._idle_at = 0.0
        self._has_idle = getattr(consumer.idle, "__func__", None) not in NOTHING
        self._delivered = self._messages = 0
        #: The engine's own accounts and counts may see an entry a second later: to look takes more than to count.
        self._unhurried = LONGEST_WAIT if consumer.name in RESERVED else 0.0
        self._is_counted = not detached and consumer.name not in RESERVED
        self._lag_samples = LagSamples(consumer.name) if self._is_counted and not drain else None
        #: Events that were delivered, or became failed deliveries.
        self.settled = 0

    @property
    def name(self) -> str:
        """The consumer's."""
        return self._consumer.name

    def _new_pending(self) -> Pending[T]:
        if self._consumer.digests:
            return cast("Pending[T]", Digests(self._consumer.name))  # only channels use digests: their items are events
        return Batches(self._consumer.batch)

    def fileno(self) -> int | None:
        return self._feed.fileno() if self._reads else None

    def close(self) -> None:
        if self._detached:
            name, events, messages = self._consumer.name, self._delivered, self._messages
            logger.info("channel %s: %d events, in %d messages", name, events, messages)
        self._position.close()
        self._feed.close()
        self._consumer.close()
        self._unlock()
        connections.close_all()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()

    def poll(self) -> float | None:
        """Read some entries, or make one delivery."""
        with log_fields(self._log_fields):
            return self._poll()

    def _log_fields(self) -> dict[str, str]:
        return {"PROPPY_CHANNEL": self.name}

    def _poll(self) -> float | None:
        try:
            if self._reads and self._read():
                return 0.0
            message = self._pending.message()
            if self._lag_samples:
                self._lag_samples.take(self._pending.since)
            if message is None:
                return self._idle()
            return self._wait() or self._deliver_or_record(message)
        except Unavailable as error:
            delay = self._delivery.failed(error)
            self._show_stuck(delay, str(error), held=error.retry_after is not None)
            return delay

    @property
    def _reads(self) -> bool:
        """Whether to read more before the next delivery."""
        return bool(self._pending.room) and not self._in_doubt

    @property
    def _in_doubt(self) -> bool:
        """Whether the pending events may be delivered already: the answer to a COMMIT may have been lost.

        Then nothing is added to them, because their last entry is compared with the saved position.
        """
        return self._consumer.transactional and bool(self._delivery.outage.failures and len(self._pending))

    def _read(self) -> bool:
        """Read entries. Returns whether there were any."""
        if self._reading.seconds_left():
            return False
        try:
            found = self._feed.next(self._pending.room, until=self._pending.until)
        except OSError as error:
            delay = self._reading.failed(f"it cannot be read: {error}")
            self._show_stuck(delay, self._reading.reason)
            return False
        finally:
            self._note_losses()
        self._reading.over()
        if found is not None:
            self._pending.add(found)
            if not len(self._pending):
                self._skip_to(found.last)
        return found is not None

    def _note_losses(self) -> None:
        for gap in self._feed.gaps:
            self._position.note_gap(gap)
            if self._observer:
                self._observer.gap_seen(gap)
        self._feed.gaps.clear()
        if self._feed.oversized and self._observer:
            self._observer.oversized(self._feed.oversized)
        self._feed.oversized = 0

    def _skip_to(self, entry: Entry) -> None:
        """No event is pending up to this entry."""
        self._settle(entry)
        self._position.passed(entry)
        self._position.save_if_due()

    def _idle(self) -> float | None:
        self._position.save_if_due()
        if delay := self._reading.seconds_left():
            return delay
        now = time.monotonic()
        if self._feed.exhausted or now - self._idle_at >= IDLE_INTERVAL:
            self._idle_at = now
            self._call_idle()
        if self._feed.exhausted:
            return None
        if self._feed.fileno() is None:
            return max(self._feed.interval, self._unhurried)
        self._silence_watch.check()
        return LONGEST_WAIT

    def _call_idle(self) -> None:
        if not self._has_idle or self._idling.seconds_left():
            return
        try:
            with nothing_left_open(f"The channel {self._consumer.name}"), deadline(LONGEST_IDLE):
                self._consumer.idle()
        except Exception as error:  # a bug in idle() must not stop the worker
            if not isinstance(error, AWAY) and not self._idling.failures:
                logger.error("channel %s failed in idle()", self._consumer.name, exc_info=error)
            connections.close_all()
            self._idling.failed(f"{type(error).__name__}: {error}")
        else:
            self._idling.over()

    def _wait(self) -> float:
        """Seconds until the next message may be delivered."""
        delay = self._delivery.wait(paced=self._pending.paced)
        if delay and self._delivery.outage.reason:
            self._show_stuck(delay, self._delivery.outage.reason)
        return delay

    def _show_stuck(self, seconds: float, problem: str, *, held: bool = False) -> None:
        self._position.stuck(len(self._pending), seconds, problem, held=held)
        self._position.save_if_due()

    def _deliver_or_record(self, message: Message[T]) -> float:
        try:
            if isinstance(self._pending, FailedDigest):
                self._record(message, self._pending.reason)
            else:
                self._deliver(message)
        except Undeliverable as error:
            self._give_up(message, str(error))
        else:
            self._done(message)
        return 0.0

    def _done(self, message: Message[T]) -> None:
        self.settled += message.stands_for
        self._pending.done()
        self._delivery.succeeded()
        self._settle(message.last)

    def _settle(self, entry: Entry) -> None:
        self._settled = entry.position
        if isinstance(self._pending, FailedDigest) and self._pending.is_over(entry):
            self._pending = self._new_pending()

    def _deliver(self, message: Message[T]) -> None:
        if self._consumer.transactional:
            self._position.forget()
            with self._delivery.attempt(message), deadline(LONGEST_WORK):
                self._deliver_in_transaction(message)
            self._position.saved()
        else:
            with self._delivery.attempt(message):
                self._delivery.deliver(message.items)
            self._position.delivered(message.last)
        if not self._position.is_away:
            self._delivery.send_signals(message)
        self._delivered += message.stands_for
        self._messages += 1
        if self._is_counted:
            counted.add("delivered", self._consumer.name, count=message.stands_for)

    def _deliver_in_transaction(self, message: Message[T]) -> None:
        in_doubt = self._in_doubt
        write = (
            partial(self._delivery.deliver, message.items)
            if in_doubt
            else self._delivery.prepare_delivery(message.items)
        )
        with atomic():  # on SQLite nobody else writes from here on
            if not (in_doubt and self._position.is_saved(message.last)):
                write()
            self._position.save(message.last, delivered=True)

    def _give_up(self, message: Message[T], reason: str) -> None:
        last_line = reason.strip().rpartition("\n")[2]
        logger.error("channel %s gave up %d events for good: %s", self._consumer.name, message.stands_for, last_line)
        if message.whole:
            self._record(message, reason)
            self._done(message)
        else:  # read them again: the digest knows only a few of them
            self._pending = FailedDigest(reason, message.last)
            self._feed.rewind(self._settled)

    def _record(self, message: Message[T], reason: str) -> None:
        if self._detached:  # the channel's own follower delivers or records them
            return
        try:
            with deadline(LONGEST_IDLE), atomic():
                record_undelivered.record_failed(self._consumer.name, message.known, reason)
                self._position.save(message.last, delivered=False)
        except Error as error:  # never skip an event that was not recorded
            connections.close_all()
            raise Unavailable(f"a failed delivery could not be recorded: {error}") from error
        self._position.saved()
