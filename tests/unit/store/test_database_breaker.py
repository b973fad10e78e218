"""Who may try a database that failed, and when."""

import os
from pathlib import Path

import pytest

from notifications.store import database_breaker as module
from notifications.store.database_breaker import Breaker, is_open_here
from tests.support.tell import Clock
from tests.support.threads import in_threads

pytestmark = pytest.mark.usefixtures("state_dir")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("notifications.store.database_breaker.time.monotonic", clock.monotonic)
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


def test_of_many_threads_one_tries(clock: Clock) -> None:
    breaker = Breaker()
    breaker.open()
    clock.now += module.PAUSE
    assert sorted(in_threads(8, lambda _: breaker.allows())) == [False] * 7 + [True]


def test_where_it_works_for_others_one_tries_before_the_pause_is_over(clock: Clock, state_dir: Path) -> None:
    breaker = Breaker()
    breaker.open()
    assert (breaker.allows(), breaker.may_answer()) == (False, False)
    module.database_works()
    assert breaker.may_answer()
    assert [breaker.allows() for _ in range(3)] == [True, False, False]
    assert breaker.may_answer(), "while it is tried"
    breaker.open()
    assert (breaker.allows(), breaker.may_answer()) == (False, False)
    another = Breaker()
    another.open()
    another.close()
    assert breaker.allows()
    breaker.close()
    assert breaker.may_answer()


def test_where_no_mark_can_be_made_the_pause_alone_counts(clock: Clock, state_dir: Path) -> None:
    state_dir.rmdir()
    breaker = Breaker()
    breaker.open()
    assert (breaker.allows(), breaker.may_answer()) == (False, False)
    clock.now += module.PAUSE
    assert breaker.allows()


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
