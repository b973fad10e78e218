"""The benchmarks by name. Each yields rows of the table."""

from collections.abc import Callable, Iterator
from typing import Final

from tests.benchmarks.lab import Lab
from tests.benchmarks.rows import emit, follow_journal, idle, keep, post, process_raw
from tests.benchmarks.table import Row

Benchmark = Callable[[Lab], Iterator[Row]]

BENCHMARKS: Final[dict[str, Benchmark]] = {
    "emit": emit.rows,
    "keep": keep.rows,
    "post": post.rows,
    "process_raw": process_raw.rows,
    "idle": idle.rows,
    "follow_journal": follow_journal.rows,
}
