"""What the rows of payloads should be: the model that payload_machine.py compares the store with."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from unittest import mock

from django.db import OperationalError
from django.db.models import F
from django.utils import timezone

from notifications.models import RawPayload, ReportRow
from notifications.process_raw.living_workers import Presence
from notifications.store import insert
from notifications.store.database_breaker import breaker

SOURCES: Final[dict[str, dict[str, Any]]] = {
    "quick": {"max_attempts": 3},
    "slow": {"max_attempts": 2, "keep_done_days": 30},
    "signed": {"http": True, "signature": "github", "secrets": ["s" * 32], "bad_signature": "quarantine"},
}
MAX_ATTEMPTS: Final = {"quick": 3, "slow": 2, "signed": 16}
LEASE: Final = 60.0
MONTH: Final = timedelta(days=30)
FIRST_NOW: Final = datetime(2040, 1, 1, tzinfo=timezone.get_default_timezone())


class Clock:
    """Stands in for django.utils.timezone.now."""

    def __init__(self) -> None:
        self.now = FIRST_NOW

    def __call__(self) -> datetime:
        return self.now


clock: Final = Clock()


@dataclass(slots=True)
class Expected:
    """A payload as the row should be. `group`: title of its failure group."""

    pk: int
    receipt: uuid.UUID
    source: str
    body: bytes
    state: str = "received"
    attempts: int = 0
    due: datetime | None = None
    token: uuid.UUID | None = None
    group: str | None = None
    done_at: datetime | None = None

    def move(self, state: str, due: datetime | None = None) -> None:
        self.state, self.due, self.token = state, due, None

    def row(self) -> dict[str, Any]:
        lease_until = self.due if self.state == "processing" else None
        return {
            "pk": self.pk,
            "receipt": self.receipt,
            "source": self.source,
            "body": self.body,
            "state": self.state,
            "attempts": self.attempts,
            "next_attempt_at": self.due,
            "lease_until": lease_until,
            "lease_token": self.token,
            "failure": (self.source, self.group) if self.group else None,
            "done_at": self.done_at,
        }


@dataclass(slots=True)
class Worker:
    """A worker: what it has claimed and not looked at yet, and the payload that it is handling."""

    presence: Presence = field(default_factory=Presence)
    loading: Iterator[RawPayload] | None = None
    current: RawPayload | None = None

    @property
    def token(self) -> uuid.UUID:
        return self.presence.token


@contextmanager
def database_away() -> Iterator[None]:
    breaker.open()
    try:
        with mock.patch.object(insert, "has_other_bytes", side_effect=OperationalError("away")):
            yield
    finally:
        breaker.close()


def actual_rows() -> list[dict[str, Any]]:
    """The rows as the database has them, as `Expected.row()` gives them."""
    names = ["pk", "receipt", "source", "state", "attempts", "next_attempt_at", "lease_until", "lease_token", "done_at"]
    rows = RawPayload.objects.order_by("pk").values(*names, "inline_body", "failure__source", "failure__title")
    return [
        {name: row[name] for name in names}
        | {"body": bytes(row["inline_body"])}
        | {"failure": (row["failure__source"], row["failure__title"]) if row["failure__title"] else None}
        for row in rows
    ]


def add_effect(payload: RawPayload) -> None:
    row, _ = ReportRow.objects.get_or_create(name=str(payload.receipt), day=FIRST_NOW.date())
    ReportRow.objects.filter(pk=row.pk).update(count=F("count") + 1)
