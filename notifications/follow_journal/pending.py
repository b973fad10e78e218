"""A follower's pending events: read, but not delivered yet. They are delivered in batches, or as digests."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Generic, NamedTuple

from notifications.events.event import Event
from notifications.follow_journal.consumer import T
from notifications.follow_journal.digest import FEW, Digest
from notifications.follow_journal.feed import Found
from notifications.journal import Entry

#: Events read at a time.
CHUNK: Final = 1000
#: Failed deliveries recorded at a time.
RECORDED: Final = 500
#: The most events of one digest: to read them takes seconds, and more would delay the message.
MOST: Final = 100_000


class Message(NamedTuple, Generic[T]):
    """The `items` for one `deliver()`, and their last entry."""

    items: Sequence[T]
    last: Entry
    #: Of the events it stands for, those still in memory.
    known: Sequence[T]
    stands_for: int

    @property
    def whole(self) -> bool:
        """Whether all its events are known."""
        return len(self.known) == self.stands_for


class Pending(ABC, Generic[T]):
    """Fill it by `add()` while it has `room`. `message()` is the next message, until `done()`."""

    #: The last entry read.
    last: Entry | None = None
    #: Read nothing after this entry.
    until: Entry | None = None

    @property
    @abstractmethod
    def room(self) -> int:
        """How many events to read next; 0: deliver first."""

    @property
    def paced(self) -> bool:
        """Whether the next message waits for the channel's pace."""
        return True

    @abstractmethod
    def __len__(self) -> int:
        """The number of pending events."""

    @property
    @abstractmethod
    def since(self) -> datetime | None:
        """When the oldest pending event was written; None if there is none."""

    @abstractmethod
    def add(self, found: Found[T]) -> None: ...

    @abstractmethod
    def message(self) -> Message[T] | None:
        """The next message: the same until `add()` or `done()`. None if no event is pending."""

    @abstractmethod
    def done(self) -> None:
        """The message was delivered, or recorded as a failed delivery."""


class Batches(Pending[T]):
    """Up to `size` events, delivered together."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: list[T] = []

    @property
    def paced(self) -> bool:
        return self.room > 0  # a pause would not make a full batch larger

    @property
    def room(self) -> int:
        return self._size - len(self._items)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def since(self) -> datetime | None:
        return self._items[0].time if self._items else None

    def add(self, found: Found[T]) -> None:
        self._items += [item for item, _ in found.items]
        self.last = found.last

    def message(self) -> Message[T] | None:
        if not self._items or self.last is None:
            return None
        return Message(self._items, self.last, self._items, len(self._items))

    def done(self) -> None:
        self._items = []


class FailedDigest(Batches[T]):
    """The events of a digest that its channel refused for good: read again from the journal, to be recorded."""

    def __init__(self, reason: str, until: Entry) -> None:
        super().__init__(RECORDED)
        self.reason, self.until = reason, until

    @property
    def room(self) -> int:
        return 0 if self.last is not None and self.is_over(self.last) else super().room

    @property
    def paced(self) -> bool:
        return False

    def is_over(self, entry: Entry) -> bool:
        """Whether `entry` is its last one, or a later one because that was removed from the journal."""
        return self.until is not None and (entry.position == self.until.position or entry.time_us > self.until.time_us)


class Digests(Pending[Event]):
    """A few events are delivered one by one; more become one digest, which grows until it can be delivered.

    Once a digest has no room for an alert, that and all later events wait for the next one.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        #: Read, and in no digest.
        self._queue: deque[tuple[Event, Entry]] = deque()
        self._digest: Digest | None = None
        #: The last entry of the digest.
        self._until: Entry | None = None

    @property
    def room(self) -> int:
        is_full = self._digest is not None and self._queue
        return 0 if is_full else min(CHUNK, MOST - len(self))

    def __len__(self) -> int:
        return (self._digest.count if self._digest else 0) + len(self._queue)

    @property
    def since(self) -> datetime | None:
        if self._digest is not None:
            return self._digest.since
        return self._queue[0][0].time if self._queue else None

    def add(self, found: Found[Event]) -> None:
        self.last = found.last
        self._queue += found.items
        self._fill()

    def message(self) -> Message[Event] | None:
        if self.last is None or not len(self):
            return None
        if self._digest is not None and self._until is not None:
            last = self._until if self._queue else self.last
            return Message([self._digest.event(self._name)], last, self._digest.shown, self._digest.count)
        event, entry = self._queue[0]
        return Message([event], self.last if len(self._queue) == 1 else entry, [event], 1)

    def done(self) -> None:
        if self._digest is not None:
            self._digest = None
            self._fill()
        else:
            self._queue.popleft()

    def _fill(self) -> None:
        if self._digest is None and len(self._queue) <= FEW:
            return
        self._digest = self._digest or Digest()
        while self._queue and self._digest.has_room(self._queue[0][0]):
            event, self._until = self._queue.popleft()
            self._digest.add(event)
