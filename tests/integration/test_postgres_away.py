"""The keep lane while a real PostgreSQL stops, crashes and comes back."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from pytest_django import DjangoDbBlocker

from notifications import keep
from notifications.models import RawPayload, ReportRow
from notifications.raw.breaker import breaker
from notifications.raw.spool import spool
from notifications.raw.spool_import import import_spool
from tests import app_settings
from tests.support.database import use_database
from tests.support.payloads import states
from tests.support.postgres import Postgres
from tests.support.processes import Site
from tests.support.wait import wait_for

pytestmark = pytest.mark.services


@pytest.fixture
def own() -> Iterator[Postgres]:
    """A server of the test's own, to stop."""
    with Postgres(fsync=False) as own:
        yield own


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
