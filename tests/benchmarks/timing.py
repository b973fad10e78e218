"""Times calls one by one, and the numbers that sum them up. Times are nanoseconds."""

import statistics
import time
from array import array
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

T = TypeVar("T")
#: Seconds between two requests, in which a web process sleeps and others run.
PAUSE: Final = 0.0005


def empty_times(count: int) -> "array[int]":
    """Room for times, made beforehand so that it counts as nobody's memory."""
    return array("q", bytes(8 * count))


def time_each(
    function: Callable[[T], object], arguments: Iterable[T], times: "array[int]", start: int = 0, *, pause: float = 0
) -> int:
    """Call the function with each argument; how long each call took goes into `times` from `start`. Gives the end.

    `pause`: seconds before each call. In a tight loop all that it needs is in the processor's caches.
    """
    clock = time.perf_counter_ns
    for argument in arguments:
        if pause:
            time.sleep(pause)
        before = clock()
        function(argument)
        times[start] = clock() - before
        start += 1
    return start


def microseconds(times: "array[int]", quantile: float = 0.5) -> float:
    """The given quantile of the times, in µs."""
    if quantile == 0.5:
        return statistics.median(times) / 1000
    ordered = sorted(times)
    return ordered[min(int(len(ordered) * quantile), len(ordered) - 1)] / 1000
