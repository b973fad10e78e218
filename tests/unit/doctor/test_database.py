"""A SQLite that lacks something; PostgreSQL is asked in tests/integration/test_doctor_services.py."""

import gc
import re
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from django.db import connections

from notifications.doctor import Finding
from tests.support.database import use_database

Examine = Callable[[str], tuple[list[Finding], int]]


def test_a_database_that_can_be_written(examine: Examine, sqlite_file: Path) -> None:
    findings, _ = examine("database")
    assert findings[-1].result == "ok"
    assert f"{sqlite_file}, " in findings[-1].text
    assert re.search(r": wal, synchronous [A-Z]+; it can be written$", findings[-1].text)


def test_a_file_that_is_not_there_is_not_made(examine: Examine, tmp_path: Path) -> None:
    missing = tmp_path / "missing.sqlite3"
    with use_database(f"sqlite:///{missing}"):
        findings, status = examine("database")
        migrations, _ = examine("migrations")
    assert (findings[-1].text, status) == (f"there is no file {missing}", 2)
    assert findings[-1].advice.startswith("Run manage.py migrate")
    assert migrations[0].result == "unknown"
    assert migrations[0].advice.startswith("Run manage.py migrate")
    assert not missing.exists()


def test_another_process_that_writes_for_long(examine: Examine, sqlite_file: Path) -> None:
    with closing(sqlite3.connect(sqlite_file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        findings, status = examine("database")
        other.execute("ROLLBACK")
    assert "another process has held its write lock" in findings[-1].text
    assert "transaction must be short" in findings[-1].advice
    assert status == 1


def test_another_process_that_writes_for_a_moment(examine: Examine, sqlite_file: Path) -> None:
    with closing(sqlite3.connect(sqlite_file, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        ends = threading.Timer(0.03, other.execute, ["ROLLBACK"])
        ends.start()
        findings, _ = examine("database")
        ends.join()
    assert "it can be written" in findings[-1].text


@pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning")
def test_a_damaged_database(examine: Examine, tmp_path: Path) -> None:
    path = tmp_path / "damaged.sqlite3"
    path.write_bytes(b"no database" * 500)
    with use_database(f"sqlite:///{path}"):
        findings, status = examine("database")
    assert "cannot be used: file is not a database" in findings[-1].text
    assert "mend its entry in DATABASES" in findings[-1].advice
    assert status == 2
    gc.collect()  # from Python 3.13 on it complains of connections, and Django leaves it one whose init_command failed


def test_without_wal(examine: Examine, tmp_path: Path) -> None:
    with use_database(f"sqlite:///{tmp_path / 'plain.sqlite3'}", init_command="", transaction_mode=None):
        connections["default"].ensure_connection()
        findings, status = examine("database")
    assert any("lock each other out" in each.text and "journal_mode=WAL" in each.advice for each in findings)
    assert status == 1


def test_all_migrations_are_applied(examine: Examine) -> None:
    findings, status = examine("migrations")
    assert ([each.text for each in findings], status) == (["default has all of them"], 0)


def test_a_missing_migration_is_named(examine: Examine) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'notifications'")
    (finding,), status = examine("migrations")
    assert finding.text.startswith("default lacks notifications.0001_initial, notifications.0002_")
    assert finding.advice == "Run manage.py migrate, as the user of the services."
    assert status == 2
