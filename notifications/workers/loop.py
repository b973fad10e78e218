"""The loop of both workers. Only this file sleeps or handles signals."""

import logging
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from types import FrameType
from typing import Final, Protocol

from notifications.workers.heartbeat import Heartbeat
from notifications.workers.watchdog import READY, STOPPING, Watchdog, notify

logger = logging.getLogger(__name__)

#: The most seconds between two turns, whatever poll() returns: the watchdog counts turns.
LONGEST_WAIT: Final = 1.0


class Worker(Protocol):
    """Does the work of a loop."""

    def poll(self) -> float | None:
        """Do what is due. Returns the seconds until the next call, or None when all is done."""

    def fileno(self) -> int | None:
        """A descriptor that becomes readable if there is work earlier, or None."""

    def close(self) -> None: ...


class Stop:
    """A flag that loops can wait on. Set once, by a signal or by a loop that failed.

    A long turn calls `turned()` at each step, for the watchdog.
    """

    def __init__(self) -> None:
        self.watchdog = Watchdog()
        self.turned = self.watchdog.turned
        self._reader, self._writer = socket.socketpair()
        self._set = False

    def set(self) -> None:
        if not self._set:
            self._set = True
            self._writer.send(b"x")  # never read: the flag stays readable for every loop

    def is_set(self) -> bool:
        return self._set

    def wait(self, seconds: float, *others: int) -> None:
        """Wait `seconds`, or until the flag is set or one of the descriptors becomes readable."""
        if not self._set:
            poller = select.poll()
            for descriptor in (self._reader.fileno(), *others):
                poller.register(descriptor, select.POLLIN)
            poller.poll(seconds * 1000)

    def close(self) -> None:
        self._reader.close()
        self._writer.close()


def turn(worker: Worker, stop: Stop) -> None:
    """Turn one worker until the flag is set or its work is done, then close it."""
    try:
        while not stop.is_set():
            stop.turned()
            delay = worker.poll()
            if delay is None:
                return
            if delay > 0:
                descriptor = worker.fileno()
                stop.wait(min(delay, next_second()), *([] if descriptor is None else [descriptor]))
    finally:
        worker.close()


def next_second() -> float:
    """Seconds until all loops that wait so long turn together: one that wakes alone takes the processor longer.

    The kernel wakes them a little later, so two turns may be a little less than LONGEST_WAIT apart.
    """
    return LONGEST_WAIT - time.monotonic() % LONGEST_WAIT


def run(
    makers: Sequence[Callable[[Stop], Worker]], *, heartbeat: str = "", each_second: Callable[[], None] | None = None
) -> None:
    """Turn workers, each in its own thread, until SIGTERM or SIGINT, or until all work is done.

    `heartbeat`: the command's name, if its heart should be seen to beat. `each_second` is called meanwhile, in this
    thread. Raises the error of the first worker that fails: the process ends, and systemd starts it again.
    """
    errors: list[BaseException] = []

    def target(worker: Worker) -> None:
        try:
            turn(worker, stop)
        except BaseException as error:  # noqa: BLE001  the main thread raises it
            errors.append(error)
            stop.set()

    with (
        closing(Heartbeat(heartbeat)) if heartbeat else nullcontext() as heart,
        stop_on_signals() as stop,
    ):
        workers = _make_all(makers, stop)
        threads = [threading.Thread(target=target, args=[worker]) for worker in workers]
        for thread in threads:
            thread.start()
        notify(READY)
        _join(threads, stop, heart, each_second)
    if errors:
        raise errors[0]


def _join(
    threads: Sequence[threading.Thread],
    stop: Stop,
    heart: Heartbeat | None,
    each_second: Callable[[], None] | None,
) -> None:
    # Python runs signal handlers in this thread only, once it wakes up: the kernel may signal another thread.
    said_stopping = False
    for thread in threads:
        while thread.is_alive():
            thread.join(next_second())
            stop.watchdog.ping(threads)
            if heart is not None:
                heart.beat(stop.watchdog.unturned(threads))
            if each_second is not None:
                each_second()
            if stop.is_set() and not said_stopping:
                said_stopping = True
                notify(STOPPING)


def _make_all(makers: Sequence[Callable[[Stop], Worker]], stop: Stop) -> list[Worker]:
    """Make all workers before the first one turns: a new channel starts where the others stopped last time."""
    workers: list[Worker] = []
    try:
        for make in makers:
            workers.append(make(stop))  # noqa: PERF401  if one fails, those made so far are closed
    except BaseException:
        for worker in workers:
            worker.close()
        raise
    return workers


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Yields a flag that SIGTERM or SIGINT sets. Restores the previous handlers."""
    stop = Stop()

    def handle(signum: int, _: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        stop.close()
