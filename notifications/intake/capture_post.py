"""Stores the body of a request unparsed: `capture()`, for a view; `store_post()`, which needs no request."""

import time
import uuid
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

from django.http import HttpRequest

from notifications.bodies.storage import LARGE
from notifications.conf import Source
from notifications.database.transactions import connection_for_rows
from notifications.errors import BadRequest, SignatureRefused
from notifications.events.series_counts import counted
from notifications.http.rate_limits import check_source_rate
from notifications.http.signatures import BadSignature, verify
from notifications.intake import quota
from notifications.intake.arguments import LONGEST_KEY, check_settings, configured, is_key
from notifications.intake.keep_bytes import store
from notifications.intake.request_body import read_body, stored_headers
from notifications.proxies import client_address
from notifications.store.database_or_spool import check_disk


class Post(NamedTuple):
    """A request whose body is not read yet. `meta` is as in `HttpRequest.META`.

    `read` returns a whole body of at most so many bytes, or raises IntakeError.
    """

    method: str
    path: str
    meta: Mapping[str, Any]
    read: Callable[[int], bytes]


def capture(request: HttpRequest, source: str) -> uuid.UUID:
    """Store the body of a request unparsed, and return the receipt. For views decorated with `@raw_body`.

    Raises a subclass of IntakeError: its `status` is the answer.
    """
    return store_post(post_of(request), configured(source))


def post_of(request: HttpRequest) -> Post:
    return Post(request.method or "", request.path, request.META, partial(read_body, request))


def store_post(post: Post, rules: Source) -> uuid.UUID:
    """Store the body of a post, and return the receipt. Raises a subclass of IntakeError."""
    began = time.monotonic()
    try:
        check_settings(rules)
        receipt, size = _store(post, rules)
    except Exception:
        counted.add("refused", rules.name)
        raise
    counted.add("received", rules.name, size, ms=(time.monotonic() - began) * 1000)
    return receipt


def _store(post: Post, rules: Source) -> tuple[uuid.UUID, int]:
    """Returns the receipt, and the bytes of the body."""
    meta, source = post.meta, rules.name
    address = client_address(meta)
    check_source_rate(rules, address)
    db = connection_for_rows()
    check_disk(db)
    quota.check_quota(rules)
    body = post.read(rules.body_limit)
    problem = _signature_problem(rules, meta, body) if rules.signature else ""
    if problem and not _may_be_quarantined(rules, body):
        raise SignatureRefused(problem)
    key = meta.get("HTTP_" + rules.key_header.upper().replace("-", "_"))
    if key is not None and not is_key(key):
        raise BadRequest(f"{rules.key_header} must be printable, 1 to {LONGEST_KEY} characters")
    receipt = store(
        source,
        body,
        key,
        db=db,
        content_type=meta.get("CONTENT_TYPE", ""),
        headers=stored_headers(meta),
        method=post.method,
        path=post.path,
        query=meta.get("QUERY_STRING", ""),
        remote_addr=address,
        quarantined_for=problem,
    )
    return receipt, len(body)


def _may_be_quarantined(source: Source, body: bytes) -> bool:
    """Anybody can send bad signatures, so quarantine is bounded by number and size."""
    return source.bad_signature == "quarantine" and len(body) <= LARGE and not quota.is_quarantine_full(source)


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
