import gc
import logging
import signal
import subprocess
import sys
import textwrap
import threading
import weakref
from collections.abc import Iterator
from queue import SimpleQueue
from types import FrameType, SimpleNamespace
from typing import Any

import pytest

from notifications.utils import bounded_queue
from notifications.utils.bounded_queue import BoundedQueue, TryAgain
from tests.support.threads import in_threads
from tests.support.wait import wait_for

DEADLINE = 20.0


class Sink:
    """Keeps what it gets, and can be held."""

    def __init__(self) -> None:
        self.got: list[Any] = []
        self.entered = threading.Event()
        self.free = threading.Event()
        self.free.set()

    def __call__(self, item: Any) -> None:
        self.entered.set()
        assert self.free.wait(DEADLINE)
        self.got.append(item)


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    yield sink
    sink.free.set()


def held(sink: Sink, **options: Any) -> BoundedQueue[Any]:
    """A queue whose sink holds its first item, 0, of weight 1."""
    sink.free.clear()
    queue: BoundedQueue[Any] = BoundedQueue(sink, name="test", **options)
    queue.put(0)
    assert sink.entered.wait(DEADLINE)
    return queue


def refuse(*_: object) -> None:
    """In place of _thread.start_new_thread."""
    raise RuntimeError("can't start new thread")


def run(script: str, *, drain_seconds: float = 20) -> str:
    """What the script prints. It must exit with 0."""
    head = "import os, sys, threading, time, logging\nfrom notifications.utils import process_exit\n"
    head += f"from notifications.utils.bounded_queue import *\nprocess_exit.DRAIN_SECONDS = {drain_seconds}\n"
    source = head + textwrap.dedent(script)
    # From Python 3.12 on a fork beside threads is one; they are tested all the same.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", source]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE * 2, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_hands_over_in_order(sink: Sink) -> None:
    queue = BoundedQueue(sink, maxsize=1000, name="test")
    assert all(queue.put(number) for number in range(1000))
    assert queue.flush(DEADLINE)
    assert sink.got == list(range(1000))
    assert (len(queue), queue.dropped, queue.failed) == (0, 0, 0)


def test_no_thread_before_the_first_item(sink: Sink) -> None:
    queue = BoundedQueue(sink, maxsize=1, name="lazy")
    assert queue.flush(0)
    assert not queue.has_thread


def test_the_bound_is_strict_and_includes_the_item_in_the_sink(sink: Sink) -> None:
    queue = held(sink, maxsize=10, weigh=lambda item: item or 1)
    assert queue.put(9)
    assert not queue.put(1)
    assert (len(queue), queue.dropped) == (2, 1)
    sink.free.set()
    assert queue.flush(DEADLINE)
    assert queue.put(10)
    assert queue.flush(DEADLINE)
    assert not queue.put(11)
    assert sink.got == [0, 9, 10]


def test_eight_threads_lose_count_of_nothing() -> None:
    handled = 0

    def count(_: int) -> None:
        nonlocal handled
        handled += 1

    queue = BoundedQueue(count, maxsize=20, name="test")
    taken = in_threads(8, lambda _: sum(queue.put(number) for number in range(5000)))
    assert queue.flush(DEADLINE)
    assert sum(taken) + queue.dropped == 8 * 5000
    assert handled == sum(taken)


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(1), KeyboardInterrupt()])
def test_an_exception_costs_one_item(error: BaseException, caplog: pytest.LogCaptureFixture) -> None:
    got = []

    def sink(item: int) -> None:
        if item in (1, 2):
            raise error
        got.append(item)

    queue = BoundedQueue(sink, maxsize=10, name="test")
    with caplog.at_level(logging.ERROR, "notifications.queue"):
        for item in range(4):
            queue.put(item)
        assert queue.flush(DEADLINE)
    assert got == [0, 3]
    assert queue.failed == 2
    assert [record.exc_info is not None for record in caplog.records] == [True]  # one traceback a minute


def test_the_next_traceback_counts_the_untold(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sink(_: int) -> None:
        raise ValueError("bad")

    now = [1000.0]
    monkeypatch.setattr(bounded_queue, "time", SimpleNamespace(monotonic=lambda: now[0]))
    queue = BoundedQueue(sink, maxsize=10, name="test")
    for item in range(3):
        queue.put(item)
    assert queue.flush(DEADLINE)
    now[0] += bounded_queue.SECONDS_BETWEEN_TRACEBACKS
    queue.put(3)
    assert queue.flush(DEADLINE)
    assert "2 more since" in caplog.messages[-1]


def test_try_again_keeps_item_and_order() -> None:
    got: list[int] = []
    tries = 0

    def sink(item: int) -> None:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise TryAgain(0.001)
        got.append(item)

    queue = BoundedQueue(sink, maxsize=10, name="test")
    for item in range(3):
        queue.put(item)
    assert queue.flush(DEADLINE)
    assert got == [0, 1, 2]
    assert tries == 6
    assert queue.failed == 0


def test_an_item_to_be_tried_again_keeps_its_weight() -> None:
    tried = threading.Event()

    def sink(_: int) -> None:
        tried.set()
        raise TryAgain(3600)

    queue = BoundedQueue(sink, maxsize=1, name="test")
    queue.put(0)
    assert tried.wait(DEADLINE)
    assert not queue.put(1)
    assert len(queue) == 1
    assert not queue.flush(0.01)
    assert not queue.close(0)


def test_close_interrupts_a_delay_and_tries_at_once() -> None:
    tried = threading.Event()

    def sink(_: int) -> None:
        if not tried.is_set():
            tried.set()
            raise TryAgain(3600)

    queue = BoundedQueue(sink, maxsize=1, name="test")
    queue.put(0)
    assert tried.wait(DEADLINE)
    assert queue.close(DEADLINE)
    assert (len(queue), queue.dropped, queue.failed) == (0, 0, 0)


def test_close_drains_then_refuses(sink: Sink) -> None:
    queue = BoundedQueue(sink, maxsize=100, name="closing")
    for item in range(100):
        queue.put(item)
    assert queue.close(DEADLINE)
    assert len(sink.got) == 100
    assert not queue.put(100)
    assert queue.dropped == 1
    assert queue.close(0)
    assert queue.flush(0)
    assert not queue.has_thread


def test_close_gives_up_a_blocked_sink_and_counts_the_rest(sink: Sink) -> None:
    queue = held(sink, maxsize=10)
    for item in range(1, 5):
        queue.put(item)
    assert not queue.close(0.01)
    assert len(queue) == 1  # the one in the sink
    sink.free.set()
    wait_for(lambda: len(queue) == 0)
    assert sink.got == [0]
    assert queue.dropped == 4


def test_give_up_drops_what_waits_and_names_it(sink: Sink) -> None:
    dropped: list[int] = []
    queue = held(sink, maxsize=10, given_up=dropped.extend)
    for item in range(1, 5):
        queue.put(item)
    assert not queue.give_up(0.01)  # the sink does not let go
    sink.free.set()
    wait_for(lambda: len(queue) == 0)
    assert dropped == [1, 2, 3, 4]
    assert queue.dropped == 4
    assert queue.put(5)
    assert queue.flush(DEADLINE)
    assert sink.got == [0, 5]


def test_give_up_drops_what_is_to_be_tried_again() -> None:
    """Whoever gave up knows: what was named was not handed on, whatever was not named was."""
    tried, got, dropped = threading.Event(), list[int](), list[int]()

    def sink(item: int) -> None:
        tried.set()
        if item < 1000:
            raise TryAgain(0.001)
        got.append(item)

    def given_up(items: list[int]) -> None:
        dropped.extend(items)
        queue.put(1000 + len(dropped))

    queue = BoundedQueue(sink, maxsize=1000, name="test", given_up=given_up)
    for item in range(500):
        queue.put(item)
    assert tried.wait(DEADLINE)
    assert queue.give_up(DEADLINE)
    assert queue.flush(DEADLINE)
    assert sorted(item for item in dropped if item < 1000) == list(range(500))
    assert got[-1] == 1000 + len(dropped)  # what was put last was put late enough
    assert queue.dropped == len(dropped)


def test_give_up_leaves_marks_of_others_in_their_order(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    entries: SimpleQueue[Any] = SimpleQueue()
    monkeypatch.setattr(bounded_queue, "SimpleQueue", lambda: entries)
    queue, flushed = held(sink, maxsize=10), list[bool]()
    queue.put(1)
    flushing = threading.Thread(target=lambda: flushed.append(queue.flush(DEADLINE)))
    flushing.start()
    wait_for(lambda: entries.qsize() == 2)
    assert not queue.give_up(0.01)
    assert not flushed  # the sink still holds an item that was put before
    sink.free.set()
    flushing.join(DEADLINE)
    assert flushed == [True]
    assert sink.got == [0]


def test_give_up_without_a_thread(monkeypatch: pytest.MonkeyPatch, sink: Sink) -> None:
    dropped: list[int] = []
    queue = BoundedQueue(sink, maxsize=10, name="test", given_up=dropped.extend)
    with monkeypatch.context() as patch:
        patch.setattr("_thread.start_new_thread", refuse)
        queue.put(0)
        assert queue.give_up(DEADLINE)
    assert dropped == [0]
    queue.put(1)
    assert queue.flush(DEADLINE)
    assert sink.got == [1]


def test_give_up_where_nothing_waits(sink: Sink) -> None:
    queue = BoundedQueue(sink, maxsize=10, name="test")
    assert queue.give_up(0)
    assert queue.put(1)
    assert queue.flush(DEADLINE)
    assert queue.close(DEADLINE)
    assert queue.give_up(0)
    assert sink.got == [1]


def test_put_in_a_signal_handler_and_in_del(sink: Sink) -> None:
    queue = BoundedQueue(sink, maxsize=10**6, name="test")
    extra = collected = 0

    class PutsWhenCollected:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            nonlocal extra, collected
            extra += queue.put("del")
            collected += 1

    def handler(_number: int, _frame: FrameType | None) -> None:
        nonlocal extra
        extra += queue.put("signal")

    before, threshold = signal.signal(signal.SIGALRM, handler), gc.get_threshold()
    gc.set_threshold(20)
    signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
    taken = 0
    try:
        for number in range(20_000):
            PutsWhenCollected()
            taken += queue.put(number)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.set_threshold(*threshold)
    wait_for(lambda: gc.collect() >= 0 and collected == 20_000)  # the queue's thread may be at it
    assert queue.flush(DEADLINE)
    assert "signal" in sink.got
    assert "del" in sink.got
    assert [item for item in sink.got if isinstance(item, int)] == list(range(20_000))
    assert len(sink.got) >= 40_000
    assert (len(queue), queue.dropped) == (0, 0)


def test_put_survives_that_no_thread_can_start(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = BoundedQueue(sink, maxsize=2, name="test")
    with monkeypatch.context() as patch:
        patch.setattr("_thread.start_new_thread", refuse)
        assert queue.put(0)
        assert not queue.flush(0)
    assert queue.put(1)
    assert queue.flush(DEADLINE)
    assert sink.got == [0, 1]


def test_a_thread_that_died_is_replaced(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    died = threading.Event()
    monkeypatch.setattr(sys, "unraisablehook", lambda _: died.set())
    monkeypatch.setattr(bounded_queue, "SimpleQueue", Broken)
    queue = BoundedQueue(sink, maxsize=10, name="test")
    assert queue.put(0)
    assert died.wait(DEADLINE)
    assert queue.flush(DEADLINE)
    assert sink.got == [0]


class Broken(SimpleQueue[Any]):
    """Its first get() fails."""

    broken = True

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if self.broken:
            self.broken = False
            raise MemoryError
        return super().get(block, timeout)


def test_idle_is_called_when_empty_and_after_the_time_it_asks_for(sink: Sink) -> None:
    calls: list[bool] = []

    def idle(hurry: bool) -> float | None:
        calls.append(hurry)
        return 0.001 if len(calls) < 5 else None

    queue = BoundedQueue(sink, maxsize=10, name="test", idle=idle)
    queue.put(0)
    wait_for(lambda: len(calls) == 5)
    assert calls == [False] * 5
    assert queue.flush(DEADLINE)
    assert calls[5] is True
    assert queue.close(DEADLINE)
    assert calls[-1] is True


def test_an_exception_in_idle_is_survived(sink: Sink) -> None:
    def idle(hurry: bool) -> float | None:
        raise ValueError(hurry)

    queue = BoundedQueue(sink, maxsize=10, name="test", idle=idle)
    queue.put(0)
    assert queue.flush(DEADLINE)
    queue.put(1)
    assert queue.flush(DEADLINE)
    assert sink.got == [0, 1]
    assert queue.failed
    assert queue.close(DEADLINE)  # and not at the end of the process, where nobody listens


def test_a_forked_child_starts_empty_and_the_parent_delivers() -> None:
    printed = run("""
        free = threading.Event()
        lines = []
        def sink(item):
            if item == "held":
                free.wait()
            os.write(1, f"{os.getpid() == parent} {item}\\n".encode())
        parent = os.getpid()
        queue = BoundedQueue(sink, maxsize=2, name="fork")
        queue.put("held"); queue.put("waiting"); queue.put("too much")
        child = os.fork()
        if not child:
            assert (len(queue), queue.dropped) == (0, 0)
            assert queue.put("child") and queue.flush(10)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        free.set()
        assert queue.flush(10) and queue.dropped == 1
    """)
    assert printed.splitlines() == ["False child", "True held", "True waiting"]


def test_a_fork_while_other_threads_put() -> None:
    printed = run("""
        queue = BoundedQueue(lambda item: None, maxsize=100, name="fork")
        stop = threading.Event()
        def put_on():
            while not stop.is_set():
                queue.put(0)
        threads = [threading.Thread(target=put_on) for _ in range(3)]
        for thread in threads: thread.start()
        for _ in range(30):
            child = os.fork()
            if not child:
                os._exit(0 if queue.put(1) and queue.flush(10) else 1)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        stop.set()
        for thread in threads: thread.join()
        print("fine")
    """)
    assert printed == "fine\n"


EXIT = {
    "the interpreter": "fill()",
    "a forked process of multiprocessing": """
        import multiprocessing
        child = multiprocessing.get_context("fork").Process(target=fill)
        child.start(); child.join()
    """,
}


@pytest.mark.parametrize("how", EXIT)
def test_exit_drains(how: str) -> None:
    script = """
        def sink(item):
            time.sleep(0.001)
            os.write(1, b"x")
        queue = BoundedQueue(sink, maxsize=100, name="exit")
        def fill():
            for number in range(100): queue.put(number)
    """
    assert run(textwrap.dedent(script) + textwrap.dedent(EXIT[how])) == "x" * 100


def test_exit_drains_what_other_threads_put_while_they_end() -> None:
    printed = run("""
        queue = BoundedQueue(lambda item: os.write(1, item), maxsize=100, name="exit")
        def late():
            threading.main_thread().join()
            queue.put(b"late")
        threading.Thread(target=late).start()
    """)
    assert printed == "late"


def test_exit_tries_again_without_the_delay() -> None:
    printed = run("""
        tried = threading.Event()
        def sink(item):
            if not tried.is_set():
                tried.set()
                raise TryAgain(3600)
            os.write(1, item)
        queue = BoundedQueue(sink, maxsize=100, name="exit")
        queue.put(b"kept")
        tried.wait()
    """)
    assert printed == "kept"


def test_exit_gives_up_a_blocked_sink() -> None:
    printed = run(
        """
        queue = BoundedQueue(lambda _: threading.Event().wait(), maxsize=100, name="stuck")
        for number in range(3): queue.put(number)
    """,
        drain_seconds=0.1,
    )
    assert "queue stuck: 3 items are lost" in printed


def test_the_shortest_delay_is_kept_at_exit() -> None:
    """A sink that asks for a millisecond gets no 20: the time between two tries is that of the sink."""
    printed = run("""
        asked, slept = [], []
        def sink(item):
            if not item: return
            if len(asked) < 9:
                asked.append(0.003)
                raise TryAgain(0.003)
        queue = BoundedQueue(sink, maxsize=100, name="exit")
        queue.put(0); queue.flush(20)
        sleep = time.sleep
        time.sleep = lambda seconds: (slept.append(seconds), sleep(seconds))
        queue.begin_exit()
        queue.put(1)
        assert queue.flush(20)
        print(max(slept))
    """)
    assert printed == "0.003\n"


GIVES_UP = """
    def sink(item):
        if item != "word":
            raise TryAgain(0.001)
        os.write(1, b"word ")
    def given_up(items):
        for item in items: os.write(1, item.encode() + b" ")
    queue = BoundedQueue(sink, maxsize=100, name="full", given_up=given_up)
    process_exit.before_exit(lambda: queue.put("word") and queue.flush(20))
    for number in range(3): queue.put(str(number))
"""


def test_exit_gives_up_then_says_the_last_words() -> None:
    """Once for each of its two turns. Whoever is told what was given up says it himself."""
    printed = run(GIVES_UP, drain_seconds=0.1).split()
    assert sorted(printed[:3]) == ["0", "1", "2"]
    assert printed[3:] == ["word", "word"]


def test_exit_of_one_queue_does_not_cost_another() -> None:
    stuck = """
    stuck = BoundedQueue(lambda _: threading.Event().wait(), maxsize=9, name="stuck")
    stuck.put(0)
    """
    printed = run(textwrap.dedent(stuck) + textwrap.dedent(GIVES_UP), drain_seconds=0.1)
    assert "word word " in printed
    assert "queue stuck: 1 items are lost, the process exits" in printed


def test_the_second_turn_drains_again_where_the_first_gave_up() -> None:
    """What a thread puts as it ends, into a sink that has come to life."""
    printed = run(
        """
        alive, gave_up = threading.Event(), threading.Event()
        def sink(item):
            if not alive.is_set():
                raise TryAgain(0.001)
            os.write(1, item)
        queue = BoundedQueue(
            sink, maxsize=100, name="full", given_up=lambda items: gave_up.set()
        )
        def late():
            gave_up.wait()
            alive.set()
            for number in range(5): queue.put(b"late ")
        threading.Thread(target=late).start()
        queue.put(b"early ")
    """,
        drain_seconds=0.1,
    )
    assert printed == "late " * 5


def test_a_put_at_exit_finds_a_thread() -> None:
    """Late in the exit Python starts none. Python 3.12.0 to 3.12.2 start none at all, and fail here."""
    printed = run("""
        import _thread, atexit
        tries = []
        def sink(item):
            if not tries:
                tries.append(item)
                raise TryAgain(0.001)
            os.write(1, item)
        queue = BoundedQueue(sink, maxsize=100, name="exit")
        def late():
            def refuse(*_): raise RuntimeError("can't create new thread at interpreter shutdown")
            _thread.start_new_thread = refuse
            queue.put(b"late")
        atexit.register(late)
    """)
    assert printed == "late"


def test_put_at_exit_does_not_raise() -> None:
    printed = run("""
        import atexit
        bounded = BoundedQueue(print, maxsize=1, name="exit")
        class Late:
            def __del__(self):
                os.write(1, f"{bounded.put(0)} {bounded.dropped}".encode())
        sys.modules["late"] = Late()
    """)
    assert printed == "False 1"


def test_queues_are_forgotten_with_their_last_reference(sink: Sink) -> None:
    queue = BoundedQueue(sink, maxsize=1, name="short-lived")
    reference = weakref.ref(queue)
    del queue
    gc.collect()
    assert reference() is None
