"""`keep()` and `capture()` as requests call them, and the driver's INSERT of the rows that they wrote, in turn."""

import uuid
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any, Final

from django.db import connection

from notifications import capture, keep
from notifications.store.insert import VALUES
from notifications.wsgi import Request
from tests.benchmarks.filling import TABLE
from tests.benchmarks.payload import CONTENT_TYPE, HEADERS, body
from tests.benchmarks.request import request
from tests.benchmarks.rounds import interleaved
from tests.benchmarks.timing import PAUSE, empty_times, microseconds, time_each

Row = tuple[Any, ...]
Insert = Callable[[Row], object]

COLUMNS: Final = ["attempts", *VALUES]
RECEIPT: Final = COLUMNS.index("receipt")


def run(*, rounds: int, calls: int, size: int) -> dict[str, list[float]]:
    """Medians in µs, by round; "plain" is an INSERT into a table without secondary indexes."""
    data = body(size)
    insert, plain = _on_sqlite() if connection.vendor == "sqlite" else _on_postgresql()
    measures = {
        "keep": lambda: _median(partial(_keep, data), list(range(calls))),
        "capture": lambda: _median(_capture, [request(data, "demo") for _ in range(calls)]),
        "insert": lambda: _median(insert, _last_rows(calls)),
        "plain": lambda: _median(plain, _last_rows(calls)),
    }
    return dict(zip(measures, interleaved(rounds, *measures.values()), strict=True))


def _median(function: Callable[[Any], object], arguments: list[Any]) -> float:
    times = empty_times(len(arguments))
    time_each(function, arguments, times, pause=PAUSE)
    return microseconds(times)


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

    bare = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    bare.executescript(connection.settings_dict["OPTIONS"]["init_command"])
    definition = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?"
    (table,) = bare.execute(definition, [TABLE.strip('"')]).fetchone()
    bare.execute(table.replace(f"CREATE TABLE {TABLE}", "CREATE TABLE IF NOT EXISTS plain", 1))

    def into(table: str) -> Insert:
        statement = _insert_into(table, "?")
        return lambda row: bare.execute(statement, row)

    return into(TABLE), into("plain")


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
