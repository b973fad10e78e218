"""A database of its own for a test, seen by all threads as `default`: a real SQLite file, or PostgreSQL.

Tests that lock, break or share their database, or commit for real, cannot use pytest-django's, which is in memory
and in a transaction.
"""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import environ
import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connections
from pytest_django import DjangoDbBlocker

from notifications.events import emit
from notifications.intake import quota
from notifications.store import disk_space
from notifications.store.database_breaker import breaker
from tests.support.postgres import Postgres

MIGRATED = "migrated"


@contextmanager
def use_database(url: str, **options: Any) -> Iterator[None]:
    """Make the database at `url` the default one. Threads of the test close their own connections."""
    ours = environ.Env.db_url_config(url) | {"CONN_MAX_AGE": None}
    if url.startswith("sqlite"):
        ours["OPTIONS"] = dict(settings.DATABASES["default"]["OPTIONS"]) | options
    else:
        ours["OPTIONS"] = {"connect_timeout": 2} | ours.get("OPTIONS", {}) | options
    before, connection = connections.settings["default"], connections["default"]
    connections.settings["default"] = connections.configure_settings({"default": ours})["default"]
    connections["default"] = connections.create_connection("default")
    emit.forget_connection()
    try:
        yield
    finally:
        connections["default"].close()
        connections.settings["default"], connections["default"] = before, connection
        emit.forget_connection()


@pytest.fixture
def state_dir(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """A state directory of the test's own, and nothing remembered of other tests' failures."""
    settings.NOTIFICATIONS_STATE_DIR = tmp_path / "own-state"
    settings.NOTIFICATIONS_STATE_DIR.mkdir(mode=0o700)
    breaker.close()
    quota.forget()
    disk_space.forget()
    yield settings.NOTIFICATIONS_STATE_DIR
    breaker.close()
    quota.forget()
    disk_space.forget()


@pytest.fixture(params=["sqlite_file", pytest.param("postgres_database", marks=pytest.mark.services)])
def database(request: pytest.FixtureRequest) -> str:
    """Each of the two, empty, for tests that commit; its vendor."""
    request.getfixturevalue(request.param)
    return connections["default"].vendor


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> Path:
    """A SQLite file with all tables, to copy."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.sqlite3"
    with django_db_blocker.unblock(), use_database(f"sqlite:///{path}"):
        call_command("migrate", verbosity=0)
    return path


@pytest.fixture
def sqlite_file(
    tmp_path: Path, migrated_sqlite: Path, state_dir: Path, django_db_blocker: DjangoDbBlocker
) -> Iterator[Path]:
    """The default database is this SQLite file; nothing is in a transaction."""
    path = tmp_path / "test.sqlite3"
    shutil.copy(migrated_sqlite, path)
    with django_db_blocker.unblock(), use_database(f"sqlite:///{path}"):
        yield path


@pytest.fixture(scope="session")
def migrated_postgres(postgres: Postgres, django_db_blocker: DjangoDbBlocker) -> str:
    """The name of a PostgreSQL database with all tables, to copy."""
    url = postgres.create_database(MIGRATED)
    with django_db_blocker.unblock(), use_database(url):
        call_command("migrate", verbosity=0)
    return MIGRATED


@pytest.fixture
def postgres_database(
    postgres: Postgres, migrated_postgres: str, state_dir: Path, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    """The default database is this one, on PostgreSQL; its address."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {migrated_postgres}".encode())
    url = postgres.url.rpartition("/")[0] + f"/{name}"
    with django_db_blocker.unblock(), use_database(url):
        yield url
    postgres.drop_database(name)
