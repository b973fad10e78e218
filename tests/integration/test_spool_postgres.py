"""Posts while a real PostgreSQL fails in each of its ways: 202 all the same, and each payload is imported once."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.test import Client
from pytest_django import DjangoDbBlocker

from notifications.intake import quota
from notifications.models import RawPayload
from notifications.process_raw.chores.count_waiting import count_totals
from notifications.store.database_breaker import breaker
from notifications.store.spool import spool
from notifications.store.spool_import import import_spool
from tests.support.database import use_database
from tests.support.postgres import Postgres
from tests.support.wait import wait_for

pytestmark = pytest.mark.services

#: Far above what it takes, far below what nobody would wait for.
SOON = 15.0


@pytest.fixture(scope="module")
def own() -> Iterator[Postgres]:
    """A server to break."""
    with Postgres(fsync=False) as own:
        yield own


@pytest.fixture
def database(own: Postgres, state_dir: Any, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """A migrated database on it, in use."""
    name = f"spool_{time.monotonic_ns()}"
    url = own.create_database(name)
    with django_db_blocker.unblock(), use_database(url):
        call_command("migrate", verbosity=0)
        connection.settings_dict["CONN_HEALTH_CHECKS"] = True
        yield url
    own.drop_database(name)


def sql(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as other:
        for statement in statements:
            other.execute(statement.encode())


@contextmanager
def stopped(own: Postgres, _: str) -> Iterator[None]:
    own.stop("immediate")
    yield
    own.start()


@contextmanager
def paused(own: Postgres, _: str) -> Iterator[None]:
    with own.paused():
        yield


@contextmanager
def read_only(own: Postgres, url: str) -> Iterator[None]:
    own.configure("default_transaction_read_only", "on")
    wait_for(lambda: shows(url, "default_transaction_read_only") == "on")
    connection.close()
    yield
    sql(own.url, "SET default_transaction_read_only = off", "ALTER SYSTEM RESET default_transaction_read_only")
    sql(own.url, "SELECT pg_reload_conf()")
    wait_for(lambda: shows(url, "default_transaction_read_only") == "off")


def shows(url: str, name: str) -> str:
    with psycopg.connect(url, autocommit=True) as other:
        row = other.execute(f"SHOW {name}".encode()).fetchone()
        return str(row and row[0])


@contextmanager
def out_of_disk(_: Postgres, url: str) -> Iterator[None]:
    sql(
        url,
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$",
        "CREATE TRIGGER full_disk BEFORE INSERT ON notifications_rawpayload EXECUTE FUNCTION full_disk()",
    )
    yield
    sql(url, "DROP TRIGGER full_disk ON notifications_rawpayload")


@contextmanager
def no_table(_: Postgres, url: str) -> Iterator[None]:
    sql(url, "ALTER TABLE notifications_rawpayload RENAME TO elsewhere")
    yield
    sql(url, "ALTER TABLE elsewhere RENAME TO notifications_rawpayload")


@contextmanager
def locked_table(_: Postgres, url: str) -> Iterator[None]:
    with psycopg.connect(url) as other:
        other.execute("LOCK TABLE notifications_rawpayload")
        yield


@contextmanager
def no_more_clients(own: Postgres, url: str) -> Iterator[None]:
    name = url.rpartition("/")[2]
    connection.close()
    sql(own.url, f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
    yield
    sql(own.url, f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")


FAILURES = [stopped, paused, read_only, out_of_disk, no_table, locked_table, no_more_clients]


def post(body: bytes, key: str) -> Any:
    return Client().generic("POST", "/in/demo/", body, HTTP_IDEMPOTENCY_KEY=key)


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.__name__)
def test_is_taken_and_imported_once(
    failure: Any, own: Postgres, database: str, caplog: pytest.LogCaptureFixture
) -> None:
    before = post(b"before", "before")
    with failure(own, database):
        started = time.monotonic()
        answers = {number: post(b"%d" % number, str(number)) for number in range(30)}
        again = post(b"3", "3")
        assert time.monotonic() - started < SOON
    assert {answer.status_code for answer in (before, again, *answers.values())} == {202}
    assert again.content == answers[3].content
    assert len(spool().waiting()) == 30
    tries = caplog.text.count("The database took no payload")
    assert 1 <= tries < 15, "many asked a database that is away"
    breaker.close()
    connection.close()
    assert post(b"other bytes", "7").status_code == 422, "its key waits in the spool"
    while import_spool():
        pass
    receipts = {json.loads(answer.content)["id"] for answer in (before, *answers.values())}
    stored = [str(receipt) for receipt in RawPayload.objects.values_list("receipt", flat=True)]
    assert (len(stored), set(stored)) == (31, receipts)
    assert post(b"7", "7").content == answers[7].content
    assert post(b"other bytes", "7").status_code == 422
    assert RawPayload.objects.count() == 31


def test_a_key_is_used_once_just_after_an_outage(own: Postgres, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pause of this process goes on; a worker has found that the database answers, and imported the first."""
    monkeypatch.setattr("notifications.store.database_breaker.PAUSE", 600.0)
    monkeypatch.setattr("notifications.store.database_breaker.LONGEST_PAUSE", 600.0)
    for number in range(3):
        post(b"before", f"before {number}")
        own.stop("immediate")
        first = post(b"first", f"{number}")
        assert (first.status_code, breaker.is_open()) == (202, True)
        own.start()
        connection.close()
        assert post(b"other bytes", f"{number}").status_code == 422, "it waits in the spool"
        assert import_spool() == 1
        assert breaker.is_open()
        assert post(b"other bytes", f"{number}").status_code == 422
        assert post(b"first", f"{number}").content == first.content
        assert not breaker.is_open()
    assert RawPayload.objects.count() == 6


def test_other_bytes_while_nobody_can_ask_are_in_quarantine(own: Postgres, database: str) -> None:
    first = post(b"first", "1")
    own.stop("immediate")
    assert post(b"other bytes", "1").content == first.content
    own.start()
    connection.close()
    import_spool()
    second = RawPayload.objects.get(state="quarantined")
    assert (second.body, str(second.first_of_key)) == (b"other bytes", json.loads(first.content)["id"])


def test_one_that_hangs_is_waited_for_by_few(own: Postgres, database: str, caplog: pytest.LogCaptureFixture) -> None:
    """Threads with connections of their own: what was under way waits a second, and nothing that comes later."""
    ready, go = threading.Barrier(5, timeout=60), threading.Event()
    slowest: list[float] = []

    def run(number: int) -> None:
        post(b"first", f"first {number}")
        ready.wait()
        assert go.wait(60)
        for turn in range(5):
            started = time.monotonic()
            assert post(b"x", f"{number} {turn}").status_code == 202
            slowest.append(time.monotonic() - started)
        connections.close_all()

    threads = [threading.Thread(target=run, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    ready.wait()
    with own.paused():
        go.set()
        for thread in threads:
            thread.join(60)
    assert len(slowest) == 20
    assert max(slowest) < SOON
    assert sorted(slowest)[15] < 1.0, "more than those that were under way waited"
    assert caplog.text.count("The database took no payload") <= 5


def test_an_insert_whose_outcome_nobody_knows_is_there_once(own: Postgres, database: str) -> None:
    post(b"before", "before")
    with own.paused():  # it has the INSERT already, and executes it when it goes on
        receipt = json.loads(post(b"x", "1").content)["id"]
        assert len(spool().waiting()) == 1
    connection.close()
    wait_for(lambda: RawPayload.objects.filter(receipt=receipt).count() == 1)
    RawPayload.objects.update(state="done", next_attempt_at=None)
    assert import_spool() == 1
    assert RawPayload.objects.filter(receipt=receipt).get().state == "done"
    breaker.close()
    assert json.loads(post(b"x", "1").content)["id"] == receipt


def test_a_kept_connection_that_was_lost_is_made_anew(own: Postgres, database: str) -> None:
    post(b"before", "before")
    own.restart("immediate")
    assert post(b"after", "after").status_code == 202
    assert spool().waiting() == []
    assert RawPayload.objects.count() == 2
    assert not breaker.is_open()


def test_a_hot_standby_takes_nothing(own: Postgres, state_dir: Any, django_db_blocker: DjangoDbBlocker) -> None:
    name = f"standby_{time.monotonic_ns()}"
    url = own.create_database(name)
    with django_db_blocker.unblock(), use_database(url):
        call_command("migrate", verbosity=0)
    with Postgres(fsync=False, standby_of=own) as standby:
        there = standby.url.rpartition("/")[0] + f"/{name}"
        with django_db_blocker.unblock(), use_database(there):
            assert post(b"x", "1").status_code == 202
            assert len(spool().waiting()) == 1
            standby.promote()
            breaker.close()
            connection.close()
            assert import_spool() == 1
            assert bytes(RawPayload.objects.get().body) == b"x"
    own.drop_database(name)


def test_totals_are_counted_and_read_there(database: str, settings: Any) -> None:
    settings.NOTIFICATIONS_SOURCES = {"demo": {"http": True, "max_waiting_bytes": 3}}
    post(b"123", "1")
    count_totals()
    quota.forget()
    assert post(b"4", "2").status_code == 429
    RawPayload.objects.update(next_attempt_at=None)
    count_totals()
    quota.forget()
    assert post(b"4", "2").status_code == 202


def test_the_status_says_what_happens(own: Postgres, database: str) -> None:
    with own.paused():
        post(b"x", "1")
        assert Client().get("/readyz").content == b"database away\nspool ok\n"
    breaker_open = [line for line in Client().get("/metrics").text.splitlines() if line.startswith("proppy_breaker")]
    assert breaker_open == ["proppy_breaker_open 1"]
