"""`keep()`, and a bare INSERT of the very rows that it wrote into the same table elsewhere, in turn."""

from collections.abc import Callable
from typing import Any, Final

import psycopg
from django.db import connection

from notifications import keep
from notifications.store.insert import VALUES
from tests.benchmarks.filling import TABLE
from tests.benchmarks.payload import BODY, CONTENT_TYPE
from tests.benchmarks.timing import empty_times, microseconds, time_each

Row = tuple[Any, ...]

COLUMNS: Final = ["attempts", *VALUES]


def run(*, rounds: int, calls: int, elsewhere: str) -> dict[str, float]:
    """Times in µs. `elsewhere`: a file for SQLite, the URL of the same database for PostgreSQL."""
    insert = _into_sqlite(elsewhere) if connection.vendor == "sqlite" else _into_postgresql(elsewhere)
    keeps, inserts = empty_times(rounds * calls), empty_times(rounds * calls)
    for turn in range(-1, rounds):  # the first warms up
        start = max(turn, 0) * calls
        time_each(_keep, range(calls), keeps, start)
        time_each(insert, _last_rows(calls), inserts, start)
    return {
        "keep": microseconds(keeps),
        "keep_p99": microseconds(keeps, 0.99),
        "insert": microseconds(inserts),
        "insert_p99": microseconds(inserts, 0.99),
    }


def _keep(_: int) -> None:
    keep("bench", BODY, content_type=CONTENT_TYPE)


def _last_rows(count: int) -> list[Row]:
    return _fetch(f"SELECT {', '.join(COLUMNS)} FROM {TABLE} ORDER BY id DESC LIMIT {count}")


def _fetch(query: str) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return [tuple(row) for row in cursor.fetchall()]


def _into_sqlite(path: str) -> Callable[[Row], None]:
    """INSERT and COMMIT with the library and the pragmas of the site, into a table with the same indexes."""
    import sqlite3  # which notifications.sqlite may have replaced

    bare = sqlite3.connect(path)
    bare.executescript(connection.settings_dict["OPTIONS"]["init_command"])
    name = TABLE.strip('"')
    for (definition,) in _fetch(f"SELECT sql FROM sqlite_master WHERE tbl_name = '{name}' AND sql IS NOT NULL"):
        bare.execute(definition)
    statement = _insert_into(TABLE, "?")

    def insert(row: Row) -> None:
        bare.execute(statement, row)
        bare.commit()

    return insert


def _into_postgresql(url: str) -> Callable[[Row], None]:
    """An autocommit INSERT into a table with the same indexes."""
    bare = psycopg.connect(url, autocommit=True)
    bare.execute(f"CREATE TABLE bare (LIKE {TABLE} INCLUDING ALL)")
    statement = _insert_into("bare", "%s").encode()

    def insert(row: Row) -> None:
        bare.execute(statement, row)

    return insert


def _insert_into(table: str, placeholder: str) -> str:
    return f"INSERT INTO {table} ({', '.join(COLUMNS)}) VALUES ({', '.join([placeholder] * len(COLUMNS))})"
