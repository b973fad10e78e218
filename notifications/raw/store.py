"""Writes a record as a RawPayload row: one INSERT, without the ORM, which costs nine times as much (FACTS)."""

import time
import uuid
from collections.abc import Callable
from typing import Any, Final, TypeVar

from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connections

from notifications.deadline import deadline
from notifications.errors import KeyReused
from notifications.patience import impatient
from notifications.raw.record import Record
from notifications.sql import execute, time_value, uuid_value

T = TypeVar("T")

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
#: …and where it was locked the last time: those behind this one wait too.
STILL_LOCKED_MS: Final = 5
#: Seconds to wait for the answer of a PostgreSQL.
LONGEST_STATEMENT: Final = 1.0
#: Bytes a second that a link to it carries at least.
SLOWEST: Final = 4 * 1024 * 1024


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


def soon(db: Any, work: Callable[[], T], *, failed_before: bool = False, size: int = 0) -> T:
    """What `work` gives: statements on this connection, which may run twice.

    Gives up on a locked SQLite after a quarter of a second, at once if it `failed_before`; and on a PostgreSQL that
    takes a statement and does not answer after a second, or longer where `size` bytes are on their way. A kept
    connection to PostgreSQL that turns out to be lost is made anew, once. Raises what the database raises, and OSError.
    Inside a transaction it waits as the caller's own statements do.
    """
    if db.in_atomic_block:
        return work()
    if db.vendor == "sqlite":
        _be_impatient(db, STILL_LOCKED_MS if failed_before else LOCKED_MS)
    if db.vendor != "postgresql":
        return work()
    with impatient():
        return _soon_on_postgresql(db, work, LONGEST_STATEMENT + size / SLOWEST)


def _soon_on_postgresql(db: Any, work: Callable[[], T], longest: float) -> T:
    if db.connection is not None:
        started = time.monotonic()
        db.health_check_done = True  # the statement itself shows whether it lives, and costs no second round trip
        try:
            with deadline(longest, db):
                return work()
        except (OperationalError, InterfaceError):
            hangs = time.monotonic() - started >= longest
            if hangs or db.connection is None or not db.connection.closed:
                raise
        db.close()
    with deadline(longest, db):
        return work()


def _be_impatient(db: Any, milliseconds: int) -> None:
    """Shorten SQLite's busy timeout until the next statement of anybody else's, who may want to wait."""
    if db.connection is None:
        _connect_impatiently(db, milliseconds)
    impatient = db.connection, milliseconds
    if getattr(db, "impatient", None) != impatient:  # a new connection starts out patient
        db.impatient = impatient
        db.connection.execute(f"PRAGMA busy_timeout = {milliseconds}")
        if _be_patient_again not in db.execute_wrappers:
            db.execute_wrappers.append(_be_patient_again)


def _connect_impatiently(db: Any, milliseconds: int) -> None:
    patient = db.settings_dict
    db.settings_dict = patient | {"OPTIONS": patient["OPTIONS"] | {"timeout": milliseconds / 1000}}
    try:
        db.ensure_connection()
    finally:
        db.settings_dict = patient


def _be_patient_again(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """A wrapper of Django's (see "database instrumentation"): runs once, before the next statement by its cursors."""
    db = context["connection"]
    db.execute_wrappers.remove(_be_patient_again)
    db.impatient = None
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
