"""What intake hands to the store or the spool: one payload before it is a row."""

import hashlib
import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import orjson

TIMES: Final = ("received_at", "next_attempt_at")
NAMESPACE: Final = uuid.UUID("6f0a5ce1-8f0e-5c3c-9d5f-2d1d6a5c6f0e")


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
    #: Why it is quarantined; "" is received.
    quarantined_for: str = ""


def receipt_for(source: str, key: str | None) -> uuid.UUID:
    """The receipt of a payload: always the same for a source and key, else random."""
    return uuid.uuid5(NAMESPACE, f"{source}\0{key}") if key else uuid.uuid4()


def digest_of(body: bytes) -> str:
    """sha256 of a body, in hex."""
    return hashlib.sha256(body).hexdigest()


def dump_headers(headers: Mapping[str, str]) -> str:
    """Headers as JSON text. Never fails: names and values may hold anything that a str can."""
    try:
        return orjson.dumps(headers).decode()
    except TypeError:  # lone surrogates
        return json.dumps(dict(headers))


def to_bytes(record: Record) -> bytes:
    """One line of JSON, then the body: the form in the spool."""
    fields = {name: str(getattr(record, name)) for name in Record._fields if name not in {"body", *TIMES}}
    times = {name: getattr(record, name).isoformat() for name in TIMES}
    return json.dumps(fields | times).encode() + b"\n" + record.body


def from_bytes(data: bytes) -> Record:
    """The inverse of `to_bytes`. Raises ValueError for what is damaged: the digest tells."""
    head, _, body = data.partition(b"\n")
    try:
        fields: dict[str, Any] = json.loads(head)
        fields |= {name: datetime.fromisoformat(fields[name]).astimezone(UTC) for name in TIMES}
        fields["receipt"] = uuid.UUID(fields["receipt"])
        record = Record(body=body, **fields)
    except (TypeError, AttributeError, LookupError, ArithmeticError, RecursionError) as error:
        raise ValueError(f"the first line is none of ours: {error!r}") from error
    if digest_of(body) != record.digest:
        raise ValueError("the body is not the one that was written")
    return record
