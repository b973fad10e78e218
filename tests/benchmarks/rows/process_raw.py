"""`process_raw` with an empty atomic handler."""

from collections.abc import Iterator
from typing import Final

from tests.benchmarks.lab import Lab
from tests.benchmarks.needs import lacks
from tests.benchmarks.table import Row, at_least, unmeasured

PAYLOADS: Final = 20_000
PER_SECOND: Final = 5000
SQLITE: Final = "`process_raw`, empty atomic handler, SQLite NORMAL"
POSTGRESQL: Final = "`process_raw`, empty atomic handler, PostgreSQL"


def rows(lab: Lab) -> Iterator[Row]:
    payloads = lab.count(PAYLOADS)
    rate = lab.inside(lab.site(), "process_raw", payloads=payloads)["handled"]
    text = f"{payloads:,} payloads of 1 kB"
    yield Row(SQLITE, "none", f">= {PER_SECOND:,} a second", f"{rate:,.0f} a second", rate >= PER_SECOND, text)
    if why := lacks("postgresql"):
        yield unmeasured(POSTGRESQL, why)
        return
    url = lab.database()
    site = lab.site(DATABASE_URL=url)
    numbers = lab.inside(site, "process_raw", payloads=payloads, url=url)
    handled, updated = numbers["handled"], numbers["updated"]
    text = f"{handled:,.0f} a second; UPDATE + COMMIT {updated:,.0f} a second; {text}"
    yield at_least(POSTGRESQL, "a bare loop of UPDATE + COMMIT", handled / updated, 0.7, text)
