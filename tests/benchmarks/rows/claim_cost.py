"""What a claim costs where many payloads have been handled before."""

from collections.abc import Iterator
from statistics import median
from typing import Final

from tests.benchmarks.lab import Lab
from tests.benchmarks.needs import lacks
from tests.benchmarks.rounds import interleaved, ratios
from tests.benchmarks.table import Row, at_most, unmeasured
from tests.support.processes import Site

FEW: Final = 10_000
MANY: Final = 5_000_000
CLAIMS: Final = 100
PATHS: Final = {
    database: f"claim of 50 beside {MANY:,} finished payloads, {database}" for database in ("SQLite", "PostgreSQL")
}
LIMIT: Final = f"the same beside {FEW:,}"


def rows(lab: Lab) -> Iterator[Row]:
    yield _measure(lab, "SQLite")
    if why := lacks("postgresql"):
        yield unmeasured(PATHS["PostgreSQL"], why)
        return
    yield _measure(lab, "PostgreSQL")


def _measure(lab: Lab, database: str) -> Row:
    few, many = lab.filled(database, FEW), lab.filled(database, MANY)

    def times(site: Site) -> dict[str, float]:
        return lab.inside(site, "claim_cost", claims=lab.count(CLAIMS))

    beside_few, beside_many = interleaved(lab.rounds, lambda: times(few), lambda: times(many))
    claims, others = ([each["claim"] for each in rounds] for rounds in (beside_many, beside_few))
    text = f"{median(claims):.0f} µs; beside {FEW:,} {median(others):.0f} µs; an idle worker's turn"
    text = f"{text} {median(each['look'] for each in beside_many):.0f} µs"
    return at_most(PATHS[database], LIMIT, ratios(claims, others), 1.3, text)
