"""What process_raw watches for."""

import os
from pathlib import Path
from typing import Any, Final

import pytest

from notifications import keep
from notifications.operations import problems as problem_list
from notifications.operations.problems import problems
from notifications.store import disk_space
from notifications.store.database_breaker import breaker
from notifications.store.spool import spool
from tests.support.disks import MIB, Disks

HOST: Final = os.uname().nodename
pytestmark = pytest.mark.usefixtures("sqlite_file")


def found(database_problem: str = "") -> dict[str, str]:
    """What is wrong, by the problem's name."""
    disk_space.forget()
    looks = {problem.name: problem.look() for problem in problems(lambda: database_problem)}
    return {name: text for name, text in looks.items() if text}


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


@pytest.fixture
def journald(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where systemd has the processes of journald's unit."""
    settings.NOTIFICATIONS_JOURNAL_URL = "journald://proppy"
    monkeypatch.setattr(problem_list, "BOOTED", tmp_path)
    monkeypatch.setattr(problem_list, "UNITS", tmp_path)
    folder = tmp_path / "system-systemd\\x2djournald.slice" / "systemd-journald@proppy.service"
    folder.mkdir(parents=True)
    (folder / "cgroup.procs").write_text("4711\n")
    return folder


def test_a_dead_journald(journald: Path, disks: Disks) -> None:
    name = "systemd-journald@proppy.service"
    assert found() == {}
    (journald / "cgroup.procs").write_text("")
    assert found() == {name: f"{name} on {HOST} does not run: events wait in the memory of the processes"}
    (journald / "cgroup.procs").unlink()
    journald.rmdir()
    assert found().keys() == {name}


def test_where_systemd_runs_nothing_it_is_not_asked(
    journald: Path, disks: Disks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(problem_list, "BOOTED", journald / "absent")
    (journald / "cgroup.procs").unlink()
    assert found() == {}


def test_each_has_a_file_of_its_own_and_says_when_it_is_over() -> None:
    all_of_them = problems(lambda: "")
    assert len({problem.name for problem in all_of_them}) == len({problem.over for problem in all_of_them}) == 4
