"""A channel: one destination, which gets the events of its name in order. To add one, see CONTRIBUTING.md."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import ClassVar

from notifications.events.event import Event
from notifications.http.retry_after import bounded
from notifications.utils.finding import Finding


class Unavailable(Exception):
    """The destination cannot take events now. The same events are delivered again, in order, for as long as it takes.

    `retry_after` is the seconds that it asked for, at most a year; None means the follower's back-off.
    """

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = None if retry_after is None else bounded(retry_after)


class Undeliverable(Exception):
    """The destination will never take these events: they become failed deliveries. `str()` says why, and what to do."""


class Channel(ABC):
    """One destination. Made once for each follower, from the options of NOTIFICATIONS_CHANNELS."""

    #: The most events for one `deliver()`: 1, unless it delivers all of them or none.
    batch: ClassVar[int] = 1
    #: `deliver()` runs in the transaction that moves the position: database effects happen exactly once.
    transactional: ClassVar[bool] = False
    #: Takes plain lines too. Any local user may have written them.
    harmless: ClassVar[bool] = False
    #: For people: gets one event at a time. If more than a few wait, it gets one digest of them, with `data["digest"]`
    #: (notifications.follow_journal.digest).
    digests: ClassVar[bool] = False
    #: Average seconds between two calls of `deliver()`.
    interval: ClassVar[float] = 0.0
    #: Calls allowed at once after a pause.
    burst: ClassVar[int] = 1

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def deliver(self, events: Sequence[Event]) -> None:
        """Deliver all of them or none. Raises Unavailable or Undeliverable."""

    def prepare_delivery(self, events: Sequence[Event]) -> Callable[[], None]:
        """Of a transactional channel: what need not be in the transaction, which locks SQLite. Returns the rest."""
        return partial(self.deliver, events)

    def idle(self) -> None:  # noqa: B027  most have nothing to do
        """Called about once a second while no event waits. May raise database errors."""

    def examine(self) -> Iterable[Finding]:
        """For `proppy_doctor`: whether it would deliver, without a delivery. No finding: there is nobody to ask.

        It has five seconds, and cleans up what it makes. Raises Unavailable or Undeliverable, as `deliver` does.
        """
        return ()

    def close(self) -> None:  # noqa: B027  most hold nothing
        """Called when the follower ends."""
