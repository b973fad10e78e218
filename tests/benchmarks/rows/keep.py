"""`keep()` and `capture()` in process."""

from collections.abc import Iterator
from statistics import median
from typing import Final

from tests.benchmarks.lab import Lab
from tests.benchmarks.needs import lacks
from tests.benchmarks.rounds import ratios
from tests.benchmarks.table import Row, at_most, reported, unmeasured

#: By database: the most that `capture()` should take.
REACH: Final = {"SQLite NORMAL": 1.5, "SQLite FULL": 1.25, "PostgreSQL": 1.5}
LIMIT: Final = "the same row into the same table by the driver alone"
INDEXES: Final = "the driver's INSERT into our table, SQLite NORMAL"
PLAIN: Final = "the same into a table without secondary indexes"
CALLS: Final = 200


def rows(lab: Lab) -> Iterator[Row]:
    yield from _measure(lab, "SQLite NORMAL", SQLITE_SYNCHRONOUS="NORMAL")
    yield from _measure(lab, "SQLite FULL", SQLITE_SYNCHRONOUS="FULL")
    if why := lacks("postgresql"):
        yield from (unmeasured(path, why) for path in _paths("PostgreSQL"))
        return
    yield from _measure(lab, "PostgreSQL", DATABASE_URL=lab.database())


def _paths(database: str) -> tuple[str, str]:
    return f"`capture()` in process, {database}", f"`keep()` in process, {database}"


def _measure(lab: Lab, database: str, **env: str) -> Iterator[Row]:
    size = lab.conditions.body
    numbers = lab.inside(lab.site(**env), "keep", rounds=lab.rounds, calls=lab.count(CALLS), size=size)
    capture, keep, insert, plain = (numbers[name] for name in ("capture", "keep", "insert", "plain"))
    text = f"{median(capture):.0f} µs; INSERT {median(insert):.0f} µs; eight headers; 0.5 ms between calls"
    by_capture, by_keep = _paths(database)
    yield at_most(by_capture, LIMIT, ratios(capture, insert), REACH[database], text)
    yield reported(by_keep, LIMIT, ratios(keep, insert), f"{median(keep):.0f} µs; the same")
    if database == "SQLite NORMAL":
        text = f"{median(insert):.0f} µs; without {median(plain):.0f} µs"
        yield at_most(INDEXES, PLAIN, ratios(insert, plain), 1.8, text)
