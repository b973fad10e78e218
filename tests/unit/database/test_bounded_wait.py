"""Waiting for a locked SQLite."""

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection

from notifications import keep
from notifications.database import bounded_wait
from notifications.database.bounded_wait import LOCKED_MS, LOOK_MS, until_unlocked
from notifications.database.fast_sql import execute, fetch_all
from notifications.models import RawPayload


@pytest.fixture
def locked(sqlite_file: Path) -> Iterator[sqlite3.Connection]:
    """Another connection that has the write lock."""
    with closing(sqlite3.connect(sqlite_file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


def looks_at(sql: str, *, error: str) -> int:
    """How often a statement is tried before it fails for good."""
    looks = []

    def look() -> None:
        looks.append(1)
        execute(connection, sql, [])

    with pytest.raises(OperationalError, match=error):
        until_unlocked(connection, 60_000, look)
    return len(looks)


def test_it_looks_often_so_it_finds_the_lock_free_soon(locked: sqlite3.Connection) -> None:
    """SQLite alone would look again after 1, 2, 5, 10, 15, 20, 25 ms …"""
    looks = []

    def begin() -> None:
        looks.append(1)
        if len(looks) == 20:
            locked.execute("ROLLBACK")
        execute(connection, "BEGIN IMMEDIATE", [])
        execute(connection, "ROLLBACK", [])

    until_unlocked(connection, 60_000, begin)
    assert len(looks) == 20


@pytest.mark.usefixtures("locked")
def test_it_gives_up() -> None:
    with pytest.raises(OperationalError, match="locked"):
        until_unlocked(connection, LOCKED_MS, lambda: execute(connection, "BEGIN IMMEDIATE", []))


@pytest.mark.usefixtures("sqlite_file")
def test_another_error_is_raised_at_once() -> None:
    assert looks_at("SELECT * FROM nowhere", error="nowhere") == 1


@pytest.mark.usefixtures("locked")
def test_in_a_transaction_it_looks_once() -> None:
    """SQLite does not wait there, so that looks would follow each other without a pause."""
    execute(connection, "BEGIN DEFERRED", [])
    execute(connection, "SELECT count(*) FROM notifications_rawpayload", []).fetchall()
    assert looks_at("DELETE FROM notifications_rawpayload", error="locked") == 1
    execute(connection, "ROLLBACK", [])


@pytest.mark.usefixtures("locked")
def test_a_capture_waits_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not as long again when its wait is over."""
    waits, until_unlocked = list[int](), bounded_wait.until_unlocked

    def noted(db: Any, milliseconds: int, work: Any) -> Any:
        waits.append(milliseconds)
        return until_unlocked(db, milliseconds, work)

    monkeypatch.setattr(bounded_wait, "until_unlocked", noted)
    keep("demo", b"x")
    assert RawPayload.objects.count() == 0
    (wait,) = waits
    assert wait <= LOCKED_MS


@pytest.mark.usefixtures("sqlite_file")
def test_a_worker_has_the_project_s_patience_again() -> None:
    until_unlocked(connection, 1, lambda: None)
    assert fetch_all(connection, "PRAGMA busy_timeout", []) == [(LOOK_MS,)]
    RawPayload.objects.renew(uuid.uuid4(), 1.0)
    assert fetch_all(connection, "PRAGMA busy_timeout", []) == [(5000,)]


@pytest.mark.usefixtures("locked")
def test_elsewhere_the_project_has_its_own_patience_again() -> None:
    with pytest.raises(OperationalError):
        until_unlocked(connection, 1, lambda: execute(connection, "BEGIN IMMEDIATE", []))
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        assert cursor.fetchone()[0] >= 1000
