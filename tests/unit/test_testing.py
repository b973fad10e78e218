"""What is shipped for the tests of projects."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from notifications import GiveUp, RetryAt, errors
from notifications.handlers import payload_handlers
from notifications.middleware import reporter
from notifications.models import RawPayload, ReportRow
from notifications.process_raw.handle_payload import NoHandler
from notifications.testing import Told, handle_bytes, work_off

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("state_dir")]
Register = Callable[..., None]


def test_runs_a_handler_over_bytes(on_demo: Register) -> None:
    seen: list[Any] = []

    def see(payload: RawPayload) -> None:
        seen.append((payload.body, payload.content_type, payload.headers, payload.attempts, connection.in_atomic_block))

    on_demo(see)
    payload = handle_bytes("demo", b"\0\xff", content_type="x/y", headers={"X-Kind": "new"})
    assert seen == [(b"\0\xff", "x/y", {"x-kind": "new"}, 1, True)]
    assert (payload.state, payload.attempts, payload.lease_token) == ("done", 1, None)
    assert work_off() == []


@pytest.mark.parametrize("error", [ZeroDivisionError(), GiveUp("no"), RetryAt(timedelta(1)), SystemExit(3)])
@pytest.mark.parametrize("atomic", [True, False])
def test_raises_what_the_handler_raises_and_takes_its_effects_back(
    on_demo: Register, error: BaseException, atomic: bool
) -> None:
    def fail(payload: RawPayload) -> None:
        if atomic:
            ReportRow.objects.create(name="effect", day=date(2030, 1, 1))
            raise error
        with payload.done():
            ReportRow.objects.create(name="effect", day=date(2030, 1, 1))
            raise error

    on_demo(fail, atomic=atomic)
    with pytest.raises(type(error)):
        handle_bytes("demo", b"x")
    assert not ReportRow.objects.exists()
    assert not RawPayload.objects.filter(state="done").exists()


def test_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    with pytest.raises(errors.UnknownSource):
        handle_bytes("strpe", b"x")
    settings.NOTIFICATIONS_SOURCES = {"strpe": {}}
    assert "strpe" not in payload_handlers
    with pytest.raises(NoHandler, match='@on_payload\\("strpe"\\)'):
        handle_bytes("strpe", b"x")


def test_the_report_of_earlier_requests_is_no_event_of_a_test(client: Client) -> None:
    client.get("/nowhere/")
    told = Told()
    assert reporter.flush(20)
    assert told.events() == []
    client.get("/nowhere/")
    assert reporter.flush(20)
    assert [event.name for event in told.events()] == ["REPORT"]
    told.close()
