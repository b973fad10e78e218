"""For the tests of projects that use the engine: work off what was kept, look at what was told.

Load the fixture with `pytest_plugins = ["notifications.testing"]`, and set NOTIFICATIONS_JOURNAL_URL = "memory://".
Events wait for the commit: test with `@pytest.mark.django_db(transaction=True)`.
"""

import uuid
from collections.abc import Iterator
from typing import Final

import pytest

from notifications import handlers
from notifications.conf import conf
from notifications.events import Event, event_of, process_outbox
from notifications.models import RawPayload, State
from notifications.raw.handling import handle

#: How long to wait for events that a busy journal has not taken yet.
FLUSH_SECONDS: Final = 5.0


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
