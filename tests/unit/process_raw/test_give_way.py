"""Pauses of a worker, so that captures find SQLite free."""

from collections.abc import Iterator

import pytest

from notifications.process_raw import give_way as module
from notifications.process_raw.give_way import EXPECTED, LONGEST_PAUSE, PAUSE, WORK, GiveWay
from notifications.process_raw.wait_for_work import Listener
from notifications.store.wake_workers import wake
from notifications.workers.loop import Stop

pytestmark = pytest.mark.usefixtures("sqlite_file")


class Clock:
    """Goes on when it is told to, and by each pause."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.pauses.append(round(seconds, 6))
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def give_way(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[GiveWay]:
    stop, listener = Stop(), Listener()
    monkeypatch.setattr(stop, "wait", clock.wait)
    ours = GiveWay(stop, listener)
    ours.begin()
    yield ours
    listener.close()
    stop.close()


def work(give_way: GiveWay, clock: Clock, *payloads: float) -> None:
    """Handle payloads, each of which takes so many seconds."""
    for seconds in payloads:
        give_way()
        clock.now += seconds
    give_way()


def test_where_nobody_captures_it_never_pauses(give_way: GiveWay, clock: Clock) -> None:
    work(give_way, clock, *[0.01] * 100)
    assert clock.pauses == []


def test_it_pauses_in_proportion_to_its_work(give_way: GiveWay, clock: Clock) -> None:
    wake()
    work(give_way, clock, 0.004, 0.002, 0.005)
    assert clock.pauses == [pytest.approx(PAUSE * worked) for worked in (0.004, 0.002, 0.005)]


def test_a_long_handler_costs_no_long_pause(give_way: GiveWay, clock: Clock) -> None:
    wake()
    work(give_way, clock, 0.9)
    assert clock.pauses == [LONGEST_PAUSE]


def test_short_work_is_put_together(give_way: GiveWay, clock: Clock) -> None:
    wake()
    work(give_way, clock, *[WORK / 4] * 8)
    assert len(clock.pauses) == 2
    assert sum(clock.pauses) == pytest.approx(2 * PAUSE * WORK)


def test_the_first_payload_of_a_claim_need_not_wait(give_way: GiveWay, clock: Clock) -> None:
    clock.now += 60
    wake()
    give_way.begin()
    give_way()
    assert clock.pauses == []


def test_it_stops_pausing_when_captures_stop(give_way: GiveWay, clock: Clock) -> None:
    wake()
    work(give_way, clock, EXPECTED / 2)
    assert len(clock.pauses) == 1
    work(give_way, clock, EXPECTED, EXPECTED)
    assert len(clock.pauses) == 1
    wake()
    work(give_way, clock, EXPECTED / 2)
    assert len(clock.pauses) > 1
