"""Captures while the database is away, against present: at a steady rate, in one web server with one worker."""

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Final

from notifications.sqlite import use_fixed_sqlite
from tests.benchmarks.lab import Lab, on_core
from tests.benchmarks.needs import lacks
from tests.benchmarks.payload import BODY
from tests.benchmarks.steady import Posted, Steady
from tests.benchmarks.table import Row, at_most, unmeasured
from tests.benchmarks.timing import microseconds
from tests.support.postgres import Postgres
from tests.support.processes import Site
from tests.support.wait import wait_for

STOPPED: Final = "captures with the database away: PostgreSQL stopped"
LOCKED: Final = "captures with the database away: SQLite FULL locked"
OUTAGE: Final = "30 s without database at 200 requests a second"
PRESENT: Final = "p99 of the same requests with it present"
#: Requests a second.
RATE: Final = 200


def rows(lab: Lab) -> Iterator[Row]:
    if why := lacks("postgresql"):
        yield from (unmeasured(path, why) for path in (STOPPED, LOCKED, OUTAGE))
        return
    with Postgres() as own:
        yield _stopped(lab, own)
        yield _locked(lab)
        yield _outage(lab, own)


def _stopped(lab: Lab, own: Postgres) -> Row:
    site = lab.site(DATABASE_URL=own.create_database("stopped"))
    return _compare(lab, site, STOPPED, own.stop, own.start)


def _locked(lab: Lab) -> Row:
    site = lab.site(SQLITE_SYNCHRONOUS="FULL")
    with closing(_connect(site.folder / "state" / "proppy.sqlite3")) as other:
        return _compare(lab, site, LOCKED, lambda: other.execute("BEGIN IMMEDIATE"), lambda: other.execute("ROLLBACK"))


def _compare(lab: Lab, site: Site, path: str, leave: Callable[[], object], come: Callable[[], object]) -> Row:
    """In turn, so that both meet the same load of the machine."""
    with on_core(0):
        site.start("web")
    client = Steady(site.port, "/in/demo/", rate=RATE, body=BODY)
    present, away = [], []
    for turn in range(-1, lab.rounds(3)):  # the first warms up
        with_it = _all_taken(_post(client, lab.seconds(5)))
        leave()
        _post(client, 1)  # it finds out
        without = _all_taken(_post(client, lab.seconds(5)))
        come()
        _post(client, lab.seconds(4))
        if turn >= 0:
            present.append(microseconds(with_it.times, 0.99))
            away.append(microseconds(without.times, 0.99))
    site.terminate("web")
    ours, theirs = median(away), median(present)
    text = f"p99 {ours / 1000:.1f} ms; present {theirs / 1000:.1f} ms; {RATE} requests a second, 1 kB"
    return at_most(path, PRESENT, ours / theirs, 2, text)


def _outage(lab: Lab, own: Postgres) -> Row:
    site = lab.site(DATABASE_URL=own.create_database("outage"))
    site.start("web")
    site.start("process_raw")
    client = Steady(site.port, "/in/demo/", rate=RATE, body=BODY)
    before = _post(client, lab.seconds(3))
    own.stop("fast")
    meanwhile = _post(client, lab.seconds(30))
    own.start()
    after = _post(client, lab.seconds(3))
    counts = [len(posted.times) for posted in (before, meanwhile, after)]
    answers = before.answers + meanwhile.answers + after.answers
    errors = sum(answers.values()) - answers["202"]
    wait_for(lambda: not any((site.folder / "state" / "spool").iterdir()), timeout=120, message="an empty spool")
    stored, different = _stored(own)
    site.terminate("process_raw")
    site.terminate("web")
    wrong = errors + abs(stored - sum(counts)) + stored - different
    text = f"{errors} errors; of {sum(counts)} ({counts[1]} without it) {stored} stored, {different} different; "
    text += f"p99 {microseconds(meanwhile.times, 0.99) / 1000:.1f} ms without it"
    return Row(OUTAGE, "0 errors, each stored once", "each once", f"{different} messages", wrong == 0, text)


def _post(client: Steady, seconds: float) -> Posted:
    with on_core(1):
        return client.post(seconds)


def _all_taken(posted: Posted) -> Posted:
    if set(posted.answers) != {"202"}:
        raise RuntimeError(f"not all were taken: {dict(posted.answers)}")
    return posted


def _stored(own: Postgres) -> tuple[int, int]:
    """Payloads, and how many different bodies."""
    import psycopg

    query = "SELECT count(*), count(DISTINCT digest) FROM notifications_rawpayload"
    with psycopg.connect(own.url.rpartition("/")[0] + "/outage") as connection:
        row = connection.execute(query.encode()).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def _connect(path: Path) -> sqlite3.Connection:
    use_fixed_sqlite()  # that of the site: two libraries must not share a file
    connection: sqlite3.Connection = sys.modules["sqlite3"].connect(path, isolation_level=None)
    return connection
