"""The keep lane while a real PostgreSQL stops, crashes and comes back."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection, connections
from django.db.backends.postgresql.base import DatabaseWrapper
from django.test import Client
from pytest_django import DjangoDbBlocker

from notifications import keep
from notifications.database.deadline import deadline
from notifications.models import RawPayload, ReportRow
from notifications.process_raw import wait_for_work
from notifications.status.verdict import verdict
from notifications.store.database_breaker import breaker
from notifications.store.spool import spool
from notifications.store.spool_import import import_spool
from proppy.environment import database
from tests import app_settings
from tests.support.database import use_database
from tests.support.machines import Client as PostingClient
from tests.support.machines import Machines, left
from tests.support.machines import effects as all_effects
from tests.support.payloads import states
from tests.support.postgres import Postgres
from tests.support.processes import Site
from tests.support.tcp_proxy import TcpProxy
from tests.support.wait import wait_for

pytestmark = pytest.mark.services


@pytest.fixture
def served(own: Postgres, site: Site, settings: Any, django_db_blocker: DjangoDbBlocker) -> Iterator[Site]:
    """A site with tests/app on that server, and this process with it."""
    site.env |= {"DJANGO_SETTINGS_MODULE": "tests.app_settings", "DATABASE_URL": own.url}
    settings.NOTIFICATIONS_SOURCES = app_settings.NOTIFICATIONS_SOURCES
    settings.NOTIFICATIONS_STATE_DIR = site.folder / "state"
    site.migrate()
    breaker.close()
    with django_db_blocker.unblock(), use_database(own.url):
        yield site
    breaker.close()


def when_back(look: Callable[[], list[str]]) -> list[str]:
    """Nothing while this process's own connection is a dead one."""
    try:
        return look()
    except OperationalError:
        connection.close()
        return []


def rests() -> bool:
    """Whether no other connection has asked anything for a while: what it asked before, it has heard the answer to."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) > 0 AND bool_and(state = 'idle' AND state_change < now() - interval '0.3 s') FROM"
            " pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
        return bool(cursor.fetchone()[0])


def effects() -> dict[str, int]:
    return dict(ReportRow.objects.values_list("name", "count"))


def test_keep_goes_to_the_spool_and_the_worker_goes_on_by_itself(own: Postgres, served: Site) -> None:
    process = served.start("process_raw")
    keep("count", b"before")
    wait_for(lambda: states() == ["done"])
    own.stop("immediate")
    keep("count", b"meanwhile")
    assert len(spool().waiting()) == 1
    wait_for(lambda: "The database is away" in process.log)
    own.start()
    wait_for(lambda: when_back(states) == ["done", "done"], timeout=40)
    wait_for(lambda: spool().waiting() == [])
    breaker.close()
    keep("count", b"after")
    wait_for(lambda: states() == ["done"] * 3)
    assert effects() == {"before": 1, "meanwhile": 1, "after": 1}
    assert process.alive
    assert served.terminate("process_raw") == 0


def test_a_handler_whose_database_goes_away_is_tried_again(own: Postgres, served: Site) -> None:
    hold = served.folder / "state" / "hold-inside"
    hold.touch()
    for name in (b"a", b"b", b"c"):
        keep("slow", name)
    process = served.start("process_raw")
    wait_for((served.folder / "state" / "at-inside").exists)
    own.restart("immediate")
    hold.unlink()
    wait_for(lambda: when_back(states) == ["done"] * 3, timeout=40)
    assert effects() == {"a": 1, "b": 1, "c": 1}
    assert process.alive
    assert served.terminate("process_raw") == 0


def test_posts_are_taken_meanwhile(own: Postgres, served: Site, settings: Any) -> None:
    settings.NOTIFICATIONS_SOURCES = {"demo": {"http": True, "max_waiting": 5}}
    own.stop("immediate")
    answers = [Client().generic("POST", "/in/demo/", b"x") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202] * 3
    assert len(spool().waiting()) == 3
    own.start()
    connection.close()
    assert import_spool() == 3
    assert RawPayload.objects.count() == 3


class TestSilence:
    """A network that swallows everything and closes nothing: the kernel of the other end acknowledges all the same."""

    @pytest.fixture
    def proxy(self, postgres: Postgres) -> Iterator[TcpProxy]:
        with TcpProxy(postgres.port) as proxy:
            yield proxy

    @pytest.fixture
    def behind(self, machines: Machines, proxy: TcpProxy, postgres: Postgres) -> Site:
        """A machine whose way to the database leads through the proxy."""
        return machines.add("behind", url=machines.url.replace(f":{postgres.port}/", f":{proxy.port}/"))

    def test_an_idle_worker_notices_and_goes_on_by_itself(self, behind: Site, proxy: TcpProxy) -> None:
        process = behind.start("process_raw")
        keep("count", b"before")
        wait_for(lambda: states() == ["done"], timeout=30)
        wait_for(rests, timeout=30)
        with proxy.silent():
            keep("count", b"meanwhile")
            wait_for(lambda: "The database is away" in process.log, timeout=60)
        wait_for(lambda: states() == ["done"] * 2, timeout=60)
        assert effects() == {"before": 1, "meanwhile": 1}
        assert process.alive
        assert behind.terminate("process_raw", timeout=60) == 0

    def test_what_a_worker_had_in_hand_is_done_in_the_end(self, behind: Site, proxy: TcpProxy) -> None:
        hold = behind.folder / "state" / "hold-before"
        hold.touch()
        for name in (b"a", b"b", b"c"):
            keep("slow", name)
        process = behind.start("process_raw")
        wait_for((behind.folder / "state" / "at-before").exists, timeout=30)
        with proxy.silent():
            hold.unlink()
            # Its handler's statement hangs: the time of the handler is up then, and the process ends.
            wait_for(lambda: not process.alive, timeout=60)
        behind.start("process_raw")
        wait_for(lambda: left() == 0, timeout=60)
        assert effects() == {"a": 1, "b": 1, "c": 1}

    def test_a_site_takes_everything_meanwhile(self, machines: Machines, behind: Site, proxy: TcpProxy) -> None:
        worker = behind.start("process_raw")
        behind.start("web")

        def all_done() -> bool:
            nonlocal worker
            if not worker.alive:  # it was in a handler, whose time was up; systemd starts it again
                worker = behind.start("process_raw")
            return left() == 0 and RawPayload.objects.count() >= len(client.receipts)

        with PostingClient(behind, "c") as client:
            wait_for(lambda: len(client.receipts) >= 20, timeout=30)
            with proxy.silent():
                spool_folder = behind.folder / "state" / "spool"
                wait_for(lambda: spool_folder.exists() and len(list(spool_folder.iterdir())) > 20, timeout=60)
            seen = len(client.receipts)
            wait_for(lambda: len(client.receipts) >= seen + 20, timeout=60)
        assert client.refusals == []
        wait_for(all_done, timeout=90)
        assert all_effects().keys() == client.receipts.keys()
        assert set(all_effects().values()) == {1}

    def test_a_listener_that_is_deaf_is_replaced(
        self, proxy: TcpProxy, postgres: Postgres, postgres_database: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(wait_for_work, "PROBE_INTERVAL", 0.0)
        monkeypatch.setattr(wait_for_work, "LONGEST_ANSWER", 0.5)
        monkeypatch.setattr(wait_for_work, "RETRY_INTERVAL", 0.0)
        url = postgres_database.replace(f":{postgres.port}/", f":{proxy.port}/")
        with use_database(url), closing(wait_for_work.Listener()) as listener:
            listener.drain()
            first = listener.database
            listener.drain()
            assert listener.database is first is not None
            with proxy.silent():
                listener.drain()
                assert listener.database is None

            def listens() -> bool:
                listener.drain()
                return listener.database is not None

            wait_for(listens)

    def test_a_verdict_needs_no_answer(self, proxy: TcpProxy, postgres: Postgres, postgres_database: str) -> None:
        """Neither on the connection that it has, nor on a new one."""

        def names() -> set[str]:
            return {problem.name for problem in verdict().problems}

        away = {"database-away", "database-unknown"}
        with use_database(postgres_database.replace(f":{postgres.port}/", f":{proxy.port}/")):
            assert not names() & away
            with proxy.silent():
                assert names() >= away
                assert names() >= away
            wait_for(lambda: not names() & away)

    def test_a_deadline_is_for_its_own_block_alone(self, postgres_database: str) -> None:
        with deadline(0.2):
            pass
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.5)")
        with deadline(60), pytest.raises(OperationalError), deadline(0.2), connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(60)")


def test_django_asks_nothing_of_a_new_connection(postgres: Postgres, django_db_blocker: DjangoDbBlocker) -> None:
    """Of a statement that opens a connection no deadline knows: a server that hangs just then hung its thread."""
    settings = connections.configure_settings({"default": database(postgres.url, Path("/"))})["default"]
    with django_db_blocker.unblock(), closing(DatabaseWrapper(settings)) as opened, opened.cursor() as cursor:
        cursor.execute("SELECT setting, source FROM pg_settings WHERE name = 'TimeZone'")
        assert cursor.fetchone() == ("UTC", "client"), "a SET of Django's would be of the source session"
