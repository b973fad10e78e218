"""What `process_raw` takes while a million payloads wait, its start included."""

import time
from collections.abc import Iterator
from typing import Final

from tests.benchmarks.lab import Lab
from tests.benchmarks.needs import lacks
from tests.benchmarks.process import memory
from tests.benchmarks.table import Row, at_most, unmeasured
from tests.support.processes import Site

WAITING: Final = 1_000_000
LIMIT_MB: Final = 120
#: Seconds for which it works.
SECONDS: Final = 10.0
PATHS: Final = {
    database: f"memory of `process_raw` with {WAITING:,} waiting, {database}" for database in ("SQLite", "PostgreSQL")
}


def rows(lab: Lab) -> Iterator[Row]:
    yield _measure(lab, lab.site(), "SQLite")
    if why := lacks("postgresql"):
        yield unmeasured(PATHS["PostgreSQL"], why)
        return
    yield _measure(lab, lab.site(DATABASE_URL=lab.database()), "PostgreSQL")


def _measure(lab: Lab, site: Site, database: str) -> Row:
    waiting = lab.count(WAITING)
    lab.inside(site, "fill", count=waiting, state="received", source="bench")
    worker = site.start("process_raw")
    done = 0.0
    while not done:  # it has begun
        done = lab.inside(site, "fill")["done"]
    time.sleep(lab.seconds(SECONDS))
    now, most = memory(worker.pid)
    done = lab.inside(site, "fill")["done"]
    site.terminate("process_raw")
    text = f"at most, from its start; {now / 1e6:.0f} MB in the end; {done:,.0f} of {waiting:,} handled meanwhile"
    return at_most(PATHS[database], "", [most / 1e6], LIMIT_MB, text, "MB")
