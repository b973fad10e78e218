"""Stores bytes that must not be lost: `keep()` for your own. `capture()` ends in the same `store()`."""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

from django.db.backends.base.base import BaseDatabaseWrapper

from notifications.database.transactions import connection_for_rows
from notifications.http.idempotency import receipt_for
from notifications.intake import quota
from notifications.intake.arguments import check_arguments, configured, due_time
from notifications.intake.request_body import without_credentials
from notifications.store import insert
from notifications.store.database_or_spool import check_disk, put, waits_in_spool
from notifications.store.new_payload import Record, digest_of, dump_headers
from notifications.store.wake_workers import notifier, wake
from notifications.utils.clean_text import clean, clean_texts


def keep(
    source: str,
    body: bytes,
    *,
    content_type: str = "",
    headers: Mapping[str, str] | None = None,
    key: str | None = None,
    not_before: datetime | None = None,
) -> uuid.UUID:
    """Store bytes for the handler of `source`. Returns the receipt once they are on disk.

    The same source and `key` return the same receipt, so a repetition is harmless. `not_before` is an aware datetime:
    no attempt starts earlier. Inside a transaction the bytes are committed or rolled back with it. Outside, they wait
    in the spool while the database is away. Bytes that the database refuses for good go there too; the import sets
    them aside. Raises UnknownSource, KeyReused, NowhereToStore, TypeError or ValueError for invalid arguments, and
    inside a transaction the database's errors.
    """
    check_arguments(source, body, content_type, headers, key)
    due_at = due_time(not_before)
    configured(source)
    stored = without_credentials(headers) if headers else {}
    db = connection_for_rows()
    if db.in_atomic_block:
        check_disk(db)
    return store(source, body, key, due_at, db=db, content_type=content_type, headers=stored, checks_disk=True)


def store(
    source: str,
    body: bytes,
    key: str | None,
    not_before: datetime | None = None,
    *,
    db: BaseDatabaseWrapper,
    headers: Mapping[str, str],
    quarantined_for: str = "",
    checks_disk: bool = False,
    **columns: str,
) -> uuid.UUID:
    """Store a new payload in the caller's transaction, or else in the database or the spool, and wake the workers."""
    now = datetime.now(UTC)
    record = Record(
        # An unverified sender must not claim the key's receipt.
        receipt=receipt_for(source, None if quarantined_for else key),
        source=source,
        body=body,
        digest=digest_of(body),
        received_at=now,
        next_attempt_at=not_before or now,
        headers_json=dump_headers(headers),
        idempotency_key=key or "",
        quarantined_for=clean(quarantined_for) if quarantined_for else "",
        **clean_texts(columns),
    )
    if db.in_atomic_block:
        waits_in_spool(record)  # raises KeyReused
        insert.insert(record, db)
        notifier.notify(db)
        db.on_commit(wake)
    else:
        put(record, db, checks_disk=checks_disk)
        wake()
    if quarantined_for:
        quota.note_quarantined(source)
    return record.receipt
