"""What is added up for one label of a series."""

from dataclasses import dataclass, field

from notifications.utils.histogram import BUCKETS, added, bucket_of


@dataclass(slots=True)
class Sum:
    """How often something happened, the sum of what was measured, and the highest of it. `buckets`: a histogram of
    milliseconds, empty where none is kept.
    """

    count: int = 0
    total: float = 0.0
    highest: float = 0.0
    buckets: list[int] = field(default_factory=list)

    def add(self, count: int, value: float, ms: float | None) -> None:
        """Add what happened `count` times: `value` was measured, and it took `ms` milliseconds, if it took time."""
        self.count += count
        self.total += value
        if value > self.highest:
            self.highest = value
        if ms is not None:
            self.buckets = self.buckets or [0] * BUCKETS
            self.buckets[bucket_of(ms)] += 1

    def merge(self, other: "Sum") -> None:
        """Add what another one counted."""
        self.count += other.count
        self.total += other.total
        self.highest = max(self.highest, other.highest)
        if other.buckets:
            self.buckets = added(self.buckets, other.buckets)
