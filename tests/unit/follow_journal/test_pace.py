from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.follow_journal.pace import Pace
from tests.support.tell import Clock

SECONDS: Final = 60


def test_a_few_at_once_then_one_in_each_interval(clock: Clock) -> None:
    pace = Pace(1.0, burst=3)
    for _ in range(3):
        assert pace.wait() == 0
        pace.take()
    assert pace.wait() == 1.0
    clock.now += 1
    assert pace.wait() == 0
    pace.take()
    assert pace.wait() == 1.0
    clock.now += 10
    assert pace.wait() == 0


def test_without_an_interval_never_waits(clock: Clock) -> None:
    pace = Pace(0)
    for _ in range(100):
        pace.take()
    assert pace.wait() == 0


def test_is_held_as_long_as_the_destination_asked(clock: Clock) -> None:
    pace = Pace(1.0, burst=3)
    pace.hold(300)
    pace.hold(10)
    assert pace.wait() == 300
    clock.now += 299
    assert pace.wait() == pytest.approx(1)
    clock.now += 1
    assert pace.wait() == 0


@given(st.floats(0.1, 5), st.integers(1, 5), st.lists(st.floats(0, 10), min_size=1, max_size=50))
def test_never_more_than_the_pace(clock: Clock, interval: float, burst: int, pauses: list[float]) -> None:
    pace, taken = Pace(interval, burst), []
    for pause in pauses:
        clock.now += pause
        clock.now += pace.wait()
        taken.append(clock.now)
        pace.take()
    for n, first in enumerate(taken):
        within = sum(first <= moment <= first + SECONDS for moment in taken[n:])
        assert within <= burst + SECONDS / interval + 1
