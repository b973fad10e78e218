"""Stores bytes that must not be lost: `keep()` for your own, `capture()` for the body of a request."""

import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from django.http import HttpRequest

from notifications.bodies.storage import LARGE
from notifications.conf import Source, conf
from notifications.database import bounded_wait
from notifications.errors import BadRequest, SignatureRefused, UnknownSource
from notifications.http.idempotency import receipt_for
from notifications.http.rate_limits import check_source_rate
from notifications.http.signatures import BadSignature, verify
from notifications.intake import quota
from notifications.intake.request_body import read_body, stored_headers, without_credentials
from notifications.proxies import client_address
from notifications.store import insert
from notifications.store.database_or_spool import check_disk, put, waits_in_spool
from notifications.store.new_payload import Record, digest_of, dump_headers
from notifications.store.wake_workers import notifier, wake
from notifications.utils.clean_text import clean

LONGEST_KEY: Final = 255


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
    _configured(source)
    if not isinstance(body, bytes):
        raise TypeError(f"keep() takes bytes, not {type(body).__name__}: encode them first")
    if not_before is not None:
        if not_before.tzinfo is None:
            raise ValueError("not_before has no time zone: use django.utils.timezone")
        not_before = not_before.astimezone(UTC)
    if key is not None and not _is_key(key):
        raise ValueError(f"key must be printable and 1 to {LONGEST_KEY} characters long, or None")
    return _store(source, body, key, not_before, content_type=content_type, headers=without_credentials(headers or {}))


def capture(request: HttpRequest, source: str) -> uuid.UUID:
    """Store the body of a request unparsed, and return the receipt. For views decorated with `@raw_body`.

    Raises a subclass of IntakeError: its `status` is the answer.
    """
    rules, meta = _configured(source), request.META
    address = client_address(meta)
    check_source_rate(rules, address)
    check_disk(bounded_wait.connection())
    quota.check_quota(rules)
    body = read_body(meta, rules.body_limit)
    problem = _signature_problem(rules, meta, body) if rules.signature else ""
    if problem and not _may_be_quarantined(rules, body):
        raise SignatureRefused(problem)
    key = meta.get("HTTP_" + rules.key_header.upper().replace("-", "_"))
    if key is not None and not _is_key(key):
        raise BadRequest(f"{rules.key_header} must be printable, 1 to {LONGEST_KEY} characters")
    return _store(
        source,
        body,
        key,
        content_type=meta.get("CONTENT_TYPE", ""),
        headers=stored_headers(meta),
        method=request.method or "",
        path=request.path,
        query=meta.get("QUERY_STRING", ""),
        remote_addr=address,
        quarantined_for=problem,
    )


def _may_be_quarantined(source: Source, body: bytes) -> bool:
    """Anybody can send bad signatures, so quarantine is bounded by number and size."""
    return source.bad_signature == "quarantine" and len(body) <= LARGE and not quota.is_quarantine_full(source)


def _is_key(key: str) -> bool:
    return 0 < len(key) <= LONGEST_KEY and key.isprintable()


def _configured(name: str) -> Source:
    source = conf.sources.get(name)
    if source is None:
        raise UnknownSource(f"no source {name!r}: add it to NOTIFICATIONS_SOURCES")
    return source


def _signature_problem(source: Source, meta: Mapping[str, Any], body: bytes) -> str:
    headers = {name[5:].lower().replace("_", "-"): value for name, value in meta.items() if name.startswith("HTTP_")}
    try:
        verify(
            source.signature,
            headers,
            body,
            secrets=source.secrets,
            tolerance=source.tolerance,
            now=time.time(),
        )
    except BadSignature as error:
        return str(error)
    return ""


def _store(
    source: str,
    body: bytes,
    key: str | None,
    not_before: datetime | None = None,
    *,
    headers: Mapping[str, str],
    quarantined_for: str = "",
    **columns: str,
) -> uuid.UUID:
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
        quarantined_for=clean(quarantined_for),
        **{name: clean(value) for name, value in columns.items()},
    )
    db = bounded_wait.connection()
    if db.in_atomic_block:
        check_disk(db)
        waits_in_spool(record)  # raises KeyReused
        insert.insert(record, db)
        notifier.notify(db)
        db.on_commit(wake)
    else:
        put(record, db)
        wake()
    if quarantined_for:
        quota.note_quarantined(source)
    return record.receipt
