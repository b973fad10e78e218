"""Posts on a disk whose fsync takes 2 ms, against one INSERT and COMMIT at a time on that disk."""

from collections.abc import Iterator
from statistics import median
from typing import Final

from tests.benchmarks.lab import Lab
from tests.benchmarks.needs import lacks
from tests.benchmarks.rounds import interleaved, ratios
from tests.benchmarks.serving import Served
from tests.benchmarks.slow_fsync import slow_fsync
from tests.benchmarks.table import Row, at_least, unmeasured

MILLISECONDS: Final = 2
PATH: Final = f"`POST /in/<source>/` of the site, SQLite FULL, an fsync of {MILLISECONDS} ms, 8 connections, gunicorn"
LIMIT: Final = "one INSERT + COMMIT at a time on that disk"
THREADS: Final = (1, 4, 8)


def rows(lab: Lab) -> Iterator[Row]:
    if why := lacks("wrk", "gcc"):
        yield unmeasured(PATH, why)
        return
    site = lab.site(SQLITE_SYNCHRONOUS="FULL", **slow_fsync(lab.folder, MILLISECONDS))
    served = Served(lab, "gunicorn", "proppy.wsgi:application", "/in/demo/", site.env, THREADS)
    served.choose()

    def insert() -> float:
        """A second."""
        (microseconds,) = lab.inside(site, "keep", rounds=1, calls=lab.count(100), size=lab.conditions.body)["insert"]
        return float(1e6 / microseconds)

    ours, theirs = interleaved(lab.rounds, served.rate, insert)
    text = f"{median(ours):,.0f} requests a second ({served.threads} threads); INSERT {median(theirs):,.0f}"
    yield at_least(PATH, LIMIT, ratios(ours, theirs), 4, text)
    served.close()
