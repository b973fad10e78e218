"""What the verdict says of disks, spool, database and journald."""

import os
from pathlib import Path
from typing import Any, Final

import pytest

from notifications import keep
from notifications.operations.problem import Grade, Problem
from notifications.status import storage_problems as module
from notifications.status.verdict import verdict
from notifications.store import disk_space
from notifications.store.database_breaker import breaker
from notifications.store.spool import spool
from tests.support.disks import MIB, Disks

HOST: Final = os.uname().nodename
pytestmark = pytest.mark.usefixtures("sqlite_file", "state_dir")


def problems(database_problem: str = "") -> dict[str, Problem]:
    """What is wrong with the places to store in, by name."""
    disk_space.forget()
    found = verdict(database_problem=lambda: database_problem).problems
    return {each.name: each for each in found if not each.name.startswith(("process-raw", "follow-journal"))}


def found(database_problem: str = "") -> dict[str, str]:
    """Its text."""
    return {name: each.text for name, each in problems(database_problem).items()}


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the database were on a disk of its own; tests/integration/test_spool_disk.py has one."""
    monkeypatch.setattr(disk_space, "is_shared", lambda _: False)


def test_nothing(disks: Disks) -> None:
    assert found() == {}


def test_one_disk_is_one_problem(disks: Disks, sqlite_file: Path, state_dir: Path) -> None:
    disks.free = {sqlite_file: 100 * MIB, state_dir: 100 * MIB}
    text = f"The database's disk on {HOST} has 100.0 MB left: posts are refused (503) below 128.0 MB"
    assert found() == {"database-disk": text}


def test_the_databases_own_disk(disks: Disks, sqlite_file: Path, apart: None) -> None:
    disks.free = {sqlite_file: 100 * MIB}
    assert found().keys() == {"database-disk"}


def test_the_other_disk(disks: Disks, state_dir: Path, apart: None) -> None:
    disks.free = {state_dir: 3 * MIB}
    (text,) = found().values()
    assert f"The disk of NOTIFICATIONS_STATE_DIR ({state_dir}) on {HOST} has 3.0 MB left" in text


def test_a_database_that_is_away(disks: Disks) -> None:
    assert found("the database is away") == {"database-away": "the database is away"}


def test_a_full_disk_is_one_problem_though_the_database_fails_too(disks: Disks, sqlite_file: Path) -> None:
    disks.free = {sqlite_file: 0}
    assert found("database or disk is full").keys() == {"database-disk"}


def test_a_spool_that_is_nearly_full(settings: Any) -> None:
    """As it gets after hours without the database."""
    breaker.open()
    keep("demo", b"x" * 1000)
    assert found() == {}
    settings.NOTIFICATIONS_SPOOL_MAX_BYTES = spool().used()
    (text,) = found().values()
    assert text.startswith(f"The spool on {HOST} is nearly full, ")
    assert problems()["spool-full"].advice.startswith("Start process_raw, which imports"), "the database works"


@pytest.fixture
def journald(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where systemd has the processes of journald's unit."""
    settings.NOTIFICATIONS_JOURNAL_URL = "journald://proppy"
    monkeypatch.setattr(module, "BOOTED", tmp_path)
    monkeypatch.setattr(module, "UNITS", tmp_path)
    folder = tmp_path / "system-systemd\\x2djournald.slice" / "systemd-journald@proppy.service"
    folder.mkdir(parents=True)
    (folder / "cgroup.procs").write_text("4711\n")
    return folder


def test_a_dead_journald(journald: Path, disks: Disks) -> None:
    name = "systemd-journald@proppy.service"
    assert found() == {}
    (journald / "cgroup.procs").write_text("")
    assert found() == {"journald-dead": f"{name} on {HOST} does not run: events wait in the memory of the processes"}
    (journald / "cgroup.procs").unlink()
    journald.rmdir()
    assert found().keys() == {"journald-dead"}


def test_where_systemd_runs_nothing_it_is_not_asked(
    journald: Path, disks: Disks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BOOTED", journald / "absent")
    (journald / "cgroup.procs").unlink()
    assert found() == {}


def test_the_state_disk_and_the_spool_are_critical_while_the_database_is_away(
    disks: Disks, state_dir: Path, apart: None, settings: Any
) -> None:
    breaker.open()
    keep("demo", b"x" * 1000)
    settings.NOTIFICATIONS_SPOOL_MAX_BYTES = spool().used()
    disks.free = {state_dir: 3 * MIB}
    grades = {name: each.grade for name, each in problems().items()}
    assert grades == {"state-disk": Grade.WARNING, "spool-full": Grade.WARNING}
    grades = {name: each.grade for name, each in problems("away").items()}
    assert set(grades.values()) == {Grade.CRITICAL}
    assert grades.keys() == {"state-disk", "spool-full", "database-away"}


def test_a_spool_that_does_not_empty(settings: Any) -> None:
    breaker.open()
    keep("demo", b"x")
    assert found() == {}
    (waiting,) = spool().waiting()
    os.utime(waiting, (0, 0))
    assert found().keys() == {"spool-waits"}
    assert found("the database is away").keys() == {"database-away"}, "it cannot empty"


def test_files_that_are_set_aside(state_dir: Path) -> None:
    breaker.open()
    keep("demo", b"x")
    (waiting,) = spool().waiting()
    waiting.write_bytes(b"damaged")
    spool().read(waiting)
    (each,) = problems().values()
    assert (each.name, each.text) == ("spool-set-aside", f"1 file of the spool on {HOST} cannot be imported")
    assert str(state_dir) in each.advice


def test_a_spool_that_cannot_be_read(state_dir: Path) -> None:
    spool().folder.parent.mkdir(parents=True, exist_ok=True)
    spool().folder.write_text("a file, where a folder should be")
    (each,) = problems().values()
    assert (each.name, each.grade) == ("spool-unreadable", Grade.UNKNOWN)
    assert "Not a directory" in each.text
