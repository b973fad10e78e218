"""A disk that is nearly full: intake says so while it can."""

import os
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections, transaction
from django.test import Client

from notifications import keep
from notifications.errors import NowhereToStore
from notifications.models import RawPayload
from notifications.store import disk_space
from notifications.store.database_breaker import breaker
from notifications.store.spool import spool
from tests.support.disks import MIB, Disks

pytestmark = pytest.mark.usefixtures("sqlite_file")


def post() -> Any:
    return Client().generic("POST", "/in/demo/", b"x")


def test_intake_refuses_and_says_when_to_come_back(disks: Disks, sqlite_file: Path) -> None:
    disks.free[sqlite_file] = 100 * MIB
    answer = post()
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert b"disk is nearly full" in answer.content
    with pytest.raises(NowhereToStore):
        keep("photo", b"x")
    with pytest.raises(NowhereToStore), transaction.atomic():
        keep("photo", b"x")
    assert not RawPayload.objects.exists()
    assert spool().waiting() == []


def test_goes_on_once_there_is_room(disks: Disks, sqlite_file: Path) -> None:
    disks.free[sqlite_file] = 100 * MIB
    assert post().status_code == 503
    disks.free[sqlite_file] = 129 * MIB
    disk_space.forget()
    assert post().status_code == 202


def test_how_much_is_a_setting(disks: Disks, sqlite_file: Path, settings: Any) -> None:
    disks.free[sqlite_file] = 0
    settings.NOTIFICATIONS_MIN_FREE_BYTES = 0
    assert post().status_code == 202


def test_looks_once_a_second(disks: Disks) -> None:
    for _ in range(50):
        keep("photo", b"x")
    assert 1 <= disks.looks < 25


def test_the_spool_refuses_on_its_own_disk(disks: Disks, state_dir: Path) -> None:
    disks.free[state_dir] = 100 * MIB
    assert post().status_code == 202, "the database is on another disk"
    breaker.open()
    assert post().status_code == 503
    assert spool().waiting() == []


@pytest.mark.parametrize("name", [":memory:", "file:x?mode=memory"])
def test_a_database_in_memory_needs_no_disk(disks: Disks, name: str) -> None:
    disks.free[Path()] = 0
    database = connections.create_connection("default")
    database.settings_dict = database.settings_dict | {"NAME": name}
    assert not disk_space.database_is_low(database)


def test_of_what_is_not_there_yet_its_folder_counts(disks: Disks, tmp_path: Path, settings: Any) -> None:
    disks.free[tmp_path] = 7 * 4096
    settings.NOTIFICATIONS_STATE_DIR = tmp_path / "not" / "there"
    assert disk_space.free_bytes() == 7 * 4096


def test_a_disk_that_nobody_can_ask_is_no_full_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "statvfs", fail)
    disk_space.forget()
    assert not disk_space.database_is_low(connection)
    assert disk_space.free_bytes() is None


def test_readyz_says_so(disks: Disks, sqlite_file: Path, state_dir: Path) -> None:
    disks.free[state_dir] = 100 * MIB
    answer = Client().get("/readyz")
    assert (answer.status_code, answer.content) == (200, b"database ok\nspool disk nearly full, 100.0 MB free\n")
    disk_space.forget()
    disks.free[sqlite_file] = 90 * MIB
    answer = Client().get("/readyz")
    assert answer.status_code == 503
    assert answer.content == b"database disk nearly full, 90.0 MB free\nspool disk nearly full, 100.0 MB free\n"


def test_metrics_say_so(disks: Disks, sqlite_file: Path, state_dir: Path) -> None:
    disks.free[state_dir] = 100 * MIB
    lines = Client().get("/metrics").text.splitlines()
    assert {"proppy_disk_low 1", f"proppy_disk_free_bytes {100 * MIB}"} <= set(lines)
    assert f"proppy_database_disk_free_bytes {1 << 40}" in lines
    disks.free = {sqlite_file: 90 * MIB}
    disk_space.forget()
    lines = Client().get("/metrics").text.splitlines()
    assert {"proppy_disk_low 1", f"proppy_disk_free_bytes {1 << 40}"} <= set(lines)
    assert f"proppy_database_disk_free_bytes {90 * MIB}" in lines
    disks.free.clear()
    disk_space.forget()
    assert "proppy_disk_low 0" in Client().get("/metrics").text.splitlines()
