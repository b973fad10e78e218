"""The loop of both workers."""

import os
import signal
import threading
from contextlib import suppress

import pytest

from notifications.workers.loop import Stop, run, stop_on_signals, turn

FAR = 3600.0


class Scripted:
    """A worker that gives these delays, one for each turn; an exception is raised."""

    def __init__(self, *script: float | BaseException | None) -> None:
        self.script: list[float | BaseException | None] = list(script)
        self.turns = 0
        self.closed = 0
        self.reader, self.writer = os.pipe()

    def poll(self) -> float | None:
        self.turns += 1
        step = self.script.pop(0)
        if isinstance(step, BaseException):
            raise step
        return step

    def fileno(self) -> int | None:
        return self.reader

    def close(self) -> None:
        self.closed += 1
        with suppress(OSError):
            os.close(self.reader)
            os.close(self.writer)


def test_turns_until_nothing_is_left(stop: Stop) -> None:
    worker = Scripted(0.0, 0.0, 0.001, None)
    turn(worker, stop)
    assert (worker.turns, worker.closed) == (4, 1)


def test_turns_at_least_each_second_whatever_poll_says(stop: Stop, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(Stop, "wait", lambda _, seconds, *others: waits.append(seconds))
    monkeypatch.setattr("time.monotonic", lambda: 41.0)
    turn(Scripted(FAR, 0.5, None), stop)
    assert waits == [1.0, 0.5]


def test_loops_that_have_nothing_to_do_turn_at_the_same_time(stop: Stop, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(Stop, "wait", lambda _, seconds, *others: waits.append(seconds))
    monkeypatch.setattr("time.monotonic", lambda: 41.25)
    turn(Scripted(FAR, 1.0, 0.5, None), stop)
    assert waits == [0.75, 0.75, 0.5]


def test_does_not_turn_once_it_is_told_to_stop(stop: Stop) -> None:
    worker = Scripted()
    stop.set()
    stop.set()
    turn(worker, stop)
    assert (worker.turns, worker.closed) == (0, 1)


def test_waiting_ends_when_its_descriptor_becomes_readable(stop: Stop) -> None:
    worker = Scripted()
    os.write(worker.writer, b"x")
    stop.wait(FAR, worker.reader)  # else the test hangs
    worker.close()


def test_waiting_ends_when_it_is_told_to_stop(stop: Stop) -> None:
    thread = threading.Thread(target=stop.wait, args=[FAR])
    thread.start()
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    stop.wait(FAR)
    assert stop.is_set()


def test_closes_what_raised(stop: Stop) -> None:
    worker = Scripted(0.0, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        turn(worker, stop)
    assert worker.closed == 1


def test_one_that_fails_ends_the_others() -> None:
    good, bad = Scripted(*[0.001] * 100_000), Scripted(0.0, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        run([lambda _: good, lambda _: bad])
    assert (good.closed, bad.closed) == (1, 1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_after_what_is_in_hand(number: signal.Signals) -> None:
    class Signalled(Scripted):
        def poll(self) -> float | None:
            os.kill(os.getpid(), number)
            return super().poll()

    workers = [Signalled(*[0.001] * 100_000), Scripted(*[0.001] * 100_000)]
    given = iter(workers)
    run([lambda _: next(given)] * 2)
    assert [worker.closed for worker in workers] == [1, 1]


def test_signal_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with stop_on_signals():
        assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] != before
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_all_are_made_before_one_turns() -> None:
    made: list[int] = []
    seen: list[int] = []

    class Looking(Scripted):
        def poll(self) -> float | None:
            seen.append(len(made))
            return super().poll()

    def make(_: Stop) -> Looking:
        made.append(1)
        return Looking(None)

    run([make, make, make])
    assert seen == [3, 3, 3]
