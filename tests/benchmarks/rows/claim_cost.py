"""What a claim costs where many payloads have been handled before."""

import statistics
from collections.abc import Iterator
from typing import Final

from tests.benchmarks.lab import Lab
from tests.benchmarks.needs import lacks
from tests.benchmarks.table import Row, at_most, unmeasured
from tests.support.processes import Site

FINISHED: Final = (10_000, 1_000_000, 5_000_000)
CLAIMS: Final = 100
ROUNDS: Final = 5
PATHS: Final = {
    database: f"claim beside {FINISHED[-1]:,} finished payloads, {database}" for database in ("SQLite", "PostgreSQL")
}
LIMIT: Final = f"the same beside {FINISHED[0]:,}"


def rows(lab: Lab) -> Iterator[Row]:
    yield _measure(lab, "SQLite", [lab.site() for _ in FINISHED])
    if why := lacks("postgresql"):
        yield unmeasured(PATHS["PostgreSQL"], why)
        return
    yield _measure(lab, "PostgreSQL", [lab.site(DATABASE_URL=lab.database()) for _ in FINISHED])


def _measure(lab: Lab, database: str, sites: list[Site]) -> Row:
    """All three in turn. The worst of them counts."""
    counts = [lab.count(count) for count in FINISHED]
    for site, count in zip(sites, counts, strict=True):
        lab.inside(site, "claim_cost", finished=count)
    rounds = [
        [lab.inside(site, "claim_cost", claims=lab.count(CLAIMS)) for site in sites] for _ in range(lab.rounds(ROUNDS))
    ]
    claim, look = (
        [statistics.median(times[name] for times in site) for site in zip(*rounds, strict=True)]
        for name in ("claim", "look")
    )
    text = "; ".join(
        f"{count:,}: {mine:.0f} µs (an idle worker's turn {idle:.0f} µs)"
        for count, mine, idle in zip(counts, claim, look, strict=True)
    )
    return at_most(PATHS[database], LIMIT, max(claim) / min(claim), 1.3, f"a claim of 50; finished {text}")
