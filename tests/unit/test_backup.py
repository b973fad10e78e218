"""A backup of a SQLite site by the real programs, and its restore."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path
from types import SimpleNamespace

import psycopg
import pytest

from deploy.operate.backup import back_up, backups
from deploy.operate.database import Failed
from deploy.operate.swap import Place, swap
from notifications.conf import conf
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


def test_half_a_backup_does_not_stay(site: Backups, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk it would keep the site from taking anything, until the next night."""
    write(site.state / "bodies" / "large", b"large")

    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("deploy.operate.database.dump", full)
    with pytest.raises(OSError, match="No space left"):
        back_up(site.state, site.to, 1)
    assert list(site.to.iterdir()) == []


def test_a_backup_that_would_fill_the_disk_is_not_begun(site: Backups, monkeypatch: pytest.MonkeyPatch) -> None:
    write(site.state / "bodies" / "large", b"x" * 2**20)
    free = SimpleNamespace(free=conf.min_free_bytes + 2**20 - 1)
    monkeypatch.setattr("shutil.disk_usage", lambda _: free)
    with pytest.raises(Failed, match="this backup takes up to 1 MiB; the site wants 128 MiB left"):
        back_up(site.state, site.to, 1)
    assert list(site.to.iterdir()) == []


def test_a_restore_that_fails_changes_nothing_however_often(site: Backups, monkeypatch: pytest.MonkeyPatch) -> None:
    write(site.state / "bodies" / "one", b"as it was")
    backup = site.back_up()
    (backup / "media").mkdir()
    (backup / "media" / "unreadable").symlink_to("nowhere")  # as far as it goes, the copy succeeds
    write(site.state / "bodies" / "two", b"newer")
    site.execute("INSERT INTO demo VALUES (7)")
    for _ in range(2):
        assert site.python("restore", str(backup)).returncode == 1
    assert site.execute(COUNT) == 1
    assert sorted(path.name for path in site.state.iterdir() if "rest" in path.name) == []
    assert sorted(path.name for path in (site.state / "bodies").iterdir()) == ["one", "two"]


def swap_in(folder: Path, content: str, *, moves: int = 100) -> None:
    """Exchange a and b for new ones of this content, and be killed after so many moves."""

    def move(self: Path, target: Path) -> Path:
        nonlocal moves
        moves -= 1
        if moves < 0:
            raise KeyboardInterrupt
        return rename(self, target)

    places = [Place(*(folder / f"{name}{end}" for end in ("", ".restored", ".before"))) for name in "ab"]
    for place in places:
        place.restored.write_text(content)
    rename = Path.rename
    with pytest.MonkeyPatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(Path, "rename", move)
        swap(places, folder)


@pytest.mark.parametrize("moves", range(5))
def test_a_restore_that_was_killed_between_two_files_is_undone_by_the_next(tmp_path: Path, moves: int) -> None:
    for name, text in {"a": "mine", "b": "mine", "a.before": "old", "b.before": "old"}.items():
        (tmp_path / name).write_text(text)
    swap_in(tmp_path, "first", moves=moves)
    swap_in(tmp_path, "second")
    kept = "first" if moves == 4 else "mine"  # that one came to its end
    content = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert content == {"a": "second", "b": "second", "a.before": kept, "b.before": kept}


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
@pytest.mark.parametrize("damaged", [False, True])
def test_a_backup_from_before_a_migration_is_restored(site: Backups, postgres_url: str, damaged: bool) -> None:
    """Newer tables, and keys that refer to old ones, are set aside; a restore that fails brings all back."""
    site.env["DATABASE_URL"] = postgres_url
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE demo (id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY)")
        backup = site.back_up()
        if damaged:
            dump = backup / "database.dump"
            dump.write_bytes(dump.read_bytes()[:-200])
        connection.execute("INSERT INTO demo DEFAULT VALUES")
        connection.execute("CREATE TABLE newer (demo INTEGER REFERENCES demo)")
        connection.execute("INSERT INTO newer VALUES (1)")
    for _ in range(2):
        done = site.python("restore", str(backup))
        assert done.returncode == damaged, done.stderr
    site.back_up()
    with psycopg.connect(postgres_url) as connection:
        there = connection.execute("SELECT schemaname, tablename FROM pg_tables WHERE tableowner = current_user")
        tables = {f"{schema}.{name}" for schema, name in there if not schema.startswith(("pg_", "info"))}
        counts = [row[0] for row in connection.execute("SELECT count(*) FROM demo")]
    ours, kept = {"public.demo", "public.newer"}, {"public.demo", "before_restore.demo"}
    assert (tables, counts) == ((ours, [1]) if damaged else (kept, [0]))


@pytest.mark.services
def test_a_postgresql_that_is_away_is_said(site: Backups) -> None:
    site.env["DATABASE_URL"] = f"postgres://nobody:a-password@127.0.0.1:{free_port()}/nothing"
    done = site.python("backup", "--to", str(site.to))
    assert done.returncode == 1
    assert done.stderr.startswith("Failed: connection failed: ")
    assert "a-password" not in done.stderr
    assert backups(site.to) == []
