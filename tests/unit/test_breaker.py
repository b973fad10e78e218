"""Who may try a database that failed, and when."""

import os
import threading
from pathlib import Path

import pytest

from notifications.raw import breaker as module
from notifications.raw.breaker import Breaker, is_open_here

pytestmark = pytest.mark.usefixtures("state_dir")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("notifications.raw.breaker.time.monotonic", clock.monotonic)
    return clock


def test_closed_it_stands_in_nobodys_way() -> None:
    breaker = Breaker()
    assert all(breaker.allows() for _ in range(5))
    assert not breaker.is_open()


def test_after_the_pause_one_tries_and_the_others_do_not_wait_for_it(clock: Clock) -> None:
    breaker = Breaker()
    breaker.open()
    assert not breaker.allows()
    clock.now += module.PAUSE
    assert [breaker.allows() for _ in range(5)] == [True, False, False, False, False]
    assert breaker.is_open()
    breaker.close()
    assert all(breaker.allows() for _ in range(5))


def test_one_that_tried_in_vain_begins_a_new_pause(clock: Clock) -> None:
    breaker = Breaker()
    breaker.open()
    clock.now += module.PAUSE
    assert breaker.allows()
    breaker.open()
    assert not breaker.allows()
    clock.now += module.PAUSE
    assert breaker.allows()


def test_one_that_tries_and_says_nothing_is_not_waited_for(clock: Clock) -> None:
    breaker = Breaker()
    breaker.open()
    clock.now += module.PAUSE
    assert breaker.allows()
    clock.now += module.TRY
    assert breaker.allows()


@pytest.mark.parametrize(("took", "pause"), [(0.0, 1.0), (0.01, 1.0), (2.0, 20.0), (100.0, 30.0)])
def test_the_longer_a_failure_took_the_longer_the_pause(clock: Clock, took: float, pause: float) -> None:
    breaker = Breaker()
    breaker.open(took)
    clock.now += pause - 0.001
    assert not breaker.allows()
    clock.now += 0.001
    assert breaker.allows()


def test_of_many_threads_one_tries() -> None:
    breaker = Breaker()
    breaker._closed = False  # the pause is over
    allowed: list[bool] = []
    start = threading.Barrier(8, timeout=30)

    def ask() -> None:
        start.wait()
        allowed.append(breaker.allows())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(allowed) == [False] * 7 + [True]


def test_other_processes_of_the_machine_see_it(state_dir: Path) -> None:
    another = Breaker()
    assert not is_open_here()
    another.open()
    assert is_open_here()
    another.close()
    assert not is_open_here()


def test_what_was_seen_long_ago_is_no_news(state_dir: Path) -> None:
    Breaker().open()  # and its process ends
    (mark,) = state_dir.glob("database-away")
    os.utime(mark, (0, 0))
    assert not is_open_here()


def test_a_state_directory_that_is_gone_is_no_reason_to_fail(state_dir: Path) -> None:
    state_dir.rmdir()
    breaker = Breaker()
    breaker.open()
    breaker.close()
    assert not is_open_here()
