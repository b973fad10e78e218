"""`process_raw` with an empty atomic handler."""

from collections.abc import Iterator
from statistics import median
from typing import Final

from tests.benchmarks.lab import Lab
from tests.benchmarks.needs import lacks
from tests.benchmarks.rounds import ratios
from tests.benchmarks.table import Row, at_least, unmeasured

PAYLOADS: Final = 4_000
PER_SECOND: Final = 5000
SQLITE: Final = "`process_raw`, empty atomic handler, SQLite NORMAL"
POSTGRESQL: Final = "`process_raw`, empty atomic handler, PostgreSQL"


def rows(lab: Lab) -> Iterator[Row]:
    counts = {"payloads": lab.count(PAYLOADS), "rounds": lab.rounds, "size": lab.conditions.body}
    numbers = lab.inside(lab.site(), "process_raw", **counts)
    text = f"{counts['payloads']:,} payloads a round"
    yield at_least(SQLITE, "", numbers["handled"], PER_SECOND, text, "a second")
    if why := lacks("postgresql"):
        yield unmeasured(POSTGRESQL, why)
        return
    url = lab.database()
    numbers = lab.inside(lab.site(DATABASE_URL=url), "process_raw", url=url, **counts)
    handled, updated = numbers["handled"], numbers["updated"]
    text = f"{median(handled):,.0f} a second; UPDATE + COMMIT {median(updated):,.0f} a second; {text}"
    yield at_least(POSTGRESQL, "a bare loop of UPDATE + COMMIT", ratios(handled, updated), 0.7, text)
