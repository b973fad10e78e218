"""What a capture costs while `process_raw` works off a backlog: they share the database."""

import statistics
from collections.abc import Iterator
from typing import Final

from tests.benchmarks.lab import Lab, on_core
from tests.benchmarks.needs import lacks
from tests.benchmarks.rows.post import OPTIONS
from tests.benchmarks.table import Row, at_most, unmeasured
from tests.support.processes import Site

Numbers = dict[str, float]

BACKLOG: Final = 100_000
#: Seconds; less than the backlog lasts.
SECONDS: Final = 8.0
ROUNDS: Final = 3
PATHS: Final = {
    database: f"p99 of a capture while a backlog is worked off, {database}"
    for database in ("SQLite NORMAL", "PostgreSQL")
}
LIMIT: Final = "the same with an idle worker"


def rows(lab: Lab) -> Iterator[Row]:
    yield _measure(lab, lab.site(), "SQLite NORMAL", 2)
    if why := lacks("postgresql"):
        yield unmeasured(PATHS["PostgreSQL"], why)
        return
    yield _measure(lab, lab.site(DATABASE_URL=lab.database()), "PostgreSQL", 1.5)


def _measure(lab: Lab, site: Site, database: str, bound: float) -> Row:
    """The ratio of the medians of all rounds."""
    with on_core(0):
        site.start("web", *OPTIONS)
    idle, busy = [], []
    for _ in range(lab.rounds(ROUNDS)):
        idle.append(_post(lab, site, 0))
        busy.append(_post(lab, site, lab.count(BACKLOG)))
    site.terminate("web")
    ours, theirs = (statistics.median(numbers["p99"] for numbers in rounds) for rounds in (busy, idle))
    return at_most(PATHS[database], LIMIT, ours / theirs, bound, _text(idle, busy))


def _post(lab: Lab, site: Site, backlog: int) -> Numbers:
    lab.inside(site, "backlog", backlog=backlog)
    with on_core(1):
        site.start("process_raw")
    with on_core(0):
        numbers = lab.inside(site, "backlog", port=site.port, seconds=lab.seconds(SECONDS))
    site.terminate("process_raw")
    return numbers


def _text(idle: list[Numbers], busy: list[Numbers]) -> str:
    left = statistics.median(numbers["left"] for numbers in busy)
    rate = "100 requests a second"
    return f"backlog {_middle(busy)}; idle {_middle(idle)}; {rate}; {left:,.0f} left at the end, of {BACKLOG:,}"


def _middle(rounds: list[Numbers]) -> str:
    median, p99, worst = (statistics.median(numbers[name] for numbers in rounds) for name in ("median", "p99", "worst"))
    return f"p99 {p99:.2f} ms (median {median:.2f}, worst {worst:.1f})"
