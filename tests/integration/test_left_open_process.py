"""A real process_raw whose handlers leave transactions open: what was acknowledged is in the database or the spool."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker

from notifications import keep
from notifications.models import RawPayload, ReportRow
from notifications.store.database_breaker import breaker
from notifications.store.spool import spool
from tests import app_settings
from tests.support.database import use_database
from tests.support.processes import Site
from tests.support.wait import wait_for

DATABASES = ["sqlite", pytest.param("postgres", marks=pytest.mark.services)]


@pytest.fixture(params=DATABASES)
def raw(
    request: Any, site: Site, settings: Any, migrated_sqlite: Path, django_db_blocker: DjangoDbBlocker
) -> Iterator[Site]:
    """A site with tests/app on one of the two databases, which are the test's own too."""
    if request.param == "postgres":
        site.env["DATABASE_URL"] = request.getfixturevalue("postgres_database")
    else:
        (site.folder / "state" / "proppy.sqlite3").write_bytes(migrated_sqlite.read_bytes())
    site.env["DJANGO_SETTINGS_MODULE"] = "tests.app_settings"
    settings.NOTIFICATIONS_STATE_DIR = site.folder / "state"
    settings.NOTIFICATIONS_SOURCES = app_settings.NOTIFICATIONS_SOURCES
    with django_db_blocker.unblock(), use_database(site.env["DATABASE_URL"]):
        yield site
        site.kill("process_raw")
    breaker.close()


@pytest.mark.parametrize("what", ["autocommit off", "block", "begin"])
def test_nothing_that_was_acknowledged_is_gone(raw: Site, what: str) -> None:
    keep("leaves", what.encode())
    raw.start("process_raw")
    leaves = RawPayload.objects.filter(source="leaves")
    wait_for(lambda: not leaves.filter(state="received").exists(), message="the handler")
    breaker.open()
    receipts = {keep("count", b"%d" % number) for number in range(3)}
    breaker.close()
    wait_for(lambda: not spool().waiting(), message="the import")
    assert raw.terminate("process_raw") == 0
    stored = set(RawPayload.objects.filter(source="count").values_list("receipt", flat=True))
    assert receipts <= stored | {uuid.UUID(path.name) for path in spool().waiting()}
    assert not ReportRow.objects.filter(name="left").exists()
    left = leaves.get()
    assert left.state == "retrying"
    assert "left a transaction open on the connection 'default'" in left.error
