"""What this process counts for its SERIES events."""

import pytest

from notifications.events import series
from notifications.events.series_counts import counted
from notifications.middleware import reporter
from notifications.utils.sums import Sum

DEADLINE = 20.0


class Counts:
    """In place of what writes SERIES events."""

    def __init__(self) -> None:
        self.sums: dict[tuple[str, str], Sum] = {}
        self.minutes: set[int] = set()

    def write(self, minute: int, found: series.Series) -> None:
        self.minutes.add(minute)
        for name, labels in found.items():
            for label, each in labels.items():
                self.sums.setdefault((name, label), Sum()).merge(each)

    def all(self) -> dict[tuple[str, str], Sum]:
        """By name and label, since the test began."""
        write_counts()
        return self.sums

    def counts(self) -> dict[tuple[str, str], int]:
        """How often each happened."""
        return {key: each.count for key, each in self.all().items()}


def write_counts() -> None:
    """Have what this process has counted written, at the end of a minute or before."""
    assert counted.flush(DEADLINE)
    assert reporter.flush(DEADLINE)


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counts:
    """Without what earlier tests have left."""
    write_counts()
    counts = Counts()
    monkeypatch.setattr(series, "writer", counts)
    return counts
