"""Durations as counts in buckets: they can be added over processes, minutes and machines, and still give quantiles."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate, zip_longest
from typing import Final

#: Upper bounds in ms, each √2 times the one before: 1 ms to 23 s. One more bucket has what took longer. A contract:
#: stored counts have this order.
BOUNDS: Final = tuple(round(2 ** (half / 2), 3) for half in range(30))
BUCKETS: Final = len(BOUNDS) + 1


def bucket_of(ms: float) -> int:
    """The number of the bucket for so many milliseconds."""
    return bisect_left(BOUNDS, ms)


def added(*several: Sequence[int]) -> list[int]:
    """The sum of histograms; a short one has zeros at its end."""
    return list(map(sum, zip_longest(*several, fillvalue=0)))


def quantile(buckets: Iterable[int], share: float) -> float | None:
    """The milliseconds that `share` of the durations (0 to 1) do not exceed: within its bucket by proportion.

    None of an empty histogram. What took longer than the last bound counts as that.
    """
    sums = list(accumulate(buckets))
    wanted = share * sums[-1] if sums else 0
    if not wanted:
        return None
    number = bisect_left(sums, wanted)
    if number >= len(BOUNDS):
        return BOUNDS[-1]
    below, before = (BOUNDS[number - 1], sums[number - 1]) if number else (0.0, 0)
    return below + (BOUNDS[number] - below) * (wanted - before) / (sums[number] - before)


def counts_of(text: str) -> list[int]:
    """The buckets of their text. Raises ValueError."""
    return [int(count) for count in text.split(",")] if text else []


def text_of(buckets: Sequence[int]) -> str:
    """The text of buckets, without the zeros at their end."""
    end = len(buckets)
    while end and not buckets[end - 1]:
        end -= 1
    return ",".join(map(str, buckets[:end]))
