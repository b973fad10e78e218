"""A real web server and worker on a SQLite that was locked a moment ago: one key never gets two answers of 202."""

import sys
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.processes import Site
from tests.support.wait import wait_for


def post(site: Site, body: bytes, key: str) -> int:
    request = urllib.request.Request(f"{site.url}/in/demo/", body, {"Idempotency-Key": key})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.fixture
def running(site: Site, migrated_sqlite: Path) -> Site:
    (site.folder / "state" / "proppy.sqlite3").write_bytes(migrated_sqlite.read_bytes())
    site.start("web")
    site.start("process_raw")
    return site


def test_other_bytes_are_refused_as_soon_as_it_is_unlocked(running: Site) -> None:
    path = running.folder / "state" / "proppy.sqlite3"
    spool = running.folder / "state" / "spool"
    with closing(sys.modules["sqlite3"].connect(path, isolation_level=None, timeout=30)) as other:

        def is_imported(key: str) -> bool:
            found = other.execute("SELECT count(*) FROM notifications_rawpayload WHERE idempotency_key = ?", [key])
            return bool(found.fetchone()[0]) and not list(spool.iterdir())

        for number in range(6):
            key = f"key {number}"
            other.execute("BEGIN IMMEDIATE")
            assert post(running, b"first", key) == 202
            other.execute("ROLLBACK")
            answers = {post(running, b"other %d" % n, key) for n in range(20)}
            wait_for(lambda key=key: is_imported(key), message="the import")  # type: ignore[misc]
            answers |= {post(running, b"others %d" % n, key) for n in range(20)}
            assert answers == {422}
            assert post(running, b"first", key) == 202
        states = other.execute("SELECT count(*) FROM notifications_rawpayload WHERE state = 'quarantined'")
        assert states.fetchone() == (0,)
