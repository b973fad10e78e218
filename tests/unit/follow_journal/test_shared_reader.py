"""Followers that share a reader get each entry and each loss once, whoever lags, fails or comes late."""

import select
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from notifications.follow_journal import feed, shared_reader
from notifications.follow_journal.feed import Feed
from notifications.follow_journal.shared_reader import SharedReader
from notifications.journal import Entry, Found, Gap, Journal, Reader
from notifications.journal.base import ReadOptions
from notifications.workers import outage
from notifications.workers.loop import LONGEST_WAIT
from tests.support.tell import Clock

ENTRY: Final = "entry"
GAP: Final = "gap"
OVERSIZED: Final = "oversized"


class Tape(Journal):
    """What can be read: entries, whose positions are their numbers, and losses between them."""

    url = "tape://"

    def __init__(self) -> None:
        self.items: list[str] = []
        self.open_readers: list[TapeReader] = []
        #: Whether new readers see nothing at first.
        self.shows_later = False

    def encode(self, fields: Mapping[str, str]) -> bytes:
        raise NotImplementedError

    def write(self, record: bytes) -> None:
        raise NotImplementedError

    def find(self, field: str, value: str, *, since: datetime, most: int, seconds: float) -> Found:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is held."""

    def _reader(self, options: ReadOptions) -> "TapeReader":
        return TapeReader(self, 0 if options.after is None else int(options.after) + 1)

    def places(self, kind: str) -> list[int]:
        return [number for number, item in enumerate(self.items) if item == kind]


class TapeReader(Reader):
    """Sees what was there at its start, and later what it is shown. Once it has read all it waits for more."""

    interval = 0.05

    def __init__(self, tape: Tape, start: int) -> None:
        self._tape, self._next = tape, start
        self._end = 0 if tape.shows_later else len(tape.items)
        self.breaks = False
        tape.open_readers.append(self)

    def read(self, limit: int) -> list[Entry]:
        if self.breaks:
            raise OSError("it broke")
        entries: list[Entry] = []
        while self._next < self._end and len(entries) < limit:
            number, item = self._next, self._tape.items[self._next]
            self._next += 1
            if item == ENTRY:
                entries.append(Entry(str(number), number, {}))
            elif item == GAP:
                self.note_gap(Gap(f"gap {number}", "lost"))
            else:
                self.oversized += 1
        self.follows = self.follows or not entries
        return entries

    def show(self, count: int) -> None:
        """So many items more."""
        self._end = min(self._end + count, len(self._tape.items))

    def fileno(self) -> int | None:
        return None

    def close(self) -> None:
        self._tape.open_readers.remove(self)


class Reading:
    """A feed, and what came from it."""

    def __init__(self, tape: Tape, shared: SharedReader) -> None:
        self.feed = Feed(tape, lambda entry: Item(entry), after=None, since=None, follow=True, shared=shared)
        self.entries: list[int] = []
        self.gaps: list[str] = []
        self.oversized = 0

    def turn(self, size: int = 1000) -> bool:
        """Read; whether anything came."""
        try:
            found = self.feed.next(size)
        except OSError:
            return True
        self.gaps += [gap.position for gap in self.feed.gaps]
        self.oversized += self.feed.oversized
        anything = bool(found or self.feed.gaps or self.feed.oversized)
        self.feed.gaps.clear()
        self.feed.oversized = 0
        self.entries += [int(entry.position) for _, entry in found.items] if found else []
        return anything

    @property
    def shares(self) -> bool:
        return self.feed.fileno() is not None


class Item:
    """An entry is one."""

    def __init__(self, entry: Entry) -> None:
        self.id = self.text = entry.position
        self.time: Any = None
        self.data: Mapping[str, Any] = {}
        self.author_known = True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return with_clock(monkeypatch)


def with_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (shared_reader, feed, outage):
        monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def tape() -> Tape:
    return Tape()


@pytest.fixture
def shared(tape: Tape) -> Iterator[SharedReader]:
    reader = SharedReader(tape)
    yield reader
    reader.close()


def rest(tape: Tape, shared: SharedReader, *readings: Reading) -> None:
    """Turn all until nothing comes."""
    quiet = 0
    while quiet < 2:  # who was dismissed finds nothing at first
        for reader in tape.open_readers:
            reader.show(1000)
        quiet = 0 if any([*(reading.turn() for reading in readings), shared.poll() == 0]) else quiet + 1


class Machine(RuleBasedStateMachine):
    """Any order of turns, entries, losses, breaks and pauses."""

    FOLLOWERS: Final = 3

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(shared_reader, "MOST_UNREAD", 1)
        self.patch.setattr(shared_reader, "READ", 2)
        self.patch.setattr(feed, "READ", 2)
        self.clock = with_clock(self.patch)
        self.tape = Tape()
        self.shared = SharedReader(self.tape)
        self.readings = [Reading(self.tape, self.shared) for _ in range(self.FOLLOWERS)]
        self.broke = False

    @rule(kinds=st.lists(st.sampled_from([ENTRY, ENTRY, ENTRY, GAP, OVERSIZED]), min_size=1, max_size=6))
    def write(self, kinds: list[str]) -> None:
        self.tape.items += kinds

    @rule(turns=st.integers(1, 4))
    def turn_shared(self, turns: int) -> None:
        for _ in range(turns):
            self.shared.poll()

    @rule(number=st.integers(0, FOLLOWERS - 1), turns=st.integers(1, 4), size=st.integers(1, 3))
    def turn_follower(self, number: int, turns: int, size: int) -> None:
        for _ in range(turns):
            self.readings[number].turn(size)

    @precondition(lambda self: self.tape.open_readers)
    @rule(number=st.integers(0, FOLLOWERS), count=st.integers(1, 4))
    def show(self, number: int, count: int) -> None:
        self.tape.open_readers[number % len(self.tape.open_readers)].show(count)

    @rule()
    def rest(self) -> None:
        rest(self.tape, self.shared, *self.readings)

    @rule(seconds=st.sampled_from([0.5, 2.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(number=st.integers(0, FOLLOWERS - 1))
    def close_as_if_it_hung(self, number: int) -> None:
        self.broke = True
        self.readings[number].feed.close()

    @precondition(lambda self: self.tape.open_readers)
    @rule(number=st.integers(0, FOLLOWERS))
    def break_a_reader(self, number: int) -> None:
        self.broke = True
        self.tape.open_readers[number % len(self.tape.open_readers)].breaks = True

    def teardown(self) -> None:
        try:
            rest(self.tape, self.shared, *self.readings)
            self.clock.now += 1000  # the pause after a break is over
            self.tape.items.append(ENTRY)
            rest(self.tape, self.shared, *self.readings)
            self.check()
        finally:
            for reading in self.readings:
                reading.feed.close()
            self.shared.close()
            self.patch.undo()
        assert self.tape.open_readers == []

    def check(self) -> None:
        gaps = [f"gap {number}" for number in self.tape.places(GAP)]
        oversized = len(self.tape.places(OVERSIZED))
        for reading in self.readings:
            assert reading.entries == self.tape.places(ENTRY)
            assert [*dict.fromkeys(reading.gaps)] == gaps
            assert reading.oversized >= oversized
            if not self.broke:  # else what came after its last entry may be noted again, as by any new reader
                assert (reading.gaps, reading.oversized) == (gaps, oversized)
            assert reading.shares
        assert len(self.tape.open_readers) == 1


def test_each_follower_gets_each_entry_and_loss_once_in_any_order_of_events() -> None:
    run_state_machine_as_test(Machine, settings=settings(stateful_step_count=40))


def sharing(tape: Tape, shared: SharedReader, *, count: int) -> list[Reading]:
    """Followers that share the reader."""
    readings = [Reading(tape, shared) for _ in range(count)]
    rest(tape, shared, *readings)
    assert all(reading.shares for reading in readings)
    assert len(tape.open_readers) == 1
    return readings


def test_who_stands_elsewhere_does_not_join(tape: Tape, shared: SharedReader) -> None:
    tape.items += [ENTRY] * 3
    sharing(tape, shared, count=2)
    assert [shared.join(position) for position in (None, "0", "1", "3")] == [None] * 4
    member = shared.join("2")
    assert member is not None
    member.close()


def test_who_may_have_missed_a_loss_does_not_join(tape: Tape, shared: SharedReader, clock: Clock) -> None:
    (first,) = sharing(tape, shared, count=1)
    tape.items += [OVERSIZED, GAP]
    tape.open_readers[0].show(2)
    shared.poll()
    tape.shows_later = True
    late = Reading(tape, shared)
    late.turn()
    assert not late.shares
    rest(tape, shared, first, late)
    for reading in (first, late):
        assert (reading.oversized, reading.gaps) == (1, ["gap 1"])
    tape.items.append(ENTRY)
    rest(tape, shared, first, late)
    assert late.shares


def test_who_lags_is_dismissed_at_an_entry_and_comes_back(
    tape: Tape, shared: SharedReader, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_reader, "MOST_UNREAD", 2)
    monkeypatch.setattr(shared_reader, "READ", 1)
    fast, slow = sharing(tape, shared, count=2)
    for item in [ENTRY, ENTRY, ENTRY, OVERSIZED, GAP, ENTRY, ENTRY]:
        tape.items.append(item)
        tape.open_readers[0].show(1)
        shared.poll()
        fast.turn()
    assert fast.shares
    rest(tape, shared, fast, slow)
    assert not slow.shares  # its reader returned what follows the loss together with that
    tape.items.append(ENTRY)
    rest(tape, shared, fast, slow)
    for reading in (fast, slow):
        assert reading.entries == tape.places(ENTRY)
        assert (reading.oversized, reading.gaps) == (1, ["gap 4"])
        assert reading.shares


def test_a_note_that_was_read_before_the_dismissal_is_not_noted_again(
    tape: Tape, shared: SharedReader, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_reader, "MOST_UNREAD", 1)
    monkeypatch.setattr(shared_reader, "READ", 1)
    fast, slow = sharing(tape, shared, count=2)
    member = shared.join(None)
    assert member is not None
    for item in [OVERSIZED, OVERSIZED, ENTRY, OVERSIZED, ENTRY]:
        tape.items.append(item)
        tape.open_readers[0].show(1)
        shared.poll()
        fast.turn()
        if tape.items == [OVERSIZED]:
            slow.turn()
    rest(tape, shared, fast, slow)
    assert (slow.entries, slow.oversized) == (fast.entries, fast.oversized) == ([2, 4], 3)
    entries = list[Entry]()
    while not member.is_over:
        entries += member.read(1)
    assert ([entry.position for entry in entries], member.oversized) == (["2"], 2)  # it ends at an entry
    member.close()


def test_if_all_lag_it_stops_reading_and_then_ends(tape: Tape, shared: SharedReader, clock: Clock) -> None:
    first, second = sharing(tape, shared, count=2)
    tape.items += [ENTRY]
    tape.open_readers[0].show(1)
    assert shared.poll() == 0
    tape.items += [ENTRY]
    tape.open_readers[0].show(1)
    assert shared.poll() == LONGEST_WAIT
    first.turn()
    assert shared.fileno() is not None
    assert is_readable(shared.fileno())  # a member has read all
    assert shared.poll() == 0
    assert shared.poll() == LONGEST_WAIT
    clock.now += shared_reader.PATIENCE
    shared.poll()
    assert tape.open_readers == []
    rest(tape, shared, first, second)
    assert first.entries == second.entries == [0, 1]
    assert first.shares
    assert second.shares


def test_it_does_not_end_where_a_member_would_note_a_loss_again(tape: Tape, shared: SharedReader, clock: Clock) -> None:
    first, second = sharing(tape, shared, count=2)
    for item in (ENTRY, OVERSIZED):
        tape.items.append(item)
        tape.open_readers[0].show(1)
        first.turn()
        shared.poll()
    shared.poll()
    clock.now += 100
    shared.poll()
    assert len(tape.open_readers) == 1
    rest(tape, shared, first, second)
    assert first.oversized == second.oversized == 1


def test_without_members_it_has_no_reader(tape: Tape, shared: SharedReader, clock: Clock) -> None:
    readings = sharing(tape, shared, count=2)
    for reading in readings:
        reading.feed.close()
    shared.poll()
    assert tape.open_readers == []
    assert shared.poll() == LONGEST_WAIT


def test_one_that_cannot_read_leaves_followers_to_themselves_and_pauses(
    tape: Tape, shared: SharedReader, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = sharing(tape, shared, count=2)
    tape.open_readers[0].breaks = True
    shared.poll()
    assert "it cannot read: it broke" in caplog.text
    tape.items.append(ENTRY)
    rest(tape, shared, first, second)
    assert (first.entries, second.entries) == ([0], [0])
    assert not first.shares
    clock.now += 60
    rest(tape, shared, first, second)
    assert first.shares
    assert second.shares


def test_a_member_is_readable_as_long_as_there_is_something_to_read(tape: Tape, shared: SharedReader) -> None:
    member = shared.join(None)
    assert member is not None
    assert not is_readable(member.fileno())
    tape.items += [ENTRY] * 3
    shared.poll()
    assert is_readable(member.fileno())
    assert [entry.position for entry in member.read(2)] == ["0", "1"]
    assert is_readable(member.fileno())
    assert [entry.position for entry in member.read(2)] == ["2"]
    assert not is_readable(member.fileno())
    assert member.read(2) == []
    member.close()
    assert member.fileno() is None
    member.close()


def test_nobody_joins_a_closed_one(tape: Tape) -> None:
    shared = SharedReader(tape)
    shared.close()
    assert shared.join(None) is None


def is_readable(descriptor: int | None) -> bool:
    assert descriptor is not None
    return bool(select.select([descriptor], [], [], 0)[0])
