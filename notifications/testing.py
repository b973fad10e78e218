"""For the tests of projects that use the engine: run a handler with bytes, and see the emitted events.

    class PaymentTest(TestCase):                                # or with pytest: @pytest.mark.django_db
        def test_it_is_counted_and_reported(self):
            with Told() as told:
                with self.captureOnCommitCallbacks(execute=True):   # events wait for the commit
                    handle_bytes("stripe", b'{"type": "charge.succeeded"}')
                self.assertEqual([event.text for event in told.events()], ["Ada paid"])
            self.assertEqual(Payment.objects.count(), 1)

With pytest, `pytest_plugins = ["notifications.testing"]` gives the fixture `told`; test events with
`@pytest.mark.django_db(transaction=True)`. In tests JOURNAL_URL=auto, the default, is the memory of the process.

`GateClient` posts through the gate, as a web server does with `notifications.wsgi`. Django's client goes to the view.
"""

import uuid
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, Final, Self

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse
from django.test import Client
from django.test.client import ClientHandler

from notifications import handlers, keep
from notifications.conf import conf
from notifications.events.emit import process_outbox
from notifications.events.encoding import event_of
from notifications.events.event import Event
from notifications.http.rate_limit_report import refusals
from notifications.intake.gate.gate import open_gate
from notifications.intake.gate.wsgi_input import pass_environ
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

    Signatures are not verified: `/in/<source>/` does that. Needs a test's database. Raises what the handler raises
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


class GateHandler(ClientHandler):
    """Asks the gate first."""

    def __call__(self, environ: Any) -> Any:
        gate = open_gate()
        passed = pass_environ(gate, environ) if gate and environ["PATH_INFO"].startswith(gate.prefix) else None
        if passed is None:
            return super().__call__(environ)
        admitted, answer = passed
        response: Any = HttpResponse(answer.body, status=answer.status, headers=dict(admitted.headers))
        response.wsgi_request = WSGIRequest(environ)
        return response


class GateClient(Client):
    """Django's test client, with the gate in front: what is stored there no middleware sees."""

    def __init__(self, enforce_csrf_checks: bool = False, **defaults: Any) -> None:
        super().__init__(enforce_csrf_checks, **defaults)
        self.handler = GateHandler(enforce_csrf_checks)


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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


try:
    import pytest
except ImportError:  # a project whose tests are Django's TestCase alone
    pass
else:

    @pytest.fixture
    def told() -> Iterator[Told]:
        """The events that `emit()` wrote."""
        with Told() as told:
            yield told
