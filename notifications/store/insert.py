"""Writes a record as a RawPayload row: one INSERT, without the ORM, which costs ten times as much (docs/facts.md)."""

import uuid
from functools import cache
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

from notifications.database.fast_sql import execute, fetch_all, table_of, time_value, uuid_value
from notifications.errors import KeyReused
from notifications.store.new_payload import Record
from notifications.store.wake_workers import NOTIFY_CHANNEL

#: The columns that a record fills, as `values_of()` has them. The others get a constant or NULL.
COLUMNS: Final = (
    *("receipt", "source", "state", "received_at", "next_attempt_at", "size", "digest", "content_type", "method"),
    *("path", "query", "remote_addr", "idempotency_key", "error", "headers_json", "inline_body"),
)


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
        f"INSERT INTO {table_of(RawPayload)} (attempts, {', '.join(COLUMNS)})"
        f" VALUES (0, {', '.join(['%s'] * len(COLUMNS))}) ON CONFLICT (receipt) DO NOTHING"
    )
    return f"WITH new AS ({sql} RETURNING 1) SELECT pg_notify('{NOTIFY_CHANNEL}', '') FROM new" if notifies else sql


def values_of(record: Record, db: BaseDatabaseWrapper) -> list[Any]:
    """The parameters of the INSERT. A time costs as much as all others, so the same time is adapted once."""
    due = arrived = time_value(db, record.received_at)
    if record.next_attempt_at is not record.received_at:
        due = time_value(db, record.next_attempt_at)
    return [
        uuid_value(db, record.receipt),
        record.source,
        "quarantined" if record.quarantined_for else "received",
        arrived,
        None if record.quarantined_for else due,
        len(record.body),
        record.digest,
        record.content_type,
        record.method,
        record.path,
        record.query,
        record.remote_addr,
        record.idempotency_key,
        record.quarantined_for,
        record.headers_json,
        record.body,
    ]


def has_other_bytes(record: Record, db: BaseDatabaseWrapper) -> bool:
    """Whether a row has the record's receipt and another body. Raises database errors."""
    return _digest(record.receipt, db) not in {None, record.digest}


def _digest(receipt: uuid.UUID, db: BaseDatabaseWrapper) -> str | None:
    from notifications.models import RawPayload

    rows = fetch_all(db, f"SELECT digest FROM {table_of(RawPayload)} WHERE receipt = %s", [uuid_value(db, receipt)])
    return rows[0][0] if rows else None
