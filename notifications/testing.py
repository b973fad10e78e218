"""For the tests of projects that use the engine: run a handler with bytes, and see the emitted events.

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

from notifications import handlers, keep
from notifications.conf import conf
from notifications.events.emit import process_outbox
from notifications.events.encoding import event_of
from notifications.events.event import Event
from notifications.http.rate_limit_report import refusals
from notifications.middleware import reporter
from notifications.models import RawPayload, State
from notifications.models.states import DUE
from notifications.process_raw.handle_payload import handle, handle_or_raise
from notifications.utils.times import utc_now

#: Seconds to wait for a busy journal.
FLUSH_SECONDS: Final = 5.0


def handle_bytes(
    source: str, body: bytes, *, content_type: str = "", headers: Mapping[str, str] | None = None
) -> RawPayload:
    """Keep bytes and run their source's handler like `process_raw`. Returns the payload, from the database.

    Signatures are not verified: `/in/<source>/` does that. Needs pytest-django's `db`. Raises what the handler raises
    (GiveUp and RetryAt too), after a rollback; UnknownSource; NoHandler.
    """
    handlers.autodiscover()
    receipt = keep(source, body, content_type=content_type, headers=headers)
    ours, lease = RawPayload.objects.filter(receipt=receipt), utc_now() + timedelta(minutes=1)
    ours.update(state=State.PROCESSING, lease_token=uuid.uuid4(), lease_until=lease, next_attempt_at=lease)
    payload: RawPayload = ours.get()
    handle_or_raise(payload)
    return RawPayload.objects.get(receipt=receipt)


def work_off(source: str = "") -> list[RawPayload]:
    """Handle each due payload once, like `process_raw`. Returns the handled payloads, from the database."""
    handlers.autodiscover()
    handled = []
    for state in DUE:
        claim = RawPayload.objects.claim(
            state, token=uuid.uuid4(), limit=1_000_000, lease=60, sources=[source] if source else []
        )
        for payload in RawPayload.objects.load(claim, max_bytes=1 << 26):
            handle(payload)
            handled.append(payload.pk)
    return list(RawPayload.objects.filter(pk__in=handled).order_by("pk"))


class Told:
    """The events emitted since the test began."""

    def __init__(self) -> None:
        for report in (reporter, refusals):  # of earlier requests: it would come a minute later, in another test
            report.flush(FLUSH_SECONDS)
        self._reader = process_outbox().journal.open(follow=True)
        self.events()

    def events(self) -> list[Event]:
        """The events since the last call, in order."""
        process_outbox().flush(FLUSH_SECONDS)
        entries = [entry for chunk in iter(lambda: self._reader.read(1000), []) for entry in chunk]
        found = (event_of(entry, conf.trusted_uids) for entry in entries)
        return [event for event in found if event is not None]

    def close(self) -> None:
        self._reader.close()


@pytest.fixture
def told() -> Iterator[Told]:
    """The events that `emit()` wrote."""
    told = Told()
    yield told
    told.close()
