"""A channel's attempts: when the next one may start, its result, and what to log."""

import logging
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from typing import Final, Generic, ParamSpec, Protocol, TypeVar

from django.db import Error, InterfaceError, OperationalError, connections

from notifications.channels import Unavailable, Undeliverable
from notifications.database import bounded_wait
from notifications.database.deadline import deadline
from notifications.database.transaction_conflicts import trouble
from notifications.database.transactions import close_open, nothing_left_open
from notifications.follow_journal.consumer import Consumer, Item, T
from notifications.follow_journal.pace import Pace
from notifications.signals import event_delivered
from notifications.utils.forks import ParentOnly
from notifications.workers import activity
from notifications.workers.outage import Outage

P = ParamSpec("P")
R = TypeVar("R")
T_co = TypeVar("T_co", bound=Item, covariant=True)

logger = logging.getLogger(__name__)

#: Attempts at events on which a channel raises an unexpected exception.
BUGGY_ATTEMPTS: Final = 8
#: Seconds of the database for all receivers of event_delivered.
LONGEST_RECEIVERS: Final = 3.0
#: Errors of a database that is away. Its other errors are bugs of the channel.
AWAY: Final = (OperationalError, InterfaceError)


class Message(Protocol[T_co]):
    """The `items` for a consumer, and the known ones that they stand for."""

    @property
    def items(self) -> Sequence[T_co]: ...
    @property
    def known(self) -> Sequence[T_co]: ...


class Delivery(Generic[T]):
    """The attempts of one consumer. All that deliver to it share `pace`. `signals`: send event_delivered."""

    def __init__(self, consumer: Consumer[T], pace: Pace, *, signals: bool = True) -> None:
        self._consumer, self._pace, self._signals = consumer, pace, signals
        self._bugs = 0
        self._milliseconds = 0.0
        self.outage = Outage(f"channel {consumer.name}")

    def wait(self, *, paced: bool = True) -> float:
        """Seconds until the next attempt."""
        return max(self.outage.seconds_left(), self._pace.wait() if paced else 0.0)

    @contextmanager
    def attempt(self, message: Message[T]) -> Iterator[None]:
        """Around one `deliver()`: any error, or a transaction left open, becomes Unavailable or Undeliverable."""
        self._pace.take()
        started = time.monotonic()
        activity.begins(self._consumer.name)
        try:
            with nothing_left_open(f"The channel {self._consumer.name}"):
                yield
        except (Unavailable, Undeliverable):
            raise
        except AWAY as error:
            connections.close_all()
            raise Unavailable(trouble(error)) from error
        except Exception as error:
            raise self._after_bug(message, error) from error
        finally:
            activity.ends()
        self._milliseconds = (time.monotonic() - started) * 1000

    def deliver(self, items: Sequence[T]) -> None:
        """Have the channel deliver them."""
        self._call(self._consumer.deliver, items)

    def prepare_delivery(self, items: Sequence[T]) -> Callable[[], None]:
        """Have a transactional channel do all but its writing. Returns that, for the transaction."""
        return partial(self._call, self._call(self._consumer.prepare_delivery, items))

    def _call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the channel, in a copied context: a time zone or language that it activates ends with the call."""
        with ParentOnly(f"The channel {self._consumer.name}"):
            return copy_context().run(function, *args, **kwargs)

    def _after_bug(self, message: Message[T], error: Exception) -> Exception:
        """Unavailable for the first attempts, then Undeliverable: a bug must neither block nor lose events."""
        self._bugs += 1
        if self._bugs == 1:
            logger.error("channel %s failed on %d events", self._consumer.name, len(message.items), exc_info=error)
        if self._bugs < BUGGY_ATTEMPTS:
            return Unavailable(f"it raised {type(error).__name__}: {error}")
        return Undeliverable("".join(traceback.format_exception(error)))

    def succeeded(self) -> None:
        """The message was delivered, or recorded as a failed delivery."""
        self._bugs = 0
        self.outage.over()

    def failed(self, error: Unavailable) -> float:
        """The attempt failed. Returns the seconds to wait."""
        if error.retry_after is not None:
            self._pace.hold(error.retry_after)
        return self.outage.failed(str(error), error.retry_after)

    def send_signals(self, message: Message[T]) -> None:
        """Send event_delivered for the message, after its delivery was saved."""
        if not self._signals:
            return
        try:
            with deadline(LONGEST_RECEIVERS):
                for event in message.known:
                    self._send_signal(event)
        except Error as error:
            logger.warning("event_delivered of channel %s failed: %s", self._consumer.name, error)
            connections.close_all()
        if problem := close_open("A receiver of event_delivered"):
            logger.error("%s", problem)
        bounded_wait.connection().close_if_unusable_or_obsolete()  # a receiver may have hidden a database error

    def _send_signal(self, event: T) -> None:
        with ParentOnly("A receiver of event_delivered"):
            results = event_delivered.send_robust(
                sender=type(self), channel=self._consumer.name, event=event, milliseconds=self._milliseconds
            )
        for receiver, result in results:
            if isinstance(result, Exception):
                logger.warning("%r failed on a delivered event: %s", receiver, result)
