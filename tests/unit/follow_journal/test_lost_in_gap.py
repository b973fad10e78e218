"""Numbers of processes on both sides of a gap."""

import os
from typing import Any

import pytest

from notifications.events import process_token
from notifications.follow_journal.lost_in_gap import MOST_WRITERS, Tally
from notifications.journal import Entry, Gap

ME = str(os.getuid())


class Reading:
    """Entries a second apart, by default of one process, and a tally of them."""

    def __init__(self) -> None:
        self.tally = Tally({os.getuid()})
        self.token = process_token.new_token()
        self.now = 0

    def come(self, *numbers: int, token: str = "", **fields: str) -> None:
        for number in numbers:
            self.now += 1_000_000
            own = {"PROPPY_ID": f"{token or self.token}:{number}", "_UID": ME, "PROPPY_EVENT": "SLACK"}
            self.tally.passed(Entry(str(self.now), self.now, own | fields))

    def gap(self, name: str = "gap", *, until: int | None = None) -> None:
        """From now on, until the next entry or so many seconds."""
        end = self.now + 1_000_000 * (until or 1)
        self.tally.add_gap(Gap(name, "why", since_us=self.now, until_us=end))

    def counts(self) -> list[int]:
        return [gap.count for gap in self.tally.gaps]

    def reload(self) -> Any:
        """As after a restart."""
        saved = self.tally.dump(str(self.now))
        self.tally = Tally({os.getuid()}, saved)
        return saved


@pytest.fixture
def reading() -> Reading:
    return Reading()


def test_what_is_missing_between_the_numbers_around_a_gap(reading: Reading) -> None:
    reading.come(5, 6)
    reading.gap()
    reading.come(10, 11, 13)
    assert reading.counts() == [3]


@pytest.mark.parametrize("reloaded", [False, True])
def test_a_process_that_was_silent_tells_when_it_writes_again(reading: Reading, reloaded: bool) -> None:
    other = process_token.new_token()
    reading.come(1)
    reading.come(1, token=other)
    reading.gap()
    reading.come(3)
    if reloaded:
        reading.reload()
    for _ in range(100):
        reading.now += 1_000_000
    reading.come(8, token=other)
    assert reading.counts() == [1 + 6]


def test_holes_elsewhere_are_not_of_the_gap(reading: Reading) -> None:
    reading.come(1, 5, 6)
    reading.gap()
    reading.come(7, 9)
    assert reading.counts() == [0]


def test_what_comes_late_is_not_lost(reading: Reading) -> None:
    reading.come(1)
    reading.gap()
    reading.come(5, 3, 4, 6)
    assert reading.counts() == [1]


def test_a_gap_with_entries_in_it(reading: Reading) -> None:
    reading.come(1)
    reading.gap(until=4)
    reading.come(3, 5, 7, 9, 11, 13)
    assert reading.counts() == [4], "the last one lies behind the gap"


def test_two_gaps(reading: Reading) -> None:
    reading.come(1)
    reading.gap("first")
    reading.come(3)
    reading.gap("second")
    reading.come(6)
    assert reading.counts() == [1, 2]


def test_the_same_gap_seen_again_counts_once(reading: Reading) -> None:
    reading.come(1)
    reading.gap()
    reading.gap()
    reading.come(3)
    assert reading.counts() == [1]


def test_others_cannot_forge_numbers(reading: Reading) -> None:
    reading.come(1)
    reading.gap()
    reading.come(100, _UID="12345")
    reading.come(2)
    assert reading.counts() == [0]


def test_of_a_process_that_nobody_knew_nothing_is_missing(reading: Reading) -> None:
    reading.come(1)
    reading.gap()
    reading.come(50, token="older")
    assert reading.counts() == [0]


def test_a_dump_belongs_to_one_position(reading: Reading) -> None:
    reading.come(1, 2)
    assert reading.tally.dump("1") is None
    assert reading.tally.dump(str(reading.now)) is not None
    reading.tally.forget()
    assert reading.tally.dump(str(reading.now)) is None


def test_what_was_passed_and_what_was_not(reading: Reading) -> None:
    reading.come(1)
    reading.gap()
    reading.come(4)
    asked = {number: Entry("x", 1, {"PROPPY_ID": f"{reading.token}:{number}", "_UID": ME}) for number in range(1, 6)}
    assert {number: reading.tally.has_passed(entry) for number, entry in asked.items()} == {
        1: True,
        2: False,
        3: False,
        4: True,
        5: False,
    }
    assert reading.tally.has_passed(Entry("x", 1, {"PROPPY_ID": "unknown:1", "_UID": ME})) is None


def test_who_has_ended_is_forgotten_first_and_memory_is_bounded(reading: Reading) -> None:
    reading.come(1)
    for number in range(3 * MOST_WRITERS):
        reading.come(1, token=f"other{number}", PROPPY_EVENT="END")
    assert len(reading.reload()["writers"]) == MOST_WRITERS
    reading.gap()
    reading.come(4)
    assert reading.counts() == [2]


def test_counts_that_are_lost_are_no_lost_events_and_none_counts_twice(reading: Reading) -> None:
    reading.come(1)
    reading.come(1, PROPPY_ID="series#1")
    reading.gap()
    reading.come(1, PROPPY_ID="series#5")
    assert reading.counts() == [0]
    again = {"PROPPY_ID": "series#5", "_UID": ME}
    assert reading.tally.has_passed(Entry("again", 0, again))
    assert not reading.tally.has_passed(Entry("new", 0, again | {"PROPPY_ID": "series#6"}))
