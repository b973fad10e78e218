"""A backup of a SQLite site by the real programs, and its restore."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from deploy.operate.backup import back_up, backups
from tests.support.child import BASE_DIR, bare_env
from tests.support.ports import free_port
from tests.support.processes import settings_env

COUNT = "SELECT count(*) FROM demo"


class Backups:
    """A site's folder with a database of one table, and a folder for the backups."""

    def __init__(self, folder: Path) -> None:
        self.to = folder / "backups"
        self.to.mkdir()
        self.env = bare_env(folder) | settings_env(folder)
        self.state = Path(self.env["STATE_DIR"])
        self.state.mkdir(exist_ok=True)
        self.database = Path(self.env["DATABASE_URL"].removeprefix("sqlite:///"))
        self.execute("PRAGMA journal_mode=WAL")
        self.execute("CREATE TABLE demo (id INTEGER PRIMARY KEY)")

    def execute(self, statement: str, path: Path | None = None) -> int:
        with closing(sqlite3.connect(path or self.database)) as connection:
            row = connection.execute(statement).fetchone()
            connection.commit()
        return int(row[0]) if row and isinstance(row[0], int) else 0

    def python(self, module: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", f"deploy.operate.{module}", *arguments]
        return subprocess.run(command, env=self.env, cwd=BASE_DIR, capture_output=True, text=True, timeout=120)

    def back_up(self, keep: int = 14) -> Path:
        done = self.python("backup", "--to", str(self.to), "--keep", str(keep))
        assert done.returncode == 0, done.stderr
        return Path(done.stdout.strip())


@pytest.fixture
def site(tmp_path: Path) -> Backups:
    return Backups(tmp_path)


def write(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_what_is_in_the_log_is_in_the_copy_and_comes_back(site: Backups) -> None:
    body = write(site.state / "bodies" / "ab" / "cd", b"large")
    with closing(sqlite3.connect(site.database)) as connection:  # stays open: nothing moves the log into the file
        connection.execute("INSERT INTO demo VALUES (1)")
        connection.commit()
        backup = site.back_up()
    assert site.execute(COUNT, backup / "database.sqlite3") == 1
    assert {path.stat().st_mode & 0o077 for path in (backup, backup / "database.sqlite3")} == {0}

    site.execute("DELETE FROM demo")
    body.unlink()
    write(site.state / "spool" / "later", b"after the backup")
    done = site.python("restore", str(backup))
    assert done.returncode == 0, done.stderr
    assert site.execute(COUNT) == 1
    assert body.read_bytes() == b"large"
    assert not (site.state / "spool").exists()
    assert (site.state / "spool.before-restore" / "later").read_bytes() == b"after the backup"
    assert site.execute(COUNT, site.database.with_name(f"{site.database.name}.before-restore")) == 0


def test_what_has_not_changed_is_a_link_and_old_ones_go(site: Backups) -> None:
    write(site.state / "bodies" / "same", b"same")
    changed = write(site.state / "media" / "changed", b"one")
    first = site.back_up()
    os.utime(write(changed, b"two"), ns=(1, 1))
    second = site.back_up()
    assert (first / "bodies/same").stat().st_ino == (second / "bodies/same").stat().st_ino
    assert [(backup / "media/changed").read_bytes() for backup in (first, second)] == [b"one", b"two"]
    third = site.back_up(keep=2)
    assert backups(site.to) == [second, third]
    assert (third / "bodies/same").read_bytes() == b"same"


def test_a_backup_that_fails_leaves_the_others_alone(site: Backups) -> None:
    first = site.back_up()
    site.database.rename(site.database.with_name("elsewhere"))
    done = site.python("backup", "--to", str(site.to), "--keep", "1")
    assert done.returncode == 1
    assert "There is no database" in done.stderr
    assert "Traceback" not in done.stderr
    assert backups(site.to) == [first]


def test_a_damaged_copy_is_not_restored(site: Backups) -> None:
    backup = site.back_up()
    site.execute("INSERT INTO demo VALUES (7)")
    copy = backup / "database.sqlite3"
    copy.write_bytes(copy.read_bytes()[:4096] + b"\xff" * 4096)
    done = site.python("restore", str(backup))
    assert done.returncode == 1, done.stdout
    assert "Failed: " in done.stderr
    assert site.execute(COUNT) == 1


def test_what_an_interrupted_backup_left_goes(site: Backups) -> None:
    (site.to / "20260101-000000-000000.partial").mkdir()
    backup = site.back_up()
    assert list(site.to.iterdir()) == [backup]


def test_a_file_that_goes_meanwhile_is_no_failure(
    site: Backups, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(site.state / "bodies" / "gone", b"deleted while it is copied")
    monkeypatch.setattr("deploy.operate.database.dump", lambda _: None)

    def copy(path: Path, _: Path) -> None:
        path.unlink(missing_ok=True)
        path.stat()  # raises as the copy would

    monkeypatch.setattr("shutil.copy2", copy)
    assert not (back_up(site.state, site.to, 1) / "bodies" / "gone").exists()


@pytest.mark.services
def test_postgresql_is_dumped_and_restored(site: Backups, postgres_url: str) -> None:
    site.env["DATABASE_URL"] = postgres_url
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE demo (id INTEGER PRIMARY KEY)")
        connection.execute("INSERT INTO demo VALUES (1)")
        backup = site.back_up()
        connection.execute("INSERT INTO demo VALUES (2)")
    assert [path.name for path in backup.iterdir()] == ["database.dump"]
    done = site.python("restore", str(backup))
    assert done.returncode == 0, done.stderr
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT id FROM demo").fetchall() == [(1,)]


@pytest.mark.services
def test_a_postgresql_that_is_away_is_said(site: Backups) -> None:
    site.env["DATABASE_URL"] = f"postgres://nobody:a-password@127.0.0.1:{free_port()}/nothing"
    done = site.python("backup", "--to", str(site.to))
    assert done.returncode == 1
    assert "Failed: pg_dump: " in done.stderr
    assert "a-password" not in done.stderr
    assert backups(site.to) == []
