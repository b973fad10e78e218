"""Attempts at a channel: when the next one may be, what comes of it, and what is said of it in the log."""

import logging
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol

from django.db import Error, InterfaceError, OperationalError, connections, transaction

from notifications.channels import Channel, Unavailable, Undeliverable
from notifications.deadline import deadline
from notifications.events import Event
from notifications.follow.outage import Outage, sane
from notifications.follow.pace import Pace
from notifications.signals import event_delivered

logger = logging.getLogger(__name__)

#: Attempts at events on which a channel raises what it should not.
BUGGY_ATTEMPTS: Final = 8
#: Seconds that all receivers of event_delivered may wait for the database.
LONGEST_RECEIVERS: Final = 3.0
#: What a database raises that will be back; other errors of it are the channel's own.
AWAY: Final = (OperationalError, InterfaceError)


class Message(Protocol):
    """What is delivered: the events that a channel is given, and those that they stand for."""

    @property
    def events(self) -> Sequence[Event]: ...
    @property
    def known(self) -> Sequence[Event]: ...


class Delivery:
    """One channel's attempts. `pace` is shared by all that deliver to it. `signals`: send event_delivered."""

    def __init__(self, channel: Channel, pace: Pace, *, signals: bool = True) -> None:
        self._channel, self._pace, self._signals = channel, pace, signals
        self._bugs = 0
        self._milliseconds = 0.0
        self.outage = Outage(f"channel {channel.name}")

    def wait(self, *, paced: bool = True) -> float:
        """Seconds until the next attempt."""
        return max(self.outage.resting(), self._pace.wait() if paced else 0.0)

    @contextmanager
    def attempt(self, message: Message) -> Iterator[None]:
        """Around one call of `deliver()`. Raises Unavailable or Undeliverable, whatever the channel raises."""
        self._pace.take()
        started = time.monotonic()
        try:
            yield
        except (Unavailable, Undeliverable):
            raise
        except AWAY as error:
            connections.close_all()
            raise Unavailable(f"the database is away: {error}") from error
        except Exception as error:
            raise self._after_bug(message, error) from error
        self._milliseconds = (time.monotonic() - started) * 1000

    def _after_bug(self, message: Message, error: Exception) -> Exception:
        """A channel with a bug must neither stop nor lose its events."""
        self._bugs += 1
        if self._bugs == 1:
            logger.error("channel %s failed on %d events", self._channel.name, len(message.events), exc_info=error)
        if self._bugs < BUGGY_ATTEMPTS:
            return Unavailable(f"it raised {type(error).__name__}: {error}")
        return Undeliverable("".join(traceback.format_exception(error)))

    def succeeded(self) -> None:
        """Delivered, or on record as failed."""
        self._bugs = 0
        self.outage.over()

    def failed(self, error: Unavailable) -> float:
        """Seconds to wait."""
        if error.retry_after is not None:
            self._pace.hold(sane(error.retry_after))
        return self.outage.failed(str(error), error.retry_after)

    def tell(self, message: Message) -> None:
        """Send event_delivered for what the last attempt has delivered, once that is saved."""
        if not self._signals:
            return
        try:
            with deadline(LONGEST_RECEIVERS):
                for event in message.known:
                    self._tell(event)
        except Error as error:
            logger.warning("Nobody could be told what channel %s has delivered: %s", self._channel.name, error)
            connections.close_all()
        transaction.get_connection().close_if_unusable_or_obsolete()  # a receiver may have kept its error for itself

    def _tell(self, event: Event) -> None:
        results = event_delivered.send_robust(
            sender=type(self), channel=self._channel.name, event=event, milliseconds=self._milliseconds
        )
        for receiver, result in results:
            if isinstance(result, Exception):
                logger.warning("%r failed on a delivered event: %s", receiver, result)
