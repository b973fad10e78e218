"""Drains from cron: for how long one counts, by the pauses between them."""

import os
from pathlib import Path
from typing import Any, Final

import pytest

from notifications.workers import drains
from notifications.workers.drains import FIRST, LONGEST, REMEMBERED, SHORTEST, is_drained, note
from notifications.workers.heartbeat import Beat

DAY: Final = 86_400.0
NOW: Final = 1_700_000_000.0


class Clock:
    """Stands until somebody sets it."""

    def __init__(self) -> None:
        self.now = NOW

    def time(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    settings.NOTIFICATIONS_STATE_DIR = tmp_path
    clock = Clock()
    monkeypatch.setattr(drains, "time", clock)
    return clock


def drain(clock: Clock, *at: float) -> None:
    """Drains that end so many seconds after the start; it is then the time of the last one."""
    for each in at:
        clock.now = NOW + each
        note("process_raw", [])


@pytest.mark.parametrize(
    ("ends", "counts"),
    [
        pytest.param([0], FIRST, id="one alone"),
        pytest.param([0, 60, 120], SHORTEST, id="each minute"),
        pytest.param([0, 60, 420, 480], 3 * 360, id="each minute, and once a slow one"),
        pytest.param([0, 3600], 3 * 3600, id="each hour"),
        pytest.param([0, 3600, 3610, 7200], 3 * 3600, id="each hour, and a person besides"),
        pytest.param([0, DAY, 2 * DAY], LONGEST, id="each day"),
        pytest.param([0, 300 * DAY], LONGEST, id="twice a year"),
        pytest.param([0, *range(36_000, 36_000 + 60 * REMEMBERED, 60)], SHORTEST, id="what was long ago is forgotten"),
    ],
)
def test_how_long_one_counts(clock: Clock, ends: list[float], counts: float) -> None:
    drain(clock, *ends)
    last = clock.now
    for seconds, expected in ((0.0, True), (counts - 1, True), (counts + 1, False)):
        clock.now = last + seconds
        assert is_drained("process_raw") == expected, seconds


def test_one_of_a_clock_that_was_ahead_does_not_count(clock: Clock) -> None:
    drain(clock, 365 * DAY)
    clock.now = NOW
    assert not is_drained("process_raw")
    drain(clock, 60, 120)
    assert is_drained("process_raw")
    clock.now += SHORTEST + 1
    assert not is_drained("process_raw")


def test_it_is_of_one_command(clock: Clock) -> None:
    drain(clock, 0)
    assert not is_drained("follow_journal")
    drains.forget("process_raw")
    assert not is_drained("process_raw")
    drains.forget("process_raw")


@pytest.mark.parametrize(
    ("command", "alive", "counts"),
    [("process_raw", True, False), ("process_raw", False, True), ("follow_journal", True, True)],
)
def test_beside_a_worker_that_stays_it_does_not_count(command: str, alive: bool, counts: bool) -> None:
    note("process_raw", [Beat(command, "shop1", 1, "", NOW, NOW, NOW, alive=alive)])
    assert is_drained("process_raw") == counts


@pytest.mark.parametrize("text", ["", "[", "{}", "[null]", "7"])
def test_a_damaged_file_is_none(tmp_path: Path, clock: Clock, text: str) -> None:
    (tmp_path / "heartbeats").mkdir()
    (tmp_path / "heartbeats" / "process_raw.drained").write_text(text)
    assert not is_drained("process_raw")
    drain(clock, 0)
    assert is_drained("process_raw")
    assert os.listdir(tmp_path / "heartbeats") == ["process_raw.drained"]
