"""A bounded queue and its one thread: work that a request must neither wait for nor fail from."""

import _thread
import atexit
import itertools
import logging
import math
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Final, Generic, TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")

logger = logging.getLogger("notifications.queue")

SECONDS_BETWEEN_TRACEBACKS: Final = 60.0
#: Seconds between two tries of an item while the process exits.
HURRIED_DELAY: Final = 0.02
LONGEST_DELAY: Final = 3600.0


class TryAgain(Exception):
    """Raised by a sink that cannot take the item now: it keeps its place and is tried again."""

    def __init__(self, delay_seconds: float) -> None:
        super().__init__(f"try again in {delay_seconds} s")
        self.delay_seconds = delay_seconds


class BoundedQueue(Generic[T]):
    """Hands items to `sink`, one at a time and in order, from one daemon thread.

    The summed `weigh` of the items that wait, and of the one in the sink, never exceeds `maxsize`. An
    exception of the sink costs its item; TryAgain keeps it. `idle(hurry)` is called in the thread when
    nothing waits. It returns the seconds after which to call it again, or None: not before the next item.
    With `hurry` (flush, close, exit) it should hand on what the sink holds back.

    A forked child starts with an empty, open queue and counters at 0: what waited is the parent's. At exit
    what waits gets `drain_seconds`; the rest is lost, and logged.
    """

    def __init__(
        self,
        sink: Callable[[T], None],
        *,
        maxsize: int,
        weigh: Callable[[T], int] = lambda _: 1,
        name: str,
        drain_seconds: float = 2.0,
        idle: Callable[[bool], float | None] = lambda _: None,
    ) -> None:
        self.name = name
        self.drain_seconds = drain_seconds
        self._sink, self._weigh, self._idle = sink, weigh, idle
        self._maxsize = maxsize
        self._start_afresh()
        _queues[next(_numbers)] = self

    def _start_afresh(self) -> None:
        # An RLock and a SimpleQueue, because a signal handler or __del__ may put() in the middle of a put().
        self._lock = threading.RLock()
        self._entries: SimpleQueue[tuple[T, int] | threading.Event | None] = SimpleQueue()
        self._running = threading.Lock()  # held while there is a thread: acquire() tests and sets in one step
        self._ended = threading.Event()
        self._hurry = threading.Event()
        self._closed = False
        self._give_up_at = math.inf
        self._weight = self._length = self._dropped = self._failed = self._untold = 0
        self._next_traceback = -math.inf
        self._exit_told = False

    @property
    def dropped(self) -> int:
        """Items that were refused, or given up at the deadline of close()."""
        return self._dropped

    @property
    def failed(self) -> int:
        """Items that the sink raised for, and calls of `idle` that raised."""
        return self._failed

    def __len__(self) -> int:
        """Items that are not done: those that wait and the one in the sink."""
        return self._length

    def put(self, item: T) -> bool:
        """Take the item, or drop it: False when it is too heavy for what is free, or the queue is closed.

        Never waits and never raises; safe in signal handlers and in __del__.
        """
        try:
            weight = self._weigh(item)
        except Exception:  # noqa: BLE001 - an item that cannot be weighed is dropped, and counted as that
            weight = self._maxsize + 1
        with self._lock:
            if self._closed or self._weight + weight > self._maxsize:
                self._dropped += 1
                return False
            self._weight += weight
            self._length += 1
            self._entries.put((item, weight))
            if not self._running.locked():
                self._start_thread()
        return True

    def flush(self, timeout: float) -> bool:
        """Wait at most `timeout` seconds until everything put before is done. Whether it is so."""
        done = threading.Event()
        with self._lock:
            if not self._running.locked() and not (self._length and self._start_thread()):
                return not self._length
            self._entries.put(done)
        return done.wait(max(timeout, 0)) or not self._length

    def close(self, timeout: float) -> bool:
        """Take nothing more, hand over what waits, end the thread. Whether all was done in `timeout` seconds.

        After that the thread drops what is left, as soon as the sink lets it.
        """
        timeout = max(timeout, 0)
        with self._lock:
            if not self._closed:
                self._closed = True
                self._give_up_at = time.monotonic() + timeout
                self._entries.put(None)
                if self._length:
                    self._start_thread()
        self._hurry.set()
        if self._running.locked():
            self._ended.wait(timeout)
        return not self._length

    def _start_thread(self) -> bool:
        if not self._running.acquire(blocking=False):
            return True
        try:
            # Not Thread.start(): it waits for the new thread, which may wait for our lock, in a __del__ that puts.
            _thread.start_new_thread(self._run, (self._running,))
        except (RuntimeError, MemoryError):  # no more threads, or the interpreter exits: put() tries again
            self._running.release()
        return self._running.locked()

    def _run(self, running: threading.Lock) -> None:
        try:
            self._work()
        finally:
            with self._lock:
                running.release()
                if self._closed:
                    self._ended.set()
                elif self._length:
                    self._start_thread()

    def _work(self) -> None:
        wait: float | None = None
        while True:
            try:
                entry = self._entries.get(timeout=wait)
            except Empty:
                pass
            else:
                if entry is None:
                    self._call_idle(hurry=True)
                    return
                if isinstance(entry, threading.Event):
                    self._call_idle(hurry=True)
                    entry.set()
                else:
                    self._deliver(*entry)
            wait = self._call_idle(hurry=False) if self._entries.empty() else None

    def _deliver(self, item: T, weight: int) -> None:
        given_up = False
        try:
            while not given_up and not self._accepted(item):
                given_up = time.monotonic() >= self._give_up_at
        except BaseException as error:  # noqa: BLE001 - not even sys.exit() in a sink may end the thread
            self._failed += 1
            self._tell(error)
        finally:
            with self._lock:
                self._dropped += given_up
                self._weight -= weight
                self._length -= 1

    def _accepted(self, item: T) -> bool:
        if time.monotonic() >= self._give_up_at:
            return False
        try:
            self._sink(item)
        except TryAgain as later:
            if self._hurry.wait(_sane(later.delay_seconds)):
                time.sleep(HURRIED_DELAY)
            return False
        return True

    def _call_idle(self, *, hurry: bool) -> float | None:
        try:
            wait = self._idle(hurry)
            return None if wait is None else _sane(wait)
        except BaseException as error:  # noqa: BLE001 - as in _deliver()
            self._failed += 1
            self._tell(error)
            return None

    def _tell(self, error: BaseException) -> None:
        now = time.monotonic()
        if now < self._next_traceback:
            self._untold += 1
            return
        self._next_traceback = now + SECONDS_BETWEEN_TRACEBACKS
        message = "queue %s: an item failed, and %d more since the last traceback"
        logger.error(message, self.name, self._untold, exc_info=error)
        self._untold = 0

    @property
    def _seconds_at_exit(self) -> float:
        return 0.0 if self._exit_told else self.drain_seconds

    def _drain_at_exit(self, deadline: float, *, last: bool) -> None:
        done = self.flush(deadline - time.monotonic())
        if last:
            self.close(deadline - time.monotonic())
        if not done and not self._exit_told:
            self._exit_told = True
            logger.warning("queue %s: %d items are lost, the process exits", self.name, self._length)


def _sane(seconds: float) -> float:
    return min(max(0.001, seconds), LONGEST_DELAY)  # in this order NaN becomes 0.001


#: In the order of creation: what an older queue hands on at exit may end up in a younger one.
_queues: "WeakValueDictionary[int, BoundedQueue[Any]]" = WeakValueDictionary()
_numbers = itertools.count()
_last_words: list[Callable[[], None]] = []


def before_exit(function: Callable[[], None]) -> None:
    """Have it called at each turn of the exit, after what waited was handed on. It must not raise, and may put()."""
    _last_words.append(function)


def _drain_all(*, last: bool) -> None:
    now = time.monotonic()
    queues = list(_queues.values())
    for queue in queues:
        queue._hurry.set()
    for queue in queues:
        queue.flush(now + queue._seconds_at_exit - time.monotonic())
    for function in _last_words:
        function()
    for queue in queues:
        queue._drain_at_exit(now + queue._seconds_at_exit, last=last)


def _start_all_afresh() -> None:
    for queue in list(_queues.values()):
        queue._start_afresh()


os.register_at_fork(after_in_child=_start_all_afresh)
# At exit there are two turns: the second is for what threads that are no daemons put while they end. Only the
# first, private as it is, runs in forked children of multiprocessing too, such as Granian's workers.
if _register := getattr(threading, "_register_atexit", None):
    _register(partial(_drain_all, last=False))
atexit.register(_drain_all, last=True)
