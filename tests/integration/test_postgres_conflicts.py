"""Transactions that a real PostgreSQL ends for another one: tried again as such, and no outage."""

import logging
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import psycopg
import pytest
from django.db import connection

from notifications.models import FailureGroup, RawPayload, ReportRow, State
from notifications.process_raw.claim_and_handle import ProcessRaw
from notifications.process_raw.handle_payload import handle
from notifications.workers.loop import Stop
from notifications.workers.outage import Outage
from tests.support.database import use_database
from tests.support.payloads import claimed, kept, make_due, states

pytestmark = pytest.mark.services
Register = Callable[..., None]
DAY = date(2030, 1, 1)
#: Raises once for each row of `conflict`, whatever isolation level: 40001 and 40P01 come from the server itself.
TRIGGER = """
    CREATE SEQUENCE conflicts;
    CREATE FUNCTION conflict() RETURNS trigger AS $$ BEGIN
        IF nextval('conflicts') = 1 THEN RAISE EXCEPTION 'too busy' USING ERRCODE = '{}'; END IF; RETURN NEW;
    END $$ LANGUAGE plpgsql;
    CREATE TRIGGER conflict BEFORE UPDATE ON notifications_rawpayload FOR EACH ROW EXECUTE FUNCTION conflict();
"""


@pytest.fixture
def serializable(postgres_database: str) -> Iterator[str]:
    level = psycopg.IsolationLevel.SERIALIZABLE
    with use_database(postgres_database, isolation_level=level):
        yield postgres_database


def lose_to_another(url: str) -> None:
    """Read a row that another transaction changes then, and change it too."""
    row = ReportRow.objects.get(name="hot")
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("UPDATE notifications_reportrow SET count = count + 1 WHERE name = 'hot'")
    row.count += 1
    row.save()


@pytest.mark.parametrize("atomic", [True, False])
def test_a_conflict_of_a_handler_is_tried_again_and_no_failure(
    serializable: str, on_demo: Register, caplog: pytest.LogCaptureFixture, atomic: bool
) -> None:
    ReportRow.objects.create(name="hot", day=DAY, count=0)

    def handler(payload: RawPayload) -> None:
        def effect() -> None:
            if payload.attempts == 1:
                lose_to_another(serializable)

        if atomic:
            effect()
            return
        with payload.done():
            effect()

    caplog.set_level(logging.INFO)
    on_demo(handler, atomic=atomic)
    kept()
    (payload,) = claimed()
    assert not handle(payload)
    stored = RawPayload.objects.get()
    assert (stored.state, stored.attempts, stored.failure) == ("retrying", 1, None)
    assert stored.error.startswith("A conflict with another transaction: could not serialize")
    assert "A conflict with another transaction" in caplog.text
    assert "away" not in caplog.text
    assert not FailureGroup.objects.exists()
    make_due()
    (payload,) = claimed(state=State.RETRYING)
    assert handle(payload)
    assert (ReportRow.objects.get().count, RawPayload.objects.get().error) == (1, "")


def test_a_conflict_in_the_last_attempt_is_a_failure(serializable: str, on_demo: Register, settings: Any) -> None:
    settings.NOTIFICATIONS_SOURCES = {"demo": {"max_attempts": 1}}
    ReportRow.objects.create(name="hot", day=DAY, count=0)
    on_demo(lambda _: lose_to_another(serializable))
    kept()
    (payload,) = claimed()
    assert not handle(payload)
    assert (states(), FailureGroup.objects.get().attempts) == (["dead"], 1)


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
def test_a_conflict_of_the_worker_is_no_outage(
    postgres_database: str,
    on_demo: Register,
    stop: Stop,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    sqlstate: str,
) -> None:
    on_demo(lambda _: None)
    kept()
    with connection.cursor() as cursor:
        cursor.execute(TRIGGER.format(sqlstate))
    worker = ProcessRaw(stop)
    assert worker.poll() != 0
    assert [record.levelname for record in caplog.records if "conflict with another" in record.message] == ["WARNING"]
    assert "away" not in caplog.text
    monkeypatch.setattr(Outage, "seconds_left", lambda _: 0.0)  # the pause is over
    assert worker.poll() == 0
    assert (states(), RawPayload.objects.get().attempts) == (["done"], 1)
    worker.close()
