"""The gate's price for requests to other paths."""

from collections.abc import Iterator
from statistics import median
from typing import Final

from tests.benchmarks.lab import Lab
from tests.benchmarks.table import Row, at_most

PATH: Final = "a request to another path: what the open gate adds"
CALLS: Final = 5_000
MICROSECONDS: Final = 0.5


def rows(lab: Lab) -> Iterator[Row]:
    numbers = lab.inside(lab.site(), "other_path", rounds=lab.rounds, calls=CALLS)
    text = f"an entry without a gate {median(numbers['shut']):.2f} µs; in tight loops"
    yield at_most(PATH, "", numbers["added"], MICROSECONDS, text, "µs")
