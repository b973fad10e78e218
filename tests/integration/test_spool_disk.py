"""A SQLite on a real disk that is full, or has become read-only: a small tmpfs."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from pytest_django import DjangoDbBlocker

from notifications.models import RawPayload
from notifications.store import disk_space
from notifications.store.database_breaker import breaker
from notifications.store.spool import spool
from notifications.store.spool_import import import_spool
from tests.support.database import use_database

pytestmark = [
    pytest.mark.services,
    pytest.mark.skipif(os.getuid() != 0, reason="only root can mount"),
]
BODY = b"x" * 100_000


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def there(
    small: Path, migrated_sqlite: Path, state_dir: Path, settings: Any, django_db_blocker: DjangoDbBlocker
) -> Iterator[Path]:
    """The database is there; the state directory is on the large disk. Nothing is refused before it has to be."""
    settings.NOTIFICATIONS_MIN_FREE_BYTES = 0
    path = small / "test.sqlite3"
    shutil.copy(migrated_sqlite, path)
    with django_db_blocker.unblock(), use_database(f"sqlite:///{path}"):
        yield path


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Somebody else takes what is left."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(65536)):
                pass
        except OSError:
            pass
    yield
    ballast.unlink()


def post() -> Any:
    return Client().generic("POST", "/in/demo/", BODY)


def import_all() -> int:
    breaker.close()
    return sum(iter(import_spool, 0))


def test_a_full_disk_of_the_database(small: Path, there: Path) -> None:
    assert post().status_code == 202
    with filled(small):
        assert [post().status_code for _ in range(10)] == [202] * 10
    assert len(spool().waiting()) >= 9  # the first may have found room in the file
    import_all()
    assert RawPayload.objects.count() == 11
    assert {bytes(payload.body) for payload in RawPayload.objects.all()} == {BODY}


def test_a_disk_that_has_become_read_only(small: Path, there: Path) -> None:
    connection.close()
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    assert [post().status_code for _ in range(3)] == [202] * 3
    assert len(spool().waiting()) == 3
    subprocess.run(["mount", "-o", "remount,rw", str(small)], check=True)
    connection.close()
    assert import_all() == 3
    assert RawPayload.objects.count() == 3


def test_a_read_only_disk_of_the_spool(small: Path, there: Path, settings: Any) -> None:
    settings.NOTIFICATIONS_STATE_DIR = small
    connection.close()
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    answer = post()
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)


def test_nowhere_to_store_is_said(small: Path, there: Path, settings: Any) -> None:
    """Database and spool on one full disk: 503, and never 500."""
    settings.NOTIFICATIONS_STATE_DIR = small
    post()
    with filled(small):
        answers = [post() for _ in range(20)]
    assert {answer.status_code for answer in answers} <= {202, 503}
    assert answers[-1].status_code == 503
    assert int(answers[-1].headers["Retry-After"]) > 0
    taken = 1 + sum(answer.status_code == 202 for answer in answers)
    import_all()
    assert RawPayload.objects.count() == taken


def test_intake_refuses_before_it_is_full(small: Path, there: Path, settings: Any) -> None:
    settings.NOTIFICATIONS_MIN_FREE_BYTES = 4 * 1024 * 1024
    settings.NOTIFICATIONS_STATE_DIR = small
    statuses = []
    for _ in range(100):
        disk_space.forget()
        statuses.append(post().status_code)
    assert statuses[0] == 202
    assert statuses[-1] == 503
    assert shutil.disk_usage(small).free > 3 * 1024 * 1024
    assert Client().get("/readyz").status_code == 503
