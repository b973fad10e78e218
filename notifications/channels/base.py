"""What a channel is: one destination, which takes the events of its name in order. To add one, see CONTRIBUTING.md."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from notifications.events import Event


class Unavailable(Exception):
    """The destination takes nothing just now: the same events are delivered again, in order, for as long as it takes.

    `retry_after` is the seconds that it asked for; None leaves it to the follower's back-off.
    """

    def __init__(self, reason: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Undeliverable(Exception):
    """The destination will never take these events. `str()` says why and what to do; they become failed deliveries."""


class Channel(ABC):
    """One destination. Made once for each follower, from the options of NOTIFICATIONS_CHANNELS."""

    #: Events given to `deliver()` at a time. One that does not fail or succeed as a whole says 1.
    batch: ClassVar[int] = 1
    #: `deliver()` runs in the transaction that moves the position: database effects happen exactly once.
    transactional: ClassVar[bool] = False
    #: Takes plain text lines too, which any local user may have written.
    harmless: ClassVar[bool] = False
    #: Speaks to people: gets one event at a time, and where more than a few wait one that stands for them all, with
    #: `data["digest"]` (notifications.follow.digest).
    digests: ClassVar[bool] = False
    #: Seconds between two calls of `deliver()` in the long run.
    interval: ClassVar[float] = 0.0
    #: Calls that may follow each other at once after a rest.
    burst: ClassVar[int] = 1

    def __init__(self, name: str) -> None:
        self.name = name

    @abstractmethod
    def deliver(self, events: Sequence[Event]) -> None:
        """Deliver all of them or none. Raises Unavailable or Undeliverable."""

    def idle(self) -> None:  # noqa: B027  most have nothing to do
        """Called about once a second while nothing waits. May raise what the database raises."""

    def close(self) -> None:  # noqa: B027  most hold nothing
        """Free what is held, at the end of the follower."""
