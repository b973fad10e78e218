"""Payloads for tests of the keep lane: kept, claimed and looked at without a worker."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from notifications import handlers, keep
from notifications.handlers import PayloadHandler, payload_handlers
from notifications.models import RawPayload, State
from notifications.models.claims import Claim
from notifications.process_raw.release_claims import release_claims


def kept(body: bytes = b"x", source: str = "demo", **options: Any) -> RawPayload:
    """A payload that was just kept."""
    return RawPayload.objects.get(receipt=keep(source, body, **options))


def claim(limit: int = 50, *, state: State = State.RECEIVED, lease: float = 60.0, **options: Any) -> Claim:
    """Claim as a worker of its own."""
    options.setdefault("token", uuid.uuid4())
    return RawPayload.objects.claim(state, limit=limit, lease=lease, **options)


def claimed(limit: int = 50, **options: Any) -> list[RawPayload]:
    """Payloads that a worker of its own has claimed."""
    return list(RawPayload.objects.load(claim(limit, **options), max_bytes=1 << 30))


def release_expired() -> int:
    """Take over what workers left whose lease has run out, as process_raw does."""
    return sum(map(release_claims, RawPayload.objects.expired_tokens()))


def expire() -> None:
    """Let all leases run out."""
    past = timezone.now() - timedelta(seconds=1)
    RawPayload.objects.filter(state=State.PROCESSING).update(lease_until=past, next_attempt_at=past)


def make_due() -> None:
    """Let the time pass until what failed is due again."""
    RawPayload.objects.filter(state=State.RETRYING).update(next_attempt_at=timezone.now() - timedelta(seconds=1))


def states() -> list[str]:
    """The state of each payload, in order of arrival."""
    return list(RawPayload.objects.order_by("pk").values_list("state", flat=True))


@pytest.fixture
def on_demo(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`on_demo(function, atomic=True, source="demo")` makes it the handler of the source."""

    handlers.autodiscover()  # else the site's own would follow and be refused as the second ones

    def register(function: Callable[[RawPayload], None], *, atomic: bool = True, source: str = "demo") -> None:
        monkeypatch.setitem(payload_handlers, source, PayloadHandler(source, function, atomic))

    return register
