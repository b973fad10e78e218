"""Times in a few hundred buckets: a million of them take no more memory than one."""

import math
from collections import Counter
from typing import Final

#: Each bucket is so much wider than the one before: what is read is at most 4 % too high.
GROWTH: Final = 1.04
SHORTEST: Final = 1e-5


class Histogram:
    """Of durations in seconds."""

    def __init__(self) -> None:
        self.count = 0
        self.longest = 0.0
        self._buckets: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """Count one. What is shorter than 10 µs counts as 10 µs."""
        self.count += 1
        self.longest = max(self.longest, seconds)
        self._buckets[math.ceil(math.log(max(seconds, SHORTEST) / SHORTEST, GROWTH))] += 1

    def merge(self, other: "Histogram") -> None:
        """Add all that the other has."""
        self.count += other.count
        self.longest = max(self.longest, other.longest)
        self._buckets.update(other._buckets)

    def quantile(self, share: float) -> float:
        """Seconds that this share of them (0.99) did not exceed; 0.0 of none."""
        left = math.ceil(share * self.count)
        for bucket in sorted(self._buckets):
            left -= self._buckets[bucket]
            if left <= 0:
                return min(self.longest, SHORTEST * GROWTH**bucket)
        return 0.0
