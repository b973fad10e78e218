"""What a follower has in hand: events that were read and not yet delivered. Two ways to hand them over."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from notifications.events import Event
from notifications.follow.digest import FEW, Digest
from notifications.follow.feed import Found
from notifications.journal import Entry

#: Events read at a time.
CHUNK: Final = 1000
#: Failed deliveries that are recorded together.
RECORDED: Final = 500
#: Events that one digest may stand for: reading them takes seconds, and every one more would delay the message.
MOST: Final = 100_000


class Message(NamedTuple):
    """What `deliver()` is given, and up to which entry that goes."""

    events: Sequence[Event]
    last: Entry
    #: The events it stands for, as far as they are still known.
    known: Sequence[Event]
    stands_for: int

    @property
    def whole(self) -> bool:
        """Whether all of them are known."""
        return len(self.known) == self.stands_for


class Hand(ABC):
    """Filled by `add()` while there is `room`; `message()` is what goes first, until `done()`."""

    #: Up to here everything was read.
    last: Entry | None = None
    #: What comes behind this entry is not for this hand.
    until: Entry | None = None

    @property
    @abstractmethod
    def room(self) -> int:
        """How many events to read next; 0 says deliver first."""

    @property
    def paced(self) -> bool:
        """Whether what is in hand waits for the channel's pace."""
        return True

    @abstractmethod
    def __len__(self) -> int:
        """Events in hand."""

    @abstractmethod
    def add(self, found: Found) -> None: ...

    @abstractmethod
    def message(self) -> Message | None:
        """The same until something is added, or `done()`. None where no event is in hand."""

    @abstractmethod
    def done(self) -> None:
        """The message was delivered, or is on record as failed."""


class Batches(Hand):
    """Up to `size` events, delivered together."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._events: list[Event] = []

    @property
    def paced(self) -> bool:
        return self.room > 0  # where there is more than enough, a pause would only delay it

    @property
    def room(self) -> int:
        return self._size - len(self._events)

    def __len__(self) -> int:
        return len(self._events)

    def add(self, found: Found) -> None:
        self._events += [event for event, _ in found.events]
        self.last = found.last

    def message(self) -> Message | None:
        if not self._events or self.last is None:
            return None
        return Message(self._events, self.last, self._events, len(self._events))

    def done(self) -> None:
        self._events = []


class Refused(Batches):
    """What a digest stood for that was refused for good: read again from the journal, to be put on record."""

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
        """Whether all is on record up to here; or its last entry was removed from the journal meanwhile."""
        return self.until is not None and (entry.position == self.until.position or entry.time_us > self.until.time_us)


class Digests(Hand):
    """For people: a few go one by one, more become one digest, which grows for as long as it cannot be delivered."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._few: deque[tuple[Event, Entry]] = deque()
        self._digest: Digest | None = None

    @property
    def room(self) -> int:
        return min(CHUNK, MOST - len(self))

    def __len__(self) -> int:
        return self._digest.count if self._digest else len(self._few)

    def add(self, found: Found) -> None:
        self.last = found.last
        if self._digest is None and len(self._few) + len(found.events) <= FEW:
            self._few += found.events
            return
        self._digest = self._digest or Digest()
        for event, _ in (*self._few, *found.events):
            self._digest.add(event)
        self._few.clear()

    def message(self) -> Message | None:
        if self._digest is not None and self.last is not None:
            shown = self._digest.shown
            return Message([self._digest.event(self._name)], self.last, shown, self._digest.count)
        if not self._few or self.last is None:
            return None
        event, entry = self._few[0]
        return Message([event], self.last if len(self._few) == 1 else entry, [event], 1)

    def done(self) -> None:
        if self._digest is not None:
            self._digest = None
        else:
            self._few.popleft()
