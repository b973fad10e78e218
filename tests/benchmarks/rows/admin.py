"""Pages of the admin where many payloads have been handled."""

from collections.abc import Iterator, Mapping
from typing import Final

from tests.benchmarks.lab import Lab
from tests.benchmarks.needs import lacks
from tests.benchmarks.rows.claim_cost import MANY
from tests.benchmarks.table import Row, at_most, unmeasured

#: Milliseconds of a page, and of a part of the status page that refreshes itself.
REACH: Final = 200.0
REFRESH: Final = 20.0
#: Failed deliveries.
DELIVERIES: Final = 100_000
MINUTES: Final = 1440
PAGE: Final = "slowest admin page beside {many:,} finished payloads and 30 days of minutes, {database}"
PART: Final = "slowest refresh of the status page, the same, {database}"


def rows(lab: Lab) -> Iterator[Row]:
    yield from _measure(lab, "SQLite")
    if why := lacks("postgresql"):
        yield unmeasured(PAGE.format(many=MANY, database="PostgreSQL"), why)
        return
    yield from _measure(lab, "PostgreSQL")


def _measure(lab: Lab, database: str) -> Iterator[Row]:
    site, counts = lab.filled(database, MANY), {"deliveries": lab.count(DELIVERIES), "minutes": lab.count(MINUTES)}
    times = lab.inside(site, "admin", **counts)
    parts = {name: ms for name, ms in times.items() if name.startswith("refresh")}
    text = f"{_slowest(times)}; the first list {times['list']:.0f}; {len(times)} pages"
    yield at_most(PAGE.format(many=MANY, database=database), "", [max(times.values())], REACH, text, "ms")
    yield at_most(PART.format(database=database), "", [max(parts.values())], REFRESH, _slowest(parts), "ms")


def _slowest(times: Mapping[str, float]) -> str:
    slowest = sorted(times, key=lambda name: times[name], reverse=True)[:3]
    return f"median of 5 visits, ms: {', '.join(f'{name} {times[name]:.1f}' for name in slowest)}"
