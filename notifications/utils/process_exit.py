"""The exit of a process: queues deliver what waits, for a limited time; then the functions of before_exit() run."""

import atexit
import itertools
import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from notifications.utils.bounded_queue import BoundedQueue

logger = logging.getLogger("notifications.queue")

#: Seconds for the waiting items of all queues.
DRAIN_SECONDS: Final = 2.0
#: Seconds after the drain in which a sink must return.
GIVE_UP_SECONDS: Final = 1.0
#: Seconds in which a sink that was given up before may take an item again.
GRACE: Final = 0.2

#: In the order of creation, because an older queue may put into a younger one at exit.
_queues: "WeakValueDictionary[int, BoundedQueue[Any]]" = WeakValueDictionary()
_numbers = itertools.count()
_functions: list[Callable[[], None]] = []


def register(queue: "BoundedQueue[Any]") -> None:
    """Drains the queue at exit, if it still exists."""
    _queues[next(_numbers)] = queue


def before_exit(function: Callable[[], None]) -> None:
    """Calls the function in each turn of the exit, after waiting items were delivered or given up.

    It must not raise. It may put() items, and wait a limited time for their delivery.
    """
    _functions.append(function)


def hand_over() -> None:
    """Deliver what waits and call those functions now: for servers that end the process by a signal. It may go on."""
    _take_turn(last=False)


def _take_turn(*, last: bool) -> None:
    drained_at = time.monotonic() + DRAIN_SECONDS
    queues = list(_queues.values())
    for queue in queues:
        queue.begin_exit()
    undone = [queue for queue in queues if not _drain(queue, drained_at)]
    deadline = time.monotonic() + GIVE_UP_SECONDS
    for queue in undone:
        _give_up(queue, deadline)
    for function in _functions:
        function()
    for queue in queues:
        _finish(queue, drained_at, last=last)


def _drain(queue: "BoundedQueue[Any]", drained_at: float) -> bool:
    """Whether all was delivered. A queue that was given up in the turn before must deliver an item quickly."""
    if queue.is_hopeless and not queue.flush(GRACE) and queue.is_hopeless:
        return False
    return queue.flush(drained_at - time.monotonic())


def _give_up(queue: "BoundedQueue[Any]", deadline: float) -> None:
    count, was_hopeless, queue.is_hopeless = len(queue), queue.is_hopeless, True
    can_wait = queue.given_up and not queue.is_giving_up  # given_up() is called, and the sink may return
    has_returned = queue.give_up(deadline - time.monotonic() if can_wait else 0)
    if not was_hopeless and not (has_returned and queue.given_up):
        _log_lost(queue, count)


def _finish(queue: "BoundedQueue[Any]", drained_at: float, *, last: bool) -> None:
    """Delivers items put since. An item that fails in the first turn may succeed in the second."""
    deadline = 0.0 if queue.is_hopeless else drained_at
    done, count = queue.flush(deadline - time.monotonic()), len(queue)
    if last:
        queue.close(deadline - time.monotonic())
        if not done and not queue.is_hopeless:
            _log_lost(queue, count)


def _log_lost(queue: "BoundedQueue[Any]", count: int) -> None:
    logger.warning("queue %s: %d items are lost, the process exits", queue.name, count)


# There are two turns. The second is for items that non-daemon threads put while they end. Only the first runs in forked
# children of multiprocessing too, such as Granian's workers; its function is private to Python.
if _register := getattr(threading, "_register_atexit", None):
    _register(partial(_take_turn, last=False))
atexit.register(_take_turn, last=True)
