"""The worker of the tell lane: one channel that follows one journal, with a position of its own.

The position moves after delivery, never before. What cannot be delivered now is tried again, in order; what never can
becomes a failed delivery. A database that is away stops no delivery, except of what needs it.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final, Protocol

from django.db import Error, connections, transaction

from notifications import losses
from notifications.channels import Channel, Unavailable, Undeliverable
from notifications.deadline import deadline
from notifications.events import Event
from notifications.follow import positions
from notifications.follow.checkpoint import Checkpoint
from notifications.follow.delivery import AWAY, Delivery
from notifications.follow.feed import Feed
from notifications.follow.hand import Batches, Digests, Hand, Message, Refused
from notifications.follow.outage import Outage
from notifications.follow.pace import Pace
from notifications.follow.silence import Silence
from notifications.journal import Entry, Journal
from notifications.worker import LONGEST_WAIT

logger = logging.getLogger(__name__)

#: Seconds between two calls of `Channel.idle()`.
IDLE_INTERVAL: Final = 1.0
#: Seconds that work with the database may take, where nothing can be delivered without it.
LONGEST_WORK: Final = 15.0
LONGEST_IDLE: Final = 10.0


class Witness(Protocol):
    """Hears of what no channel is given."""

    def gap_seen(self) -> None:
        """Entries were removed before they were read; a Loss is on its way."""

    def oversized(self, count: int) -> None:
        """So many entries were larger than any event."""


class Follower:
    """A `worker.Worker`. `drain`: done at the journal's end. `detached`: no position is read, locked or moved."""

    def __init__(
        self,
        channel: Channel,
        journal: Journal,
        parse: Callable[[Entry], Event | None],
        key: positions.Key,
        *,
        pace: Pace | None = None,
        witness: Witness | None = None,
        since: datetime | None = None,
        detached: bool = False,
        drain: bool = False,
    ) -> None:
        self._channel, self._witness, self._detached = channel, witness, detached
        self._lock = None if detached else positions.Lock(key)
        self._checkpoint = Checkpoint(key, keep=not detached)
        try:
            after = None if since else self._checkpoint.start()
            held_for = 0.0 if detached else positions.held_for(key)
        except Error:
            self._unlock()
            raise
        self._settled = after  # up to here all is delivered, or on record as failed
        audit = witness is not None
        self._feed = Feed(journal, parse, after=after, since=since, follow=not drain, audit=audit)
        self._hand = self._new_hand()
        self._silence = Silence(journal, self._feed)
        self._idles = type(channel).idle is not Channel.idle
        self._idling = Outage(f"channel {channel.name}, beside its events")
        self._reading = Outage(f"journal {journal.url} of channel {channel.name}")
        pace = pace or Pace(channel.interval, channel.burst)
        pace.hold(held_for)
        self._delivery = Delivery(channel, pace, signals=not audit)
        self._idle_at = 0.0
        self._told = self._messages = 0

    def _new_hand(self) -> Hand:
        return Digests(self._channel.name) if self._channel.digests else Batches(self._channel.batch)

    def fileno(self) -> int | None:
        return self._feed.fileno() if self._reads else None

    def close(self) -> None:
        if self._detached:
            told = (self._channel.name, self._told, self._messages)
            logger.info("channel %s: %d events, in %d messages", *told)
        self._checkpoint.close()
        self._feed.close()
        self._channel.close()
        self._unlock()
        connections.close_all()

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()

    def poll(self) -> float | None:
        """Read some entries, or make one delivery."""
        try:
            if self._reads and self._read():
                return 0.0
            message = self._hand.message()
            if message is None:
                return self._idle()
            return self._wait() or self._hand_over(message)
        except Unavailable as error:
            delay = self._delivery.failed(error)
            self._show_stuck(delay, str(error), held=error.retry_after is not None)
            return delay

    @property
    def _reads(self) -> bool:
        """Whether more is taken in hand before the next delivery."""
        return bool(self._hand.room) and not self._in_doubt

    @property
    def _in_doubt(self) -> bool:
        """Whether what is in hand may be done already: a commit whose answer was lost may have come through.

        Nothing is added to it then, for it is its last entry that the saved position is compared with.
        """
        return self._channel.transactional and bool(self._delivery.outage.failures and len(self._hand))

    def _read(self) -> bool:
        """Whether anything was there."""
        if self._reading.resting():
            return False
        try:
            found = self._feed.next(self._hand.room, until=self._hand.until)
        except OSError as error:
            delay = self._reading.failed(f"it cannot be read: {error}")
            self._show_stuck(delay, self._reading.reason)
            return False
        finally:
            self._note_losses()
        self._reading.over()
        if found is not None:
            self._hand.add(found)
            if not len(self._hand):
                self._pass(found.last)
        return found is not None

    def _note_losses(self) -> None:
        if self._feed.gap is not None:
            self._checkpoint.note_gap(self._feed.gap)
            self._feed.gap = None
            if self._witness:
                self._witness.gap_seen()
        if self._feed.oversized and self._witness:
            self._witness.oversized(self._feed.oversized)
        self._feed.oversized = 0

    def _pass(self, entry: Entry) -> None:
        """Nothing up to here wants to be delivered."""
        self._settle(entry)
        self._checkpoint.passed(entry)
        self._checkpoint.save_if_due()

    def _idle(self) -> float | None:
        self._checkpoint.save_if_due()
        if delay := self._reading.resting():
            return delay
        now = time.monotonic()
        if self._feed.exhausted or now - self._idle_at >= IDLE_INTERVAL:
            self._idle_at = now
            self._let_idle()
        if self._feed.exhausted:
            return None
        if self._feed.fileno() is None:
            return self._feed.interval
        self._silence.check()
        return LONGEST_WAIT

    def _let_idle(self) -> None:
        if not self._idles or self._idling.resting():
            return
        try:
            with deadline(LONGEST_IDLE):
                self._channel.idle()
        except Exception as error:  # what one channel does beside must stop no other
            if not isinstance(error, AWAY) and not self._idling.failures:
                logger.error("channel %s failed, though nothing waits", self._channel.name, exc_info=error)
            connections.close_all()
            self._idling.failed(f"{type(error).__name__}: {error}")
        else:
            self._idling.over()

    def _wait(self) -> float:
        """Seconds until the next message may be delivered."""
        delay = self._delivery.wait(paced=self._hand.paced)
        if delay and self._delivery.outage.reason:
            self._show_stuck(delay, self._delivery.outage.reason)
        return delay

    def _show_stuck(self, seconds: float, problem: str, *, held: bool = False) -> None:
        self._checkpoint.stuck(len(self._hand), seconds, problem, held=held)
        self._checkpoint.save_if_due()

    def _hand_over(self, message: Message) -> float:
        try:
            if isinstance(self._hand, Refused):
                self._record(message, self._hand.reason)
            else:
                self._deliver(message)
        except Undeliverable as error:
            self._give_up(message, str(error))
        else:
            self._done(message)
        return 0.0

    def _done(self, message: Message) -> None:
        self._hand.done()
        self._delivery.succeeded()
        self._settle(message.last)

    def _settle(self, entry: Entry) -> None:
        self._settled = entry.position
        if isinstance(self._hand, Refused) and self._hand.is_over(entry):
            self._hand = self._new_hand()

    def _deliver(self, message: Message) -> None:
        if self._channel.transactional:
            self._checkpoint.forget()
            with self._delivery.attempt(message), deadline(LONGEST_WORK), transaction.atomic():
                if not (self._in_doubt and self._checkpoint.is_saved(message.last)):
                    self._channel.deliver(message.events)
                self._checkpoint.save(message.last, delivered=True)
            self._checkpoint.saved()
        else:
            with self._delivery.attempt(message):
                self._channel.deliver(message.events)
            self._checkpoint.delivered(message.last)
        if not self._checkpoint.is_away:
            self._delivery.tell(message)
        self._told += message.stands_for
        self._messages += 1

    def _give_up(self, message: Message, reason: str) -> None:
        last_line = reason.strip().rpartition("\n")[2]
        logger.error("channel %s gave up %d events for good: %s", self._channel.name, message.stands_for, last_line)
        if message.whole:
            self._record(message, reason)
            self._done(message)
        else:  # most of them are known to the journal alone
            self._hand = Refused(reason, message.last)
            self._feed.rewind(self._settled)

    def _record(self, message: Message, reason: str) -> None:
        if self._detached:  # they were told, or are on record, where they came by
            return
        try:
            with deadline(LONGEST_IDLE), transaction.atomic():
                losses.record_failed(self._channel.name, message.known, reason)
                self._checkpoint.save(message.last, delivered=False)
        except Error as error:  # what is on no record must not be passed over
            connections.close_all()
            raise Unavailable(f"a failed delivery could not be recorded: {error}") from error
        self._checkpoint.saved()
