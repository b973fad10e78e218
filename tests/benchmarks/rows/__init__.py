"""The benchmarks by name. Each yields rows of the table."""

from collections.abc import Callable, Iterator
from typing import Final

from tests.benchmarks.lab import Lab
from tests.benchmarks.rows import (
    admin,
    away,
    backlog,
    catch_up,
    claim_cost,
    emit,
    follow_journal,
    hanging,
    idle,
    keep,
    memory,
    other_path,
    post,
    process_raw,
    series,
    slack_down,
    slow_disk,
    threads,
    to_slack,
    weight,
)
from tests.benchmarks.table import Row

Benchmark = Callable[[Lab], Iterator[Row]]

BENCHMARKS: Final[dict[str, Benchmark]] = {
    "emit": emit.rows,
    "keep": keep.rows,
    "post": post.rows,
    "other_path": other_path.rows,
    "slow_disk": slow_disk.rows,
    "process_raw": process_raw.rows,
    "idle": idle.rows,
    "claim_cost": claim_cost.rows,
    "backlog": backlog.rows,
    "memory": memory.rows,
    "follow_journal": follow_journal.rows,
    "series": series.rows,
    "to_slack": to_slack.rows,
    "catch_up": catch_up.rows,
    "slack_down": slack_down.rows,
    "hanging": hanging.rows,
    "admin": admin.rows,
    "away": away.rows,
    "weight": weight.rows,
}
#: Not of the table: what a choice was made by, and what takes minutes.
ON_DEMAND: Final[dict[str, Benchmark]] = {"threads": threads.rows, "series_follower": series.of_follower}
