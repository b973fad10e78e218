"""Writes a record as a RawPayload row: one INSERT, without the ORM, which costs ten times as much (docs/facts.md)."""

import uuid
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

from notifications.database.fast_sql import execute, fetch_all, table_of, time_value, uuid_value
from notifications.errors import KeyReused
from notifications.store.new_payload import Record
from notifications.store.wake_workers import NOTIFY_CHANNEL

#: Each column of a new row, and its value from a record. The other columns get a constant or NULL. `arrived` is
#: received_at as the database takes it: to make it costs as much as all other values together.
VALUES: Final[dict[str, Callable[[Record, BaseDatabaseWrapper, Any], Any]]] = {
    "receipt": lambda record, db, arrived: uuid_value(db, record.receipt),
    "source": lambda record, db, arrived: record.source,
    "state": lambda record, db, arrived: "quarantined" if record.quarantined_for else "received",
    "received_at": lambda record, db, arrived: arrived,
    "next_attempt_at": lambda record, db, arrived: None if record.quarantined_for else _due_at(record, db, arrived),
    "size": lambda record, db, arrived: len(record.body),
    "digest": lambda record, db, arrived: record.digest,
    "content_type": lambda record, db, arrived: record.content_type,
    "method": lambda record, db, arrived: record.method,
    "path": lambda record, db, arrived: record.path,
    "query": lambda record, db, arrived: record.query,
    "remote_addr": lambda record, db, arrived: record.remote_addr,
    "idempotency_key": lambda record, db, arrived: record.idempotency_key,
    "error": lambda record, db, arrived: record.quarantined_for,
    "headers_json": lambda record, db, arrived: record.headers_json,
    "inline_body": lambda record, db, arrived: record.body,
}


def insert(record: Record, db: BaseDatabaseWrapper, *, notifies: bool = False) -> bool:
    """Insert a record. Returns False if a row with its receipt and body exists already.

    `notifies`: PostgreSQL sends a NOTIFY with the commit. Raises KeyReused if that row has another body, and database
    errors.
    """
    inserted = bool(execute(db, statement(notifies=notifies), values_of(record, db)).rowcount)
    if not inserted and has_other_bytes(record, db):
        raise KeyReused(f"{record.source}: the key {record.idempotency_key!r} came before with another body")
    return inserted


@cache
def statement(*, notifies: bool = False) -> str:
    """The INSERT. On PostgreSQL with a NOTIFY if there was no such row: one round trip and one commit."""
    from notifications.models import RawPayload  # not at import: `keep` can be imported before there are models

    sql = (
        f"INSERT INTO {table_of(RawPayload)} (attempts, {', '.join(VALUES)})"
        f" VALUES (0, {', '.join(['%s'] * len(VALUES))}) ON CONFLICT (receipt) DO NOTHING"
    )
    return f"WITH new AS ({sql} RETURNING 1) SELECT pg_notify('{NOTIFY_CHANNEL}', '') FROM new" if notifies else sql


def values_of(record: Record, db: BaseDatabaseWrapper) -> list[Any]:
    """The parameters of the INSERT."""
    arrived = time_value(db, record.received_at)
    return [value_of(record, db, arrived) for value_of in VALUES.values()]


def _due_at(record: Record, db: BaseDatabaseWrapper, arrived: Any) -> Any:
    return arrived if record.next_attempt_at is record.received_at else time_value(db, record.next_attempt_at)


def has_other_bytes(record: Record, db: BaseDatabaseWrapper) -> bool:
    """Whether a row has the record's receipt and another body. Raises database errors."""
    return _digest(record.receipt, db) not in {None, record.digest}


def _digest(receipt: uuid.UUID, db: BaseDatabaseWrapper) -> str | None:
    from notifications.models import RawPayload

    rows = fetch_all(db, f"SELECT digest FROM {table_of(RawPayload)} WHERE receipt = %s", [uuid_value(db, receipt)])
    return rows[0][0] if rows else None
