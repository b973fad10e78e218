"""For the tests of projects that use the engine: run a handler over bytes, look at what was told.

    @pytest.mark.django_db
    def test_counts_a_payment():
        handle_bytes("stripe", b'{"type": "charge.succeeded"}')
        assert Payment.objects.count() == 1

Load the fixture with `pytest_plugins = ["notifications.testing"]`, and set NOTIFICATIONS_JOURNAL_URL = "memory://".
Events wait for the commit: test them with `@pytest.mark.django_db(transaction=True)`.
"""

import uuid
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Final

import pytest
from django.utils import timezone

from notifications import handlers, keep
from notifications.conf import conf
from notifications.events import Event, event_of, process_outbox
from notifications.models import RawPayload, State
from notifications.raw.handling import handle, handle_or_raise

#: How long to wait for events that a busy journal has not taken yet.
FLUSH_SECONDS: Final = 5.0


def handle_bytes(
    source: str, body: bytes, *, content_type: str = "", headers: Mapping[str, str] | None = None
) -> RawPayload:
    """Keep bytes and run the handler of their source over them, as `process_raw` does: in its transaction, committed
    with what marks the payload done. Gives the payload, as it is in the database afterwards.

    Signatures are not verified: that is for `/in/<source>/`. Needs pytest-django's `db`. Raises what the handler
    raises (GiveUp and RetryAt too), with its effects rolled back; UnknownSource; NoHandler.
    """
    handlers.autodiscover()
    receipt = keep(source, body, content_type=content_type, headers=headers)
    ours, lease = RawPayload.objects.filter(receipt=receipt), timezone.now() + timedelta(minutes=1)
    ours.update(state=State.PROCESSING, lease_token=uuid.uuid4(), lease_until=lease, next_attempt_at=lease)
    payload: RawPayload = ours.get()
    handle_or_raise(payload)
    return RawPayload.objects.get(receipt=receipt)


def work_off(source: str = "") -> list[RawPayload]:
    """Handle what is due, once each, as `process_raw` does; gives the payloads as they are afterwards."""
    handlers.autodiscover()
    handled = []
    for state in (State.RECEIVED, State.RETRYING):
        claim = RawPayload.objects.claim(
            state, token=uuid.uuid4(), limit=1_000_000, lease=60, sources=[source] if source else []
        )
        for payload in RawPayload.objects.load(claim, max_bytes=1 << 26):
            handle(payload)
            handled.append(payload.pk)
    return list(RawPayload.objects.filter(pk__in=handled).order_by("pk"))


class Told:
    """The events that were told since the test began."""

    def __init__(self) -> None:
        self._reader = process_outbox().journal.open(follow=True)
        self.events()

    def events(self) -> list[Event]:
        """Those told since the last call, in order."""
        process_outbox().flush(FLUSH_SECONDS)
        entries = [entry for chunk in iter(lambda: self._reader.read(1000), []) for entry in chunk]
        found = (event_of(entry, conf.trusted_uids) for entry in entries)
        return [event for event in found if event is not None]

    def close(self) -> None:
        self._reader.close()


@pytest.fixture
def told() -> Iterator[Told]:
    """What `emit()` told."""
    told = Told()
    yield told
    told.close()
