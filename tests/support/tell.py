"""Doubles of the tell lane: a journal that fails on demand, a channel that does as it is told, a clock."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

from notifications.channels import Channel
from notifications.events import Event
from notifications.follow import checkpoint, delivery, follower, outage, pace
from notifications.follow.follower import Follower
from notifications.journal import MemoryJournal

#: For generated input: no deadlines, for the machine may be busy with other tests.
patient: Final = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


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


class ClosedOnce(Follower):
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


@pytest.fixture(name="clock")
def clock_fixture(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of followers and checkpoints."""
    clock = Clock()
    for module in (checkpoint, delivery, follower, outage, pace):
        monkeypatch.setattr(module, "time", clock)
    return clock


def turn(
    worker: Follower, clock: Clock, *, until: Callable[[], object] = lambda: False, most: int = 1000
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
