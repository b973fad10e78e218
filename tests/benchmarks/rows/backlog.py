"""What a capture costs while `process_raw` works off a backlog: they share the database."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from statistics import median
from typing import Final

from tests.benchmarks.cores import on_core
from tests.benchmarks.lab import Lab
from tests.benchmarks.needs import lacks
from tests.benchmarks.rounds import interleaved, ratios
from tests.benchmarks.table import Row, at_most, unmeasured
from tests.support.processes import Site

Numbers = dict[str, float]

BACKLOG: Final = 60_000
#: Seconds; less than the backlog lasts.
SECONDS: Final = 5.0
DATABASES: Final = ("SQLite NORMAL", "PostgreSQL")
PATHS: Final = {database: f"p99 of a capture while a backlog is worked off, {database}" for database in DATABASES}
LIMIT: Final = "the same with an idle worker"


def rows(lab: Lab) -> Iterator[Row]:
    yield _measure(lab, lab.site(), "SQLite NORMAL", 2)
    if why := lacks("postgresql"):
        yield unmeasured(PATHS["PostgreSQL"], why)
        return
    yield _measure(lab, lab.site(DATABASE_URL=lab.database()), "PostgreSQL", 1.5)


def _measure(lab: Lab, site: Site, database: str, bound: float) -> Row:
    with on_core(0):
        site.start("web")
    count = lab.count(BACKLOG)
    idle, busy = interleaved(lab.rounds, lambda: _post(lab, site, 0), lambda: _post(lab, site, count))
    site.terminate("web")
    p99 = ratios([numbers["p99"] for numbers in busy], [numbers["p99"] for numbers in idle])
    left = median(numbers["left"] for numbers in busy)
    text = f"backlog {_middle(busy)}; idle {_middle(idle)}; 100 requests a second; {left:,.0f} of {count:,} left"
    return at_most(PATHS[database], LIMIT, p99, bound, text)


def _post(lab: Lab, site: Site, backlog: int) -> Numbers:
    lab.inside(site, "backlog", backlog=backlog)
    since = time.time()
    with ExitStack() as stack, on_core(1):
        site.start("process_raw")
        stack.callback(site.terminate, "process_raw")
        with on_core(0):
            return lab.inside(site, "backlog", port=site.port, seconds=lab.seconds(SECONDS), since=since)


def _middle(rounds: list[Numbers]) -> str:
    middle, p99, worst = (median(numbers[name] for numbers in rounds) for name in ("median", "p99", "worst"))
    return f"p99 {p99:.2f} ms (median {middle:.2f}, worst {worst:.1f})"
