"""Doubles of the tell lane: a journal that fails on demand, a channel that does as it is told, a clock."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Sequence

import pytest

from notifications.channels import Channel
from notifications.events.event import Event
from notifications.follow_journal import delivery, follower, lag_samples, pace, when_to_save
from notifications.follow_journal.consumer import T
from notifications.follow_journal.follower import Follower
from notifications.journal import Journal, MemoryJournal
from notifications.positions.key import Key
from notifications.workers import outage

#: The fixture `follow`, which makes a follower for a channel.
Follow = Callable[..., Follower[Event]]


class FlakyJournal(MemoryJournal):
    """A memory journal that raises `error` at each write, as long as there is one."""

    def __init__(self, *, max_entries: int | None = None) -> None:
        super().__init__(max_entries=max_entries)
        self.error: Exception | None = None
        self.refused = 0

    def write(self, record: bytes) -> None:
        if self.error is not None:
            self.refused += 1
            raise self.error
        super().write(record)


def tell(journal: Journal, *texts: str, name: str = "SLACK") -> None:
    """Write an event for each text."""
    for text in texts:
        journal.write(journal.encode({"MESSAGE": f"{name}: {text}", "PROPPY_EVENT": name, "PROPPY_ID": f"t:{text}"}))


def key(channel: str = "SLACK") -> Key:
    """Of a follower. The locks are files, so each test process has its own."""
    return Key(f"machine-{os.getpid()}", "memory://", channel)


class ScriptedChannel(Channel):
    """Raises what the script says, one thing for each delivery, else delivers."""

    def __init__(self, name: str = "SLACK", script: Iterable[BaseException | None] = ()) -> None:
        super().__init__(name)
        self.script = deque(script)
        self.tried: list[str] = []
        self.delivered: list[str] = []
        self.closed = False

    def deliver(self, events: Sequence[Event]) -> None:
        texts = [event.text for event in events]
        self.tried += texts
        error = self.script.popleft() if self.script else None
        if error is not None:
            raise error
        self.delivered += texts

    def close(self) -> None:
        self.closed = True


class ClosedOnce(Follower[T]):
    """A follower that a test may close before its fixture does."""

    _closed = False

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            super().close()


class Clock:
    """Stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """As time.monotonic()."""
        return self.now

    def time(self) -> float:
        """As time.time(), in the first minutes of 1970."""
        return self.now


@pytest.fixture(name="clock")
def clock_fixture(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of followers and checkpoints."""
    clock = Clock()
    for module in (when_to_save, delivery, follower, lag_samples, outage, pace):
        monkeypatch.setattr(module, "time", clock)
    return clock


def turn(
    worker: Follower[Event], clock: Clock, *, until: Callable[[], object] = lambda: False, most: int = 1000
) -> list[float]:
    """Poll until all is done, or `until()`, moving the clock on; the waits that were asked for."""
    waits: list[float] = []
    for _ in range(most):
        delay = worker.poll()
        if delay is None or until():
            return waits
        if delay > 0:
            waits.append(delay)
            clock.now += delay
    raise AssertionError(f"not done after {most} turns; waits {waits[-5:]}")
