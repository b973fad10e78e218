"""Captures while the database is away, against present: at a steady rate, in one web server with one worker."""

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Final

from notifications.sqlite import use_fixed_sqlite
from tests.benchmarks.cores import on_core
from tests.benchmarks.lab import Lab
from tests.benchmarks.needs import lacks
from tests.benchmarks.payload import BODY
from tests.benchmarks.rounds import interleaved, ratios
from tests.benchmarks.steady import Posted, Steady
from tests.benchmarks.table import Row, at_most, unmeasured
from tests.benchmarks.timing import microseconds
from tests.support.postgres import Postgres
from tests.support.processes import Site

STOPPED: Final = "captures with the database away: PostgreSQL stopped"
LOCKED: Final = "captures with the database away: SQLite FULL locked"
PRESENT: Final = "p99 of the same requests with it present"
#: Requests a second.
RATE: Final = 200


def rows(lab: Lab) -> Iterator[Row]:
    if why := lacks("postgresql"):
        yield from (unmeasured(path, why) for path in (STOPPED, LOCKED))
        return
    with Postgres() as own:
        site = lab.site(DATABASE_URL=own.create_database("stopped"))
        yield _compare(lab, site, STOPPED, own.stop, own.start)
    site = lab.site(SQLITE_SYNCHRONOUS="FULL")
    with closing(_connect(site.folder / "state" / "proppy.sqlite3")) as other:
        leave, come = (lambda: other.execute("BEGIN IMMEDIATE")), (lambda: other.execute("ROLLBACK"))
        yield _compare(lab, site, LOCKED, leave, come)


def _compare(lab: Lab, site: Site, path: str, leave: Callable[[], object], come: Callable[[], object]) -> Row:
    with on_core(0):
        site.start("web")
    client = Steady(site.port, "/in/demo/", rate=RATE, body=BODY)

    def present() -> float:
        return _p99(_post(client, lab.seconds(3)))

    def away() -> float:
        leave()
        _post(client, 1)  # it finds out
        p99 = _p99(_post(client, lab.seconds(3)))
        come()
        _post(client, lab.seconds(3))
        return p99

    with_it, without = interleaved(lab.rounds, present, away)
    site.terminate("web")
    text = f"p99 {median(without):.1f} ms; present {median(with_it):.1f} ms; {RATE} requests a second, 1 kB"
    return at_most(path, PRESENT, ratios(without, with_it), 2, text)


def _post(client: Steady, seconds: float) -> Posted:
    with on_core(1):
        return client.post(seconds)


def _p99(posted: Posted) -> float:
    """In ms."""
    if set(posted.answers) != {"202"}:
        raise RuntimeError(f"not all were taken: {dict(posted.answers)}")
    return microseconds(posted.times, 0.99) / 1000


def _connect(path: Path) -> sqlite3.Connection:
    use_fixed_sqlite()  # that of the site: two libraries must not share a file
    connection: sqlite3.Connection = sys.modules["sqlite3"].connect(path, isolation_level=None)
    return connection
