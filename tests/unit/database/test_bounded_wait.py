"""Waiting for a locked SQLite."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.db import OperationalError, connection

from notifications.database.bounded_wait import LOCKED_MS, until_unlocked
from notifications.database.fast_sql import execute


@pytest.fixture
def locked(sqlite_file: Path) -> Iterator[sqlite3.Connection]:
    """Another connection that has the write lock."""
    with closing(sqlite3.connect(sqlite_file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


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
    looks = []

    def wrong() -> None:
        looks.append(1)
        execute(connection, "SELECT * FROM nowhere", [])

    with pytest.raises(OperationalError, match="nowhere"):
        until_unlocked(connection, 60_000, wrong)
    assert len(looks) == 1


@pytest.mark.usefixtures("locked")
def test_elsewhere_the_project_has_its_own_patience_again() -> None:
    with pytest.raises(OperationalError):
        until_unlocked(connection, 1, lambda: execute(connection, "BEGIN IMMEDIATE", []))
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        assert cursor.fetchone()[0] >= 1000
