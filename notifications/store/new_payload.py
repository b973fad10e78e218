"""What intake hands to the store or the spool: one payload before it is a row."""

import hashlib
import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import orjson

from notifications.http.idempotency import receipt_beside

TIMES: Final = ("received_at", "next_attempt_at")
#: How the quarantine's reason begins for payloads that came under a used key.
OTHER_BYTES: Final = "Other bytes under a used key"


class Record(NamedTuple):
    """The columns of a RawPayload that intake knows."""

    receipt: uuid.UUID
    source: str
    body: bytes
    digest: str
    received_at: datetime
    next_attempt_at: datetime
    headers_json: str = "{}"
    content_type: str = ""
    method: str = ""
    path: str = ""
    query: str = ""
    remote_addr: str = ""
    idempotency_key: str = ""
    #: Why it is quarantined; "" means received.
    quarantined_for: str = ""


def beside_the_first(record: Record) -> Record:
    """A record whose key or receipt belongs to other bytes, as a payload of its own in quarantine."""
    reason = f"{OTHER_BYTES}: {record.idempotency_key!r} came first with {record.receipt}."
    return record._replace(receipt=receipt_beside(record.receipt, record.digest), quarantined_for=reason)


def digest_of(body: bytes) -> str:
    """sha256 of a body, in hex."""
    return hashlib.sha256(body).hexdigest()


def dump_headers(headers: Mapping[str, str]) -> str:
    """Headers as JSON text. Never fails: names and values may be any str."""
    try:
        return orjson.dumps(headers).decode()
    except TypeError:  # lone surrogates
        return json.dumps(dict(headers))


def to_bytes(record: Record) -> bytes:
    """A record as a spool file: a line with the head's digest, the head as a line of JSON, then the body.

    The head has the body's digest, so that every changed bit is noticed.
    """
    fields = {name: str(getattr(record, name)) for name in Record._fields if name not in {"body", *TIMES}}
    times = {name: getattr(record, name).isoformat() for name in TIMES}
    head = json.dumps(fields | times).encode()
    return b"\n".join([_seal(head), head, record.body])


def from_bytes(data: bytes) -> Record:
    """The inverse of `to_bytes`. Raises ValueError if a digest does not match.

    Files of older releases begin with the head and have no digest of it.
    """
    start = 0 if data.startswith(b"{") else data.find(b"\n") + 1
    end = data.find(b"\n", start)
    head, body = data[start:end], data[end + 1 :]
    if end < 0 or (start and data[: start - 1] != _seal(head)):
        raise ValueError("the head is invalid or damaged")
    record = _record(head, body)
    if digest_of(body) != record.digest:
        raise ValueError("the body is damaged")
    return record


def _seal(head: bytes) -> bytes:
    return b"proppy-spool-2 " + digest_of(head).encode()


def _record(head: bytes, body: bytes) -> Record:
    try:
        fields: dict[str, Any] = json.loads(head)
        fields |= {name: datetime.fromisoformat(fields[name]).astimezone(UTC) for name in TIMES}
        fields["receipt"] = uuid.UUID(fields["receipt"])
        return Record(body=body, **fields)
    except (TypeError, AttributeError, LookupError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"the head is invalid: {error!r}") from error
