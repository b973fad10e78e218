"""`keep()` and `capture()` as requests call them, and the driver's INSERT of the rows that they wrote, in turn."""

import shutil
import uuid
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Any, Final

from django.db import connection

from notifications import capture, keep
from notifications.store.insert import COLUMNS as OF_A_RECORD
from notifications.wsgi import Request
from tests.benchmarks.filling import TABLE
from tests.benchmarks.payload import CONTENT_TYPE, HEADERS, body
from tests.benchmarks.request import request
from tests.benchmarks.rounds import interleaved
from tests.benchmarks.timing import PAUSE, empty_times, microseconds, time_each

Row = tuple[Any, ...]
Insert = Callable[[Row], object]

COLUMNS: Final = ["attempts", *OF_A_RECORD]
#: Few, so that all meet the same load; more than one, since another connection's commit empties SQLite's cache.
IN_A_ROW: Final = 20
RECEIPT: Final = COLUMNS.index("receipt")


def run(*, rounds: int, calls: int, size: int) -> dict[str, list[float]]:
    """Medians in µs, by round; "plain": an INSERT without secondary indexes, on SQLite beside the same rows."""
    data = body(size)
    insert, plain = _on_sqlite() if connection.vendor == "sqlite" else _on_postgresql()
    #: By name: what is called, and what gives so many arguments.
    measures: dict[str, tuple[Callable[[Any], object], Callable[[int], Iterable[Any]]]] = {
        "keep": (partial(_keep, data), range),
        "capture": (_capture, lambda count: [request(data, "demo") for _ in range(count)]),
        "insert": (insert, _last_rows),
        "plain": (plain, _last_rows),
    }

    def medians() -> list[float]:
        times = {name: empty_times(calls) for name in measures}
        for start in range(0, calls, IN_A_ROW):
            for name, (function, arguments) in measures.items():
                time_each(function, arguments(min(IN_A_ROW, calls)), times[name], start, pause=PAUSE)
        return [microseconds(each) for each in times.values()]

    (by_round,) = interleaved(rounds, medians)
    return {name: list(column) for name, column in zip(measures, zip(*by_round, strict=True), strict=True)}


def _keep(data: bytes, _: int) -> None:
    keep("bench", data, content_type=CONTENT_TYPE, headers=HEADERS)


def _capture(post: Request) -> None:
    capture(post, "demo")


def _last_rows(count: int) -> list[Row]:
    """As the database has them, but each with a receipt of its own."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(COLUMNS)} FROM {TABLE} ORDER BY id DESC LIMIT {count}")
        return [_renewed(row) for row in cursor.fetchall()]


def _renewed(row: Row) -> Row:
    values = list(row)
    values[RECEIPT] = uuid.uuid4()
    if connection.vendor == "sqlite":
        values[RECEIPT] = values[RECEIPT].hex
        values = [str(value.replace(tzinfo=None)) if isinstance(value, datetime) else value for value in values]
    return tuple(values)


def _on_sqlite() -> tuple[Insert, Insert]:
    """INSERT and COMMIT with the library, the file and the pragmas of the site."""
    import sqlite3  # which notifications.sqlite may have replaced

    paths = _with_a_copy(connection.settings_dict["NAME"])
    bare, plain = (sqlite3.connect(path, isolation_level=None) for path in paths)
    for each in (bare, plain):
        each.executescript(connection.settings_dict["OPTIONS"]["init_command"])
    names = "SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL"
    for (name,) in plain.execute(names, [TABLE.strip('"')]).fetchall():
        plain.execute(f"DROP INDEX {name}")
    statement = _insert_into(TABLE, "?")
    return partial(bare.execute, statement), partial(plain.execute, statement)


def _with_a_copy(path: str) -> tuple[str, str]:
    """The path of a SQLite file, and of a copy. No VACUUM INTO: a full page of an index splits at the next INSERT."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path, shutil.copy(path, f"{path}-copy")


def _on_postgresql() -> tuple[Insert, Insert]:
    """An autocommit INSERT."""
    import psycopg

    bare = psycopg.connect(**connection.get_connection_params() | {"cursor_factory": None}, autocommit=True)
    bare.execute(f"CREATE TABLE IF NOT EXISTS plain (LIKE {TABLE} INCLUDING DEFAULTS INCLUDING IDENTITY)".encode())

    def into(table: str) -> Insert:
        statement = _insert_into(table, "%s").encode()
        return lambda row: bare.execute(statement, row)

    return into(TABLE), into("plain")


def _insert_into(table: str, placeholder: str) -> str:
    return f"INSERT INTO {table} ({', '.join(COLUMNS)}) VALUES ({', '.join([placeholder] * len(COLUMNS))})"
