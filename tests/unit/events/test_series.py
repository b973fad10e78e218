"""SERIES events: what a process counted in a minute, past the outbox; and when a minute is over."""

import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from django.test import override_settings

from notifications.events import emit, interval_report, series
from notifications.events.encoding import event_of
from notifications.events.event import SERIES, Event
from notifications.events.interval_report import Interval
from notifications.events.outbox import Outbox
from notifications.events.process_token import ID, SERIES_ID
from notifications.events.series import LONGEST_LABEL, MOST_BYTES, MOST_WAITING, Writer, pieces
from notifications.events.series_counts import MOST_LABELS, SeriesCounts
from notifications.journal import Entry, EntryTooLarge, FileJournal
from notifications.utils.sums import Sum
from tests.support.journals import exit_code, in_child, read_all
from tests.support.series import write_counts

DEADLINE: Final = 20.0
MINUTE: Final = int(datetime(2026, 11, 30, 12, 0, tzinfo=UTC).timestamp())


class BusyJournal(FileJournal):
    """Takes nothing while it is busy."""

    is_busy = False
    #: Bytes of an entry.
    most = 1024 * 1024

    def write(self, record: bytes) -> None:
        if self.is_busy:
            raise BlockingIOError
        if len(record) > self.most:
            raise EntryTooLarge
        super().write(record)


class Written:
    def __init__(self, folder: Path) -> None:
        self.journal = BusyJournal(folder)

    def entries(self) -> list[Entry]:
        return read_all(self.journal.open(follow=False))

    def events(self) -> list[Event]:
        found = [event_of(entry, frozenset({os.getuid()})) for entry in self.entries()]
        return [event for event in found if event is not None]

    def data(self) -> list[dict[str, Any]]:
        return [event.data for event in self.events()]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Written]:
    """The journal of this process, with a writer that has written nothing.

    What earlier tests have counted is written before: the end of a minute would write it into this journal.
    """
    write_counts()
    found = Written(tmp_path)
    outbox = Outbox(found.journal, emit.lost_entry)
    monkeypatch.setattr(series, "process_outbox", lambda: outbox)
    monkeypatch.setattr(series, "writer", Writer())
    yield found
    found.journal.close()


def count(label: str = "photo", **sums: Any) -> series.Series:
    return {"handled": {label: Sum(**{"count": 1} | sums)}}


def test_what_an_event_says(written: Written) -> None:
    series.write(MINUTE, {"handled": {"photo": Sum(2, 5.25, 4.0, [1, 0, 1, 0])}, "waiting": {"": Sum(1)}})
    (event,) = written.events()
    assert event.name == SERIES
    assert event.author_known
    assert event.data == {
        "minute": MINUTE,
        "series": {"handled": {"photo": [2, 5.25, 4.0, "1,0,1"]}, "waiting": {"": [1, 0.0, 0.0, ""]}},
    }


def test_its_numbers_are_not_those_of_other_events(written: Written) -> None:
    """Their losses are reported; a lost count is none, also to an older release."""
    series.write(MINUTE, count())
    series.write(MINUTE, count())
    ids = [SERIES_ID.fullmatch(event.id) for event in written.events()]
    assert [each and each[2] for each in ids] == ["1", "2"]
    assert {each and each[1] for each in ids}.isdisjoint({emit.new_entry("SLACK", "x")["PROPPY_ID"].partition(":")[0]})
    assert not any(ID.fullmatch(event.id) for event in written.events())


@override_settings(NOTIFICATIONS_RELEASE="1.4.0")
def test_the_release_counts_requests_or_once(written: Written) -> None:
    series.write(MINUTE, {"requests": {"GET /": Sum(3), "POST /": Sum(4)}})
    series.write(MINUTE, count())
    series.write_start(MINUTE + 59.9)
    assert [data["series"]["releases"]["1.4.0"][0] for data in written.data()] == [7, 1, 1]
    assert {data["minute"] for data in written.data()} == {MINUTE}


def test_no_release_is_no_event_at_the_start(written: Written) -> None:
    series.write_start(MINUTE)
    assert written.entries() == []


def test_a_journal_that_takes_nothing_gets_it_with_the_next_minute(written: Written) -> None:
    written.journal.is_busy = True
    for minute in range(MOST_WAITING + 5):
        series.write(MINUTE + 60 * minute, count())
    written.journal.is_busy = False
    series.write(MINUTE, count())
    minutes = [(data["minute"] - MINUTE) // 60 for data in written.data()]
    assert minutes == [*range(6, MOST_WAITING + 5), 0]
    assert not emit.process_outbox().queue


def test_an_entry_that_the_journal_never_takes_holds_up_no_other(written: Written) -> None:
    """As a kernel whose net.core.wmem_max is small."""
    written.journal.most = 500
    series.write(MINUTE, {"handled": {"x" * 200: Sum(1), "y" * 200: Sum(1), "z" * 200: Sum(1)}})
    series.write(MINUTE, count())
    assert [list(data["series"]["handled"]) for data in written.data()] == [["photo"]]


def test_much_is_written_in_pieces_without_losing_any(written: Written) -> None:
    labels = {f"GET /{number}/{'x' * 180}/": Sum(1, 1.0, 1.0, [1] * 31) for number in range(600)}
    series.write(MINUTE, {"requests": labels, "errors": {label: Sum(1) for label in labels}})
    entries = written.entries()
    assert len(entries) > 3
    assert all(len(str(entry.fields["PROPPY_DATA"])) <= MOST_BYTES * 1.1 for entry in entries)
    found = [(name, label) for data in written.data() for name, each in data["series"].items() for label in each]
    assert len(found) == len(set(found)) == 1200


def test_labels_that_are_alike_once_they_are_cut_are_added() -> None:
    (piece,) = pieces({"handled": {"é" * 300: Sum(1), "é" * 301: Sum(2), "\ud800": Sum(4)}})
    assert {label: values[0] for label, values in piece["handled"].items()} == {"é" * LONGEST_LABEL: 3, "?": 4}


def test_a_fork_writes_what_it_counted_itself(written: Written) -> None:
    written.journal.is_busy = True
    series.write(MINUTE, count("parent"))

    def write() -> None:
        written.journal.is_busy = False
        series.write(MINUTE, count("child"))

    assert exit_code(in_child(write)) == 0
    written.journal.is_busy = False
    series.write(MINUTE, count("parent"))
    assert [list(data["series"]["handled"]) for data in written.data()] == [["child"], ["parent"], ["parent"]]
    assert len({event.id for event in written.events()}) == 3


class TestCounts:
    @pytest.fixture
    def counts(self, written: Written) -> Iterator[SeriesCounts]:
        counts = SeriesCounts()
        yield counts
        assert counts.close(DEADLINE)

    def test_all_that_was_counted_is_written_at_the_end(self, written: Written, counts: SeriesCounts) -> None:
        before = time.time()
        counts.add("handled", "photo", 2.0, ms=2.0)
        counts.add("handled", "photo", 6.0, ms=6.0)
        counts.add("delivered", "SLACK", count=5)
        assert counts.close(DEADLINE)
        (data,) = written.data()
        assert data["series"] == {
            "handled": {"photo": [2, 8.0, 6.0, "0,0,1,0,0,0,1"]},
            "delivered": {"SLACK": [5, 0.0, 0.0, ""]},
        }
        assert data["minute"] % 60 == 0
        assert before - 60 < data["minute"] <= time.time()

    def test_nothing_is_written_of_nothing(self, written: Written, counts: SeriesCounts) -> None:
        counts.add("refused", "photo")
        assert counts.flush(DEADLINE)
        assert counts.flush(DEADLINE)
        assert len(written.entries()) == 1

    def test_a_fork_counts_from_zero(self, written: Written, counts: SeriesCounts) -> None:
        counts.add("handled", "parent")

        def count() -> None:
            counts.add("handled", "child")
            assert counts.flush(DEADLINE)

        assert exit_code(in_child(count)) == 0
        assert counts.flush(DEADLINE)
        assert [list(data["series"]["handled"]) for data in written.data()] == [["child"], ["parent"]]

    def test_labels_are_bounded(self, written: Written, counts: SeriesCounts) -> None:
        for number in range(MOST_LABELS + 10):
            counts.add("refused", f"{number}")
        assert counts.flush(DEADLINE)
        (data,) = written.data()
        assert data["series"]["refused"]["other"][0] == 10


class Clock:
    """In place of the module `time`."""

    def __init__(self, wall: float) -> None:
        self.wall, self.steady = wall, 1000.0

    def time(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.steady

    def passes(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


class TestMinutes:
    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> Clock:
        clock = Clock(MINUTE + 50.0)
        monkeypatch.setattr(interval_report, "time", clock)
        return clock

    def ends(self, interval: Interval, clock: Clock) -> Iterator[tuple[int, bool]]:
        """Number of each minute that ends, and whether the interval ends with it."""
        while True:
            clock.passes(interval.seconds_left())
            assert interval.is_minute_over()
            yield (interval.minute - MINUTE) // 60, interval.is_over()
            if interval.is_over():
                return
            interval.begin_minute()

    @pytest.mark.parametrize(("seconds", "minutes"), [(5, 1), (10, 1), (20, 2), (60, 2), (180, 4), (30, 2)])
    def test_each_minute_ends_with_that_of_the_clock(self, clock: Clock, seconds: int, minutes: int) -> None:
        """It begins 10 s before a minute ends."""
        ends = list(self.ends(Interval(seconds), clock))
        assert ends == [(number, number == minutes - 1) for number in range(minutes)]
        assert clock.wall == (MINUTE + 60 * minutes if seconds >= 60 else MINUTE + 50 + seconds)

    def test_any_interval(self, clock: Clock) -> None:
        assert not Interval(float("inf")).is_over()

    def test_a_clock_that_is_set_changes_the_next_minute(self, clock: Clock) -> None:
        ends = self.ends(Interval(180), clock)
        clock.wall -= 3600
        assert [next(ends), next(ends)] == [(0, False), (-59, False)]
