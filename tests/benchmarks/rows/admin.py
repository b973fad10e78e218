"""Pages of the admin where many payloads have been handled."""

from collections.abc import Iterator
from typing import Final

from tests.benchmarks.lab import Lab
from tests.benchmarks.needs import lacks
from tests.benchmarks.rows.claim_cost import MANY
from tests.benchmarks.table import Row, at_most, unmeasured

REACH: Final = 200.0
#: Failed deliveries.
DELIVERIES: Final = 100_000
PATHS: Final = {
    database: f"slowest admin page beside {MANY:,} finished payloads, {database}"
    for database in ("SQLite", "PostgreSQL")
}


def rows(lab: Lab) -> Iterator[Row]:
    yield _measure(lab, "SQLite")
    if why := lacks("postgresql"):
        yield unmeasured(PATHS["PostgreSQL"], why)
        return
    yield _measure(lab, "PostgreSQL")


def _measure(lab: Lab, database: str) -> Row:
    times = lab.inside(lab.filled(database, MANY), "admin", deliveries=lab.count(DELIVERIES))
    slowest = sorted(times, key=lambda name: times[name], reverse=True)
    text = ", ".join(f"{name} {times[name]:.0f}" for name in slowest[:3])
    numbers = f"median of 5 visits, ms: {text}; the first list {times['list']:.0f}; {len(times)} pages"
    return at_most(PATHS[database], "", [times[slowest[0]]], REACH, numbers, "ms")
