"""A reader that hangs is replaced; a quiet journal, and one that is down, are left alone."""

from collections.abc import Callable

import pytest

from notifications.follow import feed, silence
from notifications.follow.feed import Feed
from notifications.follow.silence import JITTER, LONGEST_SILENCE, SECONDS_TO_READ, Silence
from notifications.journal import MemoryJournal
from tests.support.tell import Clock, FlakyJournal


@pytest.fixture(name="clock")
def _clock(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    for module in (feed, silence):
        monkeypatch.setattr(module, "time", clock)
    return clock


def names(journal: MemoryJournal) -> list[object]:
    return [entry.fields.get("PROPPY_EVENT") for entry in journal.entries(0, 1000)]


def watched(journal: MemoryJournal) -> tuple[Feed, Silence]:
    read = Feed(journal, lambda _: None, after=None, since=None, follow=True)
    return read, Silence(journal, read)


def turn(clock: Clock, seconds: float, check: Callable[[], object]) -> None:
    for _ in range(round(seconds)):
        clock.now += 1
        check()


def test_a_reader_that_reads_is_left_alone(clock: Clock) -> None:
    journal = FlakyJournal()
    read, watch = watched(journal)
    closed: list[bool] = []
    read.close = lambda: closed.append(True)  # type: ignore[method-assign]

    def check() -> None:
        if read.next(10) is None:
            watch.check()

    turn(clock, 1000, check)
    ticks = names(journal)
    assert set(ticks) == {"TICK"}
    assert 1000 / (LONGEST_SILENCE + JITTER + 2) - 1 <= len(ticks) <= 1000 / LONGEST_SILENCE
    assert closed == []


def test_a_reader_that_hangs_is_replaced(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    journal = FlakyJournal()
    read, watch = watched(journal)
    assert read.next(10) is None
    hung = read._reader
    turn(clock, LONGEST_SILENCE + JITTER + 1, watch.check)
    assert (names(journal), read._reader) == (["TICK"], hung)
    turn(clock, SECONDS_TO_READ, watch.check)
    assert read._reader is None
    assert "journalctl is silent on memory://" in caplog.text
    found = read.next(10)
    assert found is not None
    assert read._reader not in (None, hung)


def test_a_journal_that_is_down_is_no_fault_of_the_reader(clock: Clock) -> None:
    journal = FlakyJournal()
    read, watch = watched(journal)
    assert read.next(10) is None
    journal.error = ConnectionRefusedError("gone")
    reader = read._reader
    turn(clock, 300, watch.check)
    assert 3 <= journal.refused <= 5
    assert read._reader is reader
