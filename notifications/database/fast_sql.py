"""Statements that run for every payload, without Django's cursor, which costs as much as they do.

On SQLite it translates the placeholders of each statement again. On PostgreSQL it binds on the client, so the server
gets the whole body as text, and parses and plans it each time.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar, cast
from zoneinfo import ZoneInfo

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

T = TypeVar("T", bound=Model)


def execute(db: BaseDatabaseWrapper, sql: str, values: Sequence[Any]) -> Any:
    """Execute on a Django connection; returns the driver's cursor. Placeholders are %s. Raises Django's errors.

    Pass times and UUIDs through `time_value` and `uuid_value`.
    """
    db.close_if_health_check_failed()
    db.ensure_connection()  # also what refuses on an event loop, and in a test that may not use the database
    db.validate_no_broken_transaction()
    with db.wrap_database_errors:
        if db.vendor == "sqlite":
            return db.connection.execute(with_question_marks(sql), values)
        from psycopg import Cursor  # not installed if only SQLite is used

        return Cursor(db.connection).execute(sql, values)


def fetch_all(db: BaseDatabaseWrapper, sql: str, values: Sequence[Any]) -> list[Any]:
    """Execute, and return all rows. Raises Django's errors: on a full disk SQLite fails while rows are read."""
    cursor = execute(db, sql, values)
    with db.wrap_database_errors:
        rows: list[Any] = cursor.fetchall()
    return rows


def fetch_models(
    db: BaseDatabaseWrapper, model: type[T], condition: str, values: Sequence[Any], *, without: str = ""
) -> list[T]:
    """Its rows with this WHERE as objects, as the ORM makes them; the column `without` is deferred.

    Raises Django's errors.
    """
    names = tuple(field.attname for field in model._meta.concrete_fields if field.attname != without)
    columns = ", ".join(f'"{name}"' for name in names)
    rows = fetch_all(db, f"SELECT {columns} FROM {table_of(model)} WHERE {condition}", values)
    known = _known_converters(db)
    converters = known.get((model, names))
    if converters is None:
        converters = known[model, names] = _converters(db, model, names)
    found = []
    for row in rows:
        found_values = list(row)
        for place, column, convert in converters:
            found_values[place] = convert(found_values[place], column, db)
        found.append(model.from_db(db.alias, names, found_values))
    return found


def _known_converters(db: BaseDatabaseWrapper) -> dict[Any, list[tuple[int, Any, Any]]]:
    """By model and columns. Kept with the connection, which they belong to; a test may change its time zone."""
    known, zone = vars(db).get("converters", ({}, db.timezone))
    if zone != db.timezone:
        known = {}
    db.converters = known, db.timezone  # type: ignore[attr-defined]  # ours
    return cast("dict[Any, list[tuple[int, Any, Any]]]", known)


def _converters(db: BaseDatabaseWrapper, model: type[Model], names: tuple[str, ...]) -> list[tuple[int, Any, Any]]:
    """What makes values of Python's of the driver's: place, column, function."""
    found = list[tuple[int, Any, Any]]()
    fields = {field.attname: field for field in model._meta.concrete_fields}
    for place, name in enumerate(names):
        column: Any = fields[name].get_col(model._meta.db_table)
        converters = (*db.ops.get_db_converters(column), *column.get_db_converters(db))
        found.extend((place, column, convert) for convert in converters)
    return found


def execute_last(db: BaseDatabaseWrapper, sql: str, values: Sequence[Any]) -> Any:
    """`execute()` for the last statement of a transaction: only the commit follows.

    If it is also the first, PostgreSQL commits it by itself: one round trip instead of three.
    """
    if db.vendor != "postgresql" or not _has_not_begun(db.connection):
        return execute(db, sql, values)
    driver = db.connection
    driver.autocommit = True
    try:
        return execute(db, sql, values)
    finally:
        if not driver.closed:  # Django commits next, which does nothing now
            driver.autocommit = False


def _has_not_begun(driver: Any) -> bool:
    """psycopg sends BEGIN with the first statement; with autocommit it sends none, and each statement is on its own."""
    from psycopg.pq import TransactionStatus

    return driver is not None and not driver.autocommit and driver.info.transaction_status == TransactionStatus.IDLE


def table_of(model: type[Model]) -> str:
    """The quoted name of its table. A project may give the engine a label of its own, and so other tables."""
    return f'"{model._meta.db_table}"'


def time_value(db: BaseDatabaseWrapper, value: Any) -> Any:
    """An aware datetime as the database takes it; None stays None. `aware_time` is the inverse.

    Where USE_TZ is False Django has no way to store it in SQLite. We write UTC, which no end of summer time repeats.
    """
    if value is None:
        return None
    if db.vendor == "sqlite" and (db.timezone is None or db.timezone is value.tzinfo is UTC):
        return str((value if value.tzinfo is UTC else value.astimezone(UTC)).replace(tzinfo=None))
    return db.ops.adapt_datetimefield_value(value)


def aware_time(db: BaseDatabaseWrapper, value: datetime | None) -> datetime | None:
    """A time as the driver returns it, as an aware datetime. Drivers return naive ones where USE_TZ is False."""
    if value is None or value.tzinfo is not None:
        return value
    if db.vendor == "sqlite":
        return value.replace(tzinfo=db.timezone or UTC).astimezone(UTC)
    return value.replace(tzinfo=ZoneInfo(db.timezone_name)).astimezone(UTC)


def uuid_value(db: BaseDatabaseWrapper, value: Any) -> Any:
    """A UUID as the database takes it; None stays None."""
    return value if value is None or db.features.has_native_uuid_field else value.hex


@cache
def with_question_marks(sql: str) -> str:
    """The statement with SQLite's placeholders."""
    return sql.replace("%s", "?")
