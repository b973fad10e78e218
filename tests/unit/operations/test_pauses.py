"""Pauses between the steps of long work."""

from collections.abc import Iterator

import pytest

from notifications.operations import pauses


class Clock:
    """Time that passes only during work and waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def work(self, *seconds: float) -> Iterator[float]:
        for each in seconds:
            self.now += each
            yield each

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.waits.append(round(seconds, 6))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("notifications.operations.pauses.time.monotonic", lambda: clock.now)
    return clock


@pytest.mark.parametrize(
    ("took", "pause"), [(0.1, 0.1), (0.001, pauses.SHORTEST), (30.0, pauses.LONGEST)], ids=["as long", "least", "most"]
)
def test_a_pause_is_as_long_as_the_step(clock: Clock, took: float, pause: float) -> None:
    assert list(pauses.unhurried(clock.work(took, took), clock.wait)) == [took, took]
    assert clock.waits == [pause, pause]


def test_steps_are_a_period_apart(clock: Clock) -> None:
    list(pauses.unhurried(clock.work(0.03, 0.08, 0.2), clock.wait, period=0.1))
    assert clock.waits == [0.07, 0.08, 0.2]


def test_what_the_reader_does_with_a_step_is_no_part_of_it(clock: Clock) -> None:
    for _ in pauses.unhurried(clock.work(0.1), clock.wait):
        clock.now += 5
    assert clock.waits == [0.1]
