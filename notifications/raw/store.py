"""Writes a record as a RawPayload row: one INSERT, without the ORM, which costs nine times as much (FACTS)."""

import uuid
from typing import Any, Final

from django.db import DEFAULT_DB_ALIAS, connections

from notifications.errors import KeyReused
from notifications.raw.record import Record
from notifications.sql import execute, time_value, uuid_value

COLUMNS: Final = (
    "receipt, source, state, attempts, received_at, next_attempt_at, size, digest, content_type, method, path, query,"
    " remote_addr, idempotency_key, error, headers_json, inline_body"
)
INSERT: Final = (
    f"INSERT INTO notifications_rawpayload ({COLUMNS})"
    " VALUES (%s, %s, %s, 0, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
    " ON CONFLICT (receipt) DO NOTHING"
)
#: Milliseconds to wait for a locked SQLite before the spool is faster.
LOCKED_MS: Final = 250


def connection() -> Any:
    """The connection of this thread to the engine's database, which is `default`: all its effects are in one."""
    return connections[DEFAULT_DB_ALIAS]


def insert(record: Record, db: Any) -> bool:
    """Insert a record. Gives False when a row with its receipt and body is there already.

    Raises KeyReused when the row that is there has another body, and what the database raises.
    """
    inserted = bool(execute(db, INSERT, _values(record, db)).rowcount)
    if not inserted and _digest(record.receipt, db) not in {None, record.digest}:
        raise KeyReused(f"{record.source}: the key {record.idempotency_key!r} came before with another body")
    return inserted


def insert_soon(record: Record, db: Any) -> bool:
    """`insert()` that gives up on a locked SQLite after a quarter of a second."""
    if db.vendor == "sqlite":
        _be_impatient(db)
    return insert(record, db)


def _be_impatient(db: Any) -> None:
    """Shorten SQLite's busy timeout until the next statement of anybody else's, who may want to wait."""
    db.ensure_connection()
    if getattr(db, "impatient_connection", None) is not db.connection:  # a new one starts out patient
        db.impatient_connection = db.connection
        db.connection.execute(f"PRAGMA busy_timeout = {LOCKED_MS}")
        if _be_patient_again not in db.execute_wrappers:
            db.execute_wrappers.append(_be_patient_again)


def _be_patient_again(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """A wrapper of Django's (see "database instrumentation"): runs once, before the next statement by its cursors."""
    db = context["connection"]
    db.execute_wrappers.remove(_be_patient_again)
    db.impatient_connection = None
    db.connection.execute(f"PRAGMA busy_timeout = {int(db.settings_dict['OPTIONS'].get('timeout', 5.0) * 1000)}")
    return execute(sql, params, many, context)


def _values(record: Record, db: Any) -> tuple[Any, ...]:
    received_at = next_attempt_at = time_value(db, record.received_at)
    if record.next_attempt_at is not record.received_at:
        next_attempt_at = time_value(db, record.next_attempt_at)
    return (
        uuid_value(db, record.receipt),
        record.source,
        "quarantined" if record.quarantined_for else "received",
        received_at,
        None if record.quarantined_for else next_attempt_at,
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
    )


def _digest(receipt: uuid.UUID, db: Any) -> str | None:
    from notifications.models import RawPayload

    rows = RawPayload.objects.using(db.alias).filter(receipt=receipt)
    return rows.values_list("digest", flat=True).first()
