"""Statements that run for every payload, past Django's cursor, which costs as much as they do.

On SQLite it translates the placeholders of each statement anew; on PostgreSQL it binds on the client, so that the
server gets the whole body as text, parses and plans it each time.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any


def execute(db: Any, sql: str, values: Sequence[Any]) -> Any:
    """Execute on a Django connection; gives the driver's cursor. Placeholders are %s. Raises Django's database errors.

    Times and UUIDs are given as `time_value` and `uuid_value` make them.
    """
    db.close_if_health_check_failed()
    db.ensure_connection()
    db.validate_no_broken_transaction()
    with db.wrap_database_errors:
        if db.vendor == "sqlite":
            return db.connection.execute(_with_question_marks(sql), values)
        from psycopg import Cursor  # not there, where only SQLite is used

        return Cursor(db.connection).execute(sql, values)


def execute_last(db: Any, sql: str, values: Sequence[Any]) -> Any:
    """`execute()` for the last statement of a transaction, with nothing to come but its commit.

    Where nothing came before it either, PostgreSQL commits it by itself: one round trip instead of three.
    """
    if db.vendor != "postgresql" or not _has_not_begun(db.connection):
        return execute(db, sql, values)
    driver = db.connection
    driver.autocommit = True
    try:
        return execute(db, sql, values)
    finally:
        if not driver.closed:  # Django goes on to commit, which is nothing to do now
            driver.autocommit = False


def _has_not_begun(driver: Any) -> bool:
    """psycopg sends BEGIN with the first statement; where it is to send none, each statement is on its own anyway."""
    from psycopg.pq import TransactionStatus

    return driver is not None and not driver.autocommit and driver.info.transaction_status == TransactionStatus.IDLE


def time_value(db: Any, value: Any) -> Any:
    """An aware datetime as the database takes it; None stays None."""
    return None if value is None else db.ops.adapt_datetimefield_value(value)


def uuid_value(db: Any, value: Any) -> Any:
    """A UUID as the database takes it; None stays None."""
    return value if value is None or db.features.has_native_uuid_field else value.hex


@cache
def _with_question_marks(sql: str) -> str:
    return sql.replace("%s", "?")
