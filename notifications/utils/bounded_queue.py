"""A bounded queue with one thread, for work that must not slow down a request or make it fail."""

import _thread
import logging
import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final, Generic, TypeVar

from notifications.utils import process_exit
from notifications.utils.forks import renew_after_fork

T = TypeVar("T")

logger = logging.getLogger("notifications.queue")

SECONDS_BETWEEN_TRACEBACKS: Final = 60.0
#: The most seconds between two tries of an item while the process exits.
HURRIED_DELAY: Final = 0.02
#: The most seconds between two calls of `idle`: the interval of a report is any number.
LONGEST_WAIT: Final = 3600.0


class TryAgain(Exception):
    """A sink raises it if it cannot take the item now. The item keeps its place, and is tried again."""

    def __init__(self, delay_seconds: float) -> None:
        super().__init__(f"try again in {delay_seconds} s")
        self.delay_seconds = delay_seconds


class BoundedQueue(Generic[T]):
    """Calls `sink` with one item after the other, in order, in one daemon thread.

    The items that wait and the one in the sink never weigh more than `maxsize` together. If the sink raises, the item
    is lost; TryAgain keeps it. `idle(hurry)` is called in the thread when nothing waits. It returns the seconds after
    which to call it again, or None: not before the next item. With `hurry` (flush, close, exit) it should pass on what
    the sink holds back.

    A forked child starts with an empty, open queue and counters at 0: waiting items are the parent's. At exit waiting
    items get `process_exit.DRAIN_SECONDS`; then they are dropped. `given_up(items)` is called, in any thread, with
    items that were dropped after put() took them. Without it their number is logged at exit.
    """

    def __init__(
        self,
        sink: Callable[[T], None],
        *,
        maxsize: int,
        weigh: Callable[[T], int] = lambda _: 1,
        name: str,
        idle: Callable[[bool], float | None] = lambda _: None,
        given_up: Callable[[list[T]], None] | None = None,
    ) -> None:
        self.name = name
        self._sink, self._weigh, self._idle, self.given_up = sink, weigh, idle, given_up
        self._maxsize = maxsize
        self.after_fork()
        renew_after_fork(self)
        process_exit.register(self)

    def after_fork(self) -> None:
        """Start again: counters and waiting items are the parent's."""
        # An RLock and a SimpleQueue, because a signal handler or __del__ may put() in the middle of a put().
        self._lock = threading.RLock()
        self._entries: SimpleQueue[tuple[T, int] | threading.Event | None] = SimpleQueue()
        self._running = threading.Lock()  # held while there is a thread: acquire() tests and sets at once
        self._ended = threading.Event()
        self._hurry = threading.Event()
        self._closed = False
        #: Whether give_up() still waits for the sink to return.
        self.is_giving_up = False
        self._given_up_to: threading.Event | None = None
        self._weight = self._length = self._dropped = self._failed = self._unlogged = 0
        self._next_traceback = -math.inf
        #: Set at exit if the sink took nothing in time. The sink clears it by taking an item.
        self.is_hopeless = False

    @property
    def dropped(self) -> int:
        """How many items put() refused, or give_up() or close() dropped."""
        return self._dropped

    @property
    def failed(self) -> int:
        """How many calls of `sink` and `idle` raised."""
        return self._failed

    @property
    def has_thread(self) -> bool:
        """Whether its thread runs: not before the first item, nor after close()."""
        return self._running.locked()

    def __len__(self) -> int:
        """How many items wait or are in the sink."""
        return self._length

    def put(self, item: T) -> bool:
        """Takes the item. Returns False and drops it if it is too heavy, or the queue is closed.

        Never waits and never raises. Safe in signal handlers and in __del__.
        """
        weight = self._weigh(item)
        with self._lock:
            if self._closed or self._weight + weight > self._maxsize:
                self._dropped += 1
                return False
            self._weight += weight
            self._length += 1
            self._entries.put((item, weight))
            if not self.has_thread:
                self._start_thread()
        return True

    def flush(self, timeout: float) -> bool:
        """Waits at most `timeout` seconds until all items put before are done. Returns whether they are."""
        done = threading.Event()
        with self._lock:
            if not self.has_thread and not (self._length and self._start_thread()):
                return not self._length
            self._entries.put(done)
        return done.wait(max(timeout, 0)) or not self._length

    def give_up(self, timeout: float) -> bool:
        """Drops waiting items, and the one in the sink if the sink asks to try again.

        Returns whether the sink returned in `timeout` seconds. Items that are put later are delivered as usual.
        """
        done = threading.Event()
        with self._lock:
            if not self._length:
                return True
            self.is_giving_up, self._given_up_to = True, done
            items = self._take_out()
            self._entries.put(done)
        if items and self.given_up:
            self.given_up(items)
        with self._lock:
            if not self._start_thread():  # so no item is in the sink
                self.is_giving_up = False
                return True
        return done.wait(max(timeout, 0)) or not self._length

    def _take_out(self) -> list[T]:
        """Takes out all items that wait, which is faster than the thread dropping each. Marks stay."""
        items, marks, weight = list[T](), list[threading.Event | None](), 0
        with suppress(Empty):
            while True:
                entry = self._entries.get_nowait()
                if isinstance(entry, tuple):
                    items.append(entry[0])
                    weight += entry[1]
                else:
                    marks.append(entry)
        for mark in marks:
            self._entries.put(mark)
        count = len(items)
        self._dropped += count
        self._length -= count
        self._weight -= weight
        return items

    def begin_exit(self) -> None:
        """Shortens the delays, and starts the thread: later Python starts no more threads."""
        self._hurry.set()
        with self._lock:
            if not self._closed:
                self._start_thread()

    def close(self, timeout: float) -> bool:
        """Takes no more items, delivers those that wait, and ends the thread.

        Returns whether all was done in `timeout` seconds. If not, the rest is given up.
        """
        deadline = time.monotonic() + timeout
        self._closed = True
        self._hurry.set()
        done = self.flush(timeout)
        if not done:
            self.give_up(0)
        self._entries.put(None)
        if self.has_thread:
            self._ended.wait(max(deadline - time.monotonic(), 0))
        return done

    def _start_thread(self) -> bool:
        if not self._running.acquire(blocking=False):
            return True
        try:
            # Not Thread.start(): it waits for the new thread, which may wait for our lock in a __del__ that puts.
            _thread.start_new_thread(self._run, (self._running,))
        except (RuntimeError, MemoryError):  # no more threads, or the interpreter exits: put() tries again
            self._running.release()
        return self.has_thread

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
                    self._pass_mark(entry)
                else:
                    self._deliver(*entry)
            wait = self._call_idle(hurry=False) if self._entries.empty() else None

    def _pass_mark(self, mark: threading.Event) -> None:
        """All items put before this mark are done."""
        with self._lock:
            if mark is self._given_up_to:
                self.is_giving_up = False
        self._call_idle(hurry=True)
        mark.set()

    def _deliver(self, item: T, weight: int) -> None:
        given_up = False
        try:
            while not given_up and not self._accepted(item):
                given_up = self.is_giving_up
            if given_up and self.given_up:
                self.given_up([item])
        except BaseException as error:  # noqa: BLE001 - nothing in a sink may end the thread, not even sys.exit()
            self._count_failure(error)
        finally:
            with self._lock:
                self._dropped += given_up
                self._weight -= weight
                self._length -= 1

    def _accepted(self, item: T) -> bool:
        if self.is_giving_up:
            return False
        try:
            self._sink(item)
        except TryAgain as later:
            if self._hurry.wait(later.delay_seconds):
                time.sleep(min(later.delay_seconds, HURRIED_DELAY))
            return False
        self.is_hopeless = False
        return True

    def _call_idle(self, *, hurry: bool) -> float | None:
        try:
            wait = self._idle(hurry)
            return None if wait is None else min(wait, LONGEST_WAIT)
        except BaseException as error:  # noqa: BLE001 - as in _deliver()
            self._count_failure(error)
            return None

    def _count_failure(self, error: BaseException) -> None:
        self._failed += 1
        now = time.monotonic()
        if now < self._next_traceback:
            self._unlogged += 1
            return
        self._next_traceback = now + SECONDS_BETWEEN_TRACEBACKS
        message = "queue %s: an item failed, and %d more since the last traceback"
        logger.error(message, self.name, self._unlogged, exc_info=error)
        self._unlogged = 0
