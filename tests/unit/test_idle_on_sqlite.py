"""Idle workers take no write lock: on SQLite there is one, and visitors want it."""

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from notifications.follow_journal.build_workers import worker_makers
from notifications.process_raw.chores import chores
from notifications.process_raw.claim_and_handle import ProcessRaw
from notifications.workers.loop import Stop, Worker
from tests.support.accounting import Office
from tests.support.payloads import kept

pytestmark = pytest.mark.usefixtures("sqlite_file")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """A visitor has the lock, and nobody waits for it."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 0")
    with closing(sys.modules["sqlite3"].connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def turn(worker: Worker) -> None:
    while worker.poll() == 0:
        pass


def test_process_raw(stop: Stop, sqlite_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    worker = ProcessRaw(stop)
    turn(worker)
    with locked(sqlite_file):
        turn(worker)
    worker.close()
    assert caplog.messages == []


def test_its_chores(settings: Any, sqlite_file: Path) -> None:
    settings.NOTIFICATIONS_SOURCES = {"demo": {"max_waiting": 5}}
    kept()
    each = [chore.do for chore in chores()]
    for do in each:
        do()
    with locked(sqlite_file):
        for do in each:
            do()


def test_follow_journal(
    stop: Stop, sqlite_file: Path, tmp_path: Path, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    # In the journal of this process are events of other tests: whoever has just read them is not idle yet.
    settings.NOTIFICATIONS_JOURNAL_URL = (tmp_path / "journal").as_uri()
    workers = [make(stop) for make in worker_makers()]
    for worker in workers:
        turn(worker)
    with locked(sqlite_file):
        for worker in workers:
            turn(worker)
    assert [message for message in caplog.messages if "lock" in message] == []
    for worker in workers:
        worker.close()


def test_the_search_for_losses(sqlite_file: Path) -> None:
    office = Office()
    office.write(1, 2)
    office.idle()
    with locked(sqlite_file):
        for _ in range(3):
            office.now += 11
            office.idle()
