"""The site's later work, done in the test's own process: handlers and events without workers."""

import uuid
from collections.abc import Iterator

import pytest

from notifications import handlers
from notifications.conf import conf
from notifications.events import Event, event_of, process_outbox
from notifications.handling import handle
from notifications.models import RawPayload, State


class Told:
    """What `emit()` has written since the fixture was made."""

    def __init__(self) -> None:
        self._reader = process_outbox().journal.open()
        self._reader.read(1_000_000)

    def events(self) -> list[Event]:
        """The events, oldest first; each is given once."""
        entries = self._reader.read(1_000_000)
        return [event for entry in entries if (event := event_of(entry, conf.trusted_uids))]

    def lines(self) -> list[str]:
        """`NAME: text` of the events that belong to a request."""
        return [f"{event.name}: {event.text}" for event in self.events() if "trace" in event.data]

    def close(self) -> None:
        self._reader.close()


@pytest.fixture
def told() -> Iterator[Told]:
    told = Told()
    yield told
    told.close()


def work_off() -> list[RawPayload]:
    """Handle what is due as process_raw does, once; the payloads as they are afterwards."""
    handlers.autodiscover()
    due = RawPayload.objects.filter(state=State.RECEIVED).order_by("pk")
    pks = list(due.values_list("pk", flat=True))
    claim = RawPayload.objects.claim(State.RECEIVED, token=uuid.uuid4(), limit=len(pks), lease=60)
    for payload in RawPayload.objects.load(claim, max_bytes=1 << 30):
        handle(payload)
    return list(RawPayload.objects.filter(pk__in=pks).order_by("pk"))


def work_again(payload: RawPayload) -> RawPayload:
    """Handle a payload once more, as after a crash or a replay."""
    RawPayload.objects.filter(pk=payload.pk).update(state=State.RECEIVED, next_attempt_at=payload.received_at)
    return work_off()[0]
