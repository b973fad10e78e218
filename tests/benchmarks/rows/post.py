"""`POST /in/<source>/` against a view that stores nothing, in turn, in one web server with one worker on one core."""

import statistics
from collections.abc import Iterator
from typing import Final

from tests.benchmarks import wrk
from tests.benchmarks.lab import Lab, on_core
from tests.benchmarks.needs import lacks
from tests.benchmarks.payload import BODY, CONTENT_TYPE
from tests.benchmarks.table import Row, at_least, reported, unmeasured
from tests.support.processes import Site

PATHS: Final = {
    database: f"`POST /in/<source>/`, {database}" for database in ("SQLite NORMAL", "SQLite FULL", "PostgreSQL")
}
#: The floor: what one INSERT costs in this web server, whoever does it.
BARE: Final = "a view that only does the bare INSERT, SQLite NORMAL"
LIMIT: Final = "a view that reads the body and answers 202, same stack"


def rows(lab: Lab) -> Iterator[Row]:
    if why := lacks("wrk"):
        yield from (unmeasured(path, why) for path in PATHS.values())
        return
    ratio, text = _measure(lab, 5)
    yield at_least(PATHS["SQLite NORMAL"], LIMIT, ratio, 0.8, text)
    yield reported(BARE, LIMIT, *_measure(lab, 5, path="/bench/insert/"))
    yield reported(PATHS["SQLite FULL"], LIMIT, *_measure(lab, 3, SQLITE_SYNCHRONOUS="FULL"))
    if why := lacks("postgresql"):
        yield unmeasured(PATHS["PostgreSQL"], why)
    else:
        yield reported(PATHS["PostgreSQL"], LIMIT, *_measure(lab, 3, DATABASE_URL=lab.database()))


def _measure(lab: Lab, rounds: int, *, path: str = "/in/demo/", **env: str) -> tuple[float, str]:
    """The ratio of the medians, and the numbers behind it."""
    site = lab.site(**env)
    with on_core(0):
        site.start("web")
    seconds = round(lab.seconds(2))
    intake, empty = [], []
    for turn in range(-1, lab.rounds(rounds)):  # the first warms up
        ours, theirs = _post(site, path, seconds), _post(site, "/bench/", seconds)
        if turn >= 0:
            intake.append(ours)
            empty.append(theirs)
    site.terminate("web")
    return _compare(intake, empty)


def _post(site: Site, path: str, seconds: int) -> wrk.Answered:
    with on_core(1):
        return wrk.post(site.url + path, BODY, CONTENT_TYPE, seconds=seconds, folder=site.folder)


def _compare(intake: list[wrk.Answered], empty: list[wrk.Answered]) -> tuple[float, str]:
    ours = statistics.median(answered.rate for answered in intake)
    theirs = statistics.median(answered.rate for answered in empty)
    slow = statistics.median(answered.p99 for answered in intake)
    text = f"{ours:,.0f} requests a second (p99 {slow:.1f} ms); the empty view {theirs:,.0f}; 1 kB of JSON"
    return ours / theirs, text
