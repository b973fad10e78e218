"""Pages of the admin where many payloads have been handled."""

from collections.abc import Iterator
from typing import Final

from tests.benchmarks.lab import Lab
from tests.benchmarks.needs import lacks
from tests.benchmarks.table import Row, unmeasured
from tests.support.processes import Site

FINISHED: Final = 5_000_000
#: That one process adds: it may take five minutes.
AT_ONCE: Final = 1_000_000
REACH: Final = 200.0
PATHS: Final = {
    database: f"slowest admin page beside {FINISHED:,} finished payloads, {database}"
    for database in ("SQLite", "PostgreSQL")
}


def rows(lab: Lab) -> Iterator[Row]:
    yield _measure(lab, PATHS["SQLite"], lab.site())
    if why := lacks("postgresql"):
        yield unmeasured(PATHS["PostgreSQL"], why)
        return
    yield _measure(lab, PATHS["PostgreSQL"], lab.site(DATABASE_URL=lab.database()))


def _measure(lab: Lab, path: str, site: Site) -> Row:
    count = lab.count(FINISHED)
    for start in range(0, count, AT_ONCE):
        lab.inside(site, "admin", finished=min(AT_ONCE, count - start))
    times = lab.inside(site, "admin", visit=True)
    slowest = sorted(times, key=lambda name: times[name], reverse=True)
    worst = times[slowest[0]]
    text = ", ".join(f"{name} {times[name]:.0f}" for name in slowest[:5])
    numbers = f"median of 5 visits, ms: {text}; the first list {times['list']:.0f}; {len(times)} pages"
    return Row(path, "", f"<= {REACH:g} ms", f"{worst:.0f} ms", worst <= REACH, numbers)
