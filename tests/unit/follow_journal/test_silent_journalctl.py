"""A reader that hangs is replaced; a quiet journal, and one that is down, are left alone."""

from collections.abc import Callable

import pytest

from notifications.events.event import Event
from notifications.follow_journal import feed, silent_journalctl
from notifications.follow_journal.feed import Feed
from notifications.follow_journal.silent_journalctl import JITTER, LONGEST_SILENCE, SECONDS_TO_READ, SilenceWatch
from notifications.journal import MemoryJournal
from tests.support.tell import Clock, FlakyJournal


@pytest.fixture(name="clock")
def _clock(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    for module in (feed, silent_journalctl):
        monkeypatch.setattr(module, "time", clock)
    return clock


def names(journal: MemoryJournal) -> list[object]:
    return [entry.fields.get("PROPPY_EVENT") for entry in journal.entries(0, 1000)]


class Counting(Feed[Event]):
    """How often its reader was closed: the next read opens another one."""

    closed = 0

    def close(self) -> None:
        self.closed += 1
        super().close()


def watched(journal: MemoryJournal) -> tuple[Counting, SilenceWatch]:
    read = Counting(journal, lambda _: None, after=None, since=None, follow=True)
    return read, SilenceWatch(journal, read)


def turn(clock: Clock, seconds: float, check: Callable[[], object]) -> None:
    for _ in range(round(seconds)):
        clock.now += 1
        check()


def test_a_reader_that_reads_is_left_alone(clock: Clock) -> None:
    journal = FlakyJournal()
    read, watch = watched(journal)

    def check() -> None:
        if read.next(10) is None:
            watch.check()

    turn(clock, 1000, check)
    ticks = names(journal)
    assert set(ticks) == {"TICK"}
    assert 1000 / (LONGEST_SILENCE + JITTER + 2) - 1 <= len(ticks) <= 1000 / LONGEST_SILENCE
    assert read.closed == 0


def test_a_reader_that_hangs_is_replaced(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    journal = FlakyJournal()
    read, watch = watched(journal)
    assert read.next(10) is None
    turn(clock, LONGEST_SILENCE + JITTER + 1, watch.check)
    assert (names(journal), read.closed) == (["TICK"], 0)
    turn(clock, SECONDS_TO_READ, watch.check)
    assert read.closed == 1
    assert "journalctl hangs on memory://" in caplog.text
    assert read.next(10) is not None


def test_a_journal_that_is_down_is_no_fault_of_the_reader(clock: Clock) -> None:
    journal = FlakyJournal()
    read, watch = watched(journal)
    assert read.next(10) is None
    journal.error = ConnectionRefusedError("gone")
    turn(clock, 300, watch.check)
    assert 3 <= journal.refused <= 5
    assert read.closed == 0
