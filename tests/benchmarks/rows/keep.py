"""`keep()` in process."""

from collections.abc import Iterator
from typing import Final

from tests.benchmarks.lab import Lab
from tests.benchmarks.needs import lacks
from tests.benchmarks.table import Row, at_most, reported, unmeasured

POSTGRESQL: Final = "`keep()` in process, PostgreSQL"


def rows(lab: Lab) -> Iterator[Row]:
    yield _sqlite(lab, "NORMAL", rounds=20)
    yield _sqlite(lab, "FULL", rounds=10)
    if why := lacks("postgresql"):
        yield unmeasured(POSTGRESQL, why)
        return
    url = lab.database()
    numbers = _measure(lab, 10, url, DATABASE_URL=url)
    ratio = numbers["keep"] / numbers["insert"]
    yield at_most(POSTGRESQL, "psycopg autocommit INSERT of the same row", ratio, 1.3, _text(**numbers))


def _sqlite(lab: Lab, synchronous: str, rounds: int) -> Row:
    numbers = _measure(lab, rounds, "", SQLITE_SYNCHRONOUS=synchronous)
    path, limit = f"`keep()` in process, SQLite {synchronous}", "`sqlite3` INSERT + COMMIT of the same row"
    ratio, text = numbers["keep"] / numbers["insert"], _text(**numbers)
    return at_most(path, limit, ratio, 3, text) if synchronous == "NORMAL" else reported(path, limit, ratio, text)


def _measure(lab: Lab, rounds: int, elsewhere: str, **env: str) -> dict[str, float]:
    site = lab.site(**env)
    where = elsewhere or str(site.folder / "state" / "bare.sqlite3")
    return lab.inside(site, "keep", rounds=rounds, calls=lab.count(250), elsewhere=where)


def _text(*, keep: float, keep_p99: float, insert: float, insert_p99: float) -> str:
    return f"median {keep:.0f} µs (p99 {keep_p99:.0f}); INSERT {insert:.0f} µs (p99 {insert_p99:.0f}); 1 kB"
