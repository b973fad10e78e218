"""Takes bytes that must not be lost: `keep()` for what the product has, `capture()` for what was posted."""

import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from django.http import HttpRequest

from notifications.clean import clean
from notifications.conf import Source, conf
from notifications.errors import BadRequest, SignatureRefused, UnknownSource
from notifications.proxies import client_address
from notifications.rate_limits import check_source_rate
from notifications.raw import limits, store
from notifications.raw.body_store import LARGE
from notifications.raw.put import check_disk, put
from notifications.raw.record import Record, digest_of, dump_headers, receipt_for
from notifications.raw.signatures import BadSignature, verify
from notifications.raw.wake import notifier, wake
from notifications.raw_body import read_body, stored_headers, without_credentials

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
    """Store bytes for the handler of `source`; gives the receipt once they are on disk.

    `key` makes a repetition harmless: the same source and key give the same receipt. `not_before` is an aware
    datetime. Inside a transaction the bytes are kept, or not, with it. Where the database is away they wait in the
    spool; what the database refuses for good goes there too, and is set aside when it is imported. Raises
    UnknownSource, KeyReused, NowhereToStore; inside a transaction also what the database raises.
    """
    _source(source)
    if not isinstance(body, bytes):
        raise TypeError(f"keep() takes bytes, not {type(body).__name__}: encode them first")
    if not_before is not None:
        if not_before.tzinfo is None:
            raise ValueError("not_before has no time zone: use django.utils.timezone")
        not_before = not_before.astimezone(UTC)
    if key is not None and not _is_key(key):
        raise ValueError(f"key must be printable and 1 to {LONGEST_KEY} characters long, or None")
    return _keep(source, body, key, not_before, content_type=content_type, headers=without_credentials(headers or {}))


def capture(request: HttpRequest, source: str) -> uuid.UUID:
    """Store the body of a request as it came; gives the receipt. For views under `@raw_body`.

    Raises a subclass of IntakeError, whose `status` the view answers with.
    """
    rules = _source(source)
    meta = request.META
    check_source_rate(rules, meta)
    check_disk(store.connection())
    limits.check_quota(rules)
    body = read_body(meta, rules.body_limit)
    problem = _signature_problem(rules, meta, body) if rules.signature else ""
    if problem and not _may_be_quarantined(rules, body):
        raise SignatureRefused(problem)
    key = meta.get("HTTP_" + rules.key_header.upper().replace("-", "_"))
    if key is not None and not _is_key(key):
        raise BadRequest(f"{rules.key_header} must be printable, 1 to {LONGEST_KEY} characters")
    return _keep(
        source,
        body,
        key,
        content_type=meta.get("CONTENT_TYPE", ""),
        headers=stored_headers(meta),
        method=request.method or "",
        path=request.path,
        query=meta.get("QUERY_STRING", ""),
        remote_addr=client_address(meta),
        quarantined_for=problem,
    )


def _may_be_quarantined(source: Source, body: bytes) -> bool:
    """Anybody can send bad signatures: their bytes are bounded, by number and by size."""
    return source.bad_signature == "quarantine" and len(body) <= LARGE and not limits.is_quarantine_full(source)


def _is_key(key: str) -> bool:
    return 0 < len(key) <= LONGEST_KEY and key.isprintable()


def _source(name: str) -> Source:
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


def _keep(
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
        # Whoever has no secret must not take a receipt away from the key's owner.
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
    db = store.connection()
    if db.in_atomic_block:
        check_disk(db)
        store.insert(record, db)
        notifier.notify(db)
        db.on_commit(wake)
    else:
        put(record, db)
        wake()
    if quarantined_for:
        limits.note_quarantined(source)
    return record.receipt
