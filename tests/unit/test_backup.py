"""A backup of a SQLite site by the real programs, and its restore."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import psycopg
import pytest

from deploy.operate.backup import back_up, backups, main
from deploy.operate.database import Failed
from deploy.operate.swap import UNFINISHED, Place, swapped, undo
from notifications.conf import conf
from tests.support.child import BASE_DIR, bare_env
from tests.support.journals import exit_code, in_child
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_backup_that_fails_leaves_the_others_alone(site: Backups) -> None:
    first = site.back_up()
    site.database.rename(site.database.with_name("elsewhere"))
    done = site.python("backup", "--to", str(site.to), "--keep", "1")
    assert done.returncode == 1
    assert "There is no database" in done.stderr
    assert "Traceback" not in done.stderr
    assert backups(site.to) == [first]


@pytest.mark.slow
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
    monkeypatch.setattr("deploy.operate.database.size", lambda: 0)
    with pytest.raises(Failed, match="this backup takes up to 1 MiB; the site needs 128 MiB left"):
        back_up(site.state, site.to, 1)
    assert list(site.to.iterdir()) == []


@pytest.mark.slow
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


def exchange(folder: Path, content: str) -> None:
    """As a restore does it with its files."""
    places = [Place(*(folder / f"{name}{end}" for end in ("", ".restored", ".before"))) for name in "ab"]
    undo(places, folder)
    for place in places:
        place.restored.write_text(content)
    with swapped(places, folder):
        if content == "failing":
            raise OSError("no database")


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, text in {"a": "mine", "b": "mine", "a.before": "old", "b.before": "old"}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize("moves", range(5))
def test_a_restore_that_was_killed_between_two_files_is_undone_by_the_next(files: Path, moves: int) -> None:
    rename, left = Path.rename, [None] * moves

    def move(path: Path, target: Path) -> Path:
        left.pop() if left else os.kill(os.getpid(), signal.SIGKILL)
        return rename(path, target)

    def restore() -> None:
        with mock.patch.object(Path, "rename", move):
            exchange(files, "first")

    assert exit_code(in_child(restore)) == (0 if moves == 4 else -signal.SIGKILL)
    assert (files / UNFINISHED).exists() == (moves < 4)
    exchange(files, "second")
    kept = "first" if moves == 4 else "mine"
    assert contents(files) == {"a": "second", "b": "second", "a.before": kept, "b.before": kept}


def test_a_restore_that_fails_behind_its_files_brings_them_back(files: Path) -> None:
    with pytest.raises(OSError, match="no database"):
        exchange(files, "failing")
    assert contents(files) == {"a": "mine", "b": "mine"}


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


@pytest.fixture
def owner(site: Backups, postgres_url: str) -> Iterator[str]:
    """The address of a database that belongs to a role without other rights: the site's."""
    name = postgres_url.rpartition("/")[2]
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN".encode())
        connection.execute(f"ALTER DATABASE {name} OWNER TO {name}".encode())
    site.env["DATABASE_URL"] = postgres_url.replace("postgres@", f"{name}@")
    yield site.env["DATABASE_URL"]
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"REASSIGN OWNED BY {name} TO postgres".encode())
        connection.execute(f"ALTER DATABASE {name} OWNER TO postgres".encode())
        connection.execute(f"DROP OWNED BY {name}".encode())
        connection.execute(f"DROP ROLE {name}".encode())


@pytest.fixture
def grown(site: Backups, owner: str) -> Path:
    """A backup from before a migration: since then there are a row more, and a table with a key to the old one."""
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("CREATE TABLE demo (id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY)")
        backup = site.back_up()
        connection.execute("INSERT INTO demo DEFAULT VALUES")
        connection.execute("CREATE TABLE newer (demo INTEGER REFERENCES demo)")
        connection.execute("INSERT INTO newer VALUES (1)")
    return backup


def tables(url: str) -> tuple[set[str], int]:
    """All that there are, and how many rows the first one has."""
    query = "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('public', 'before_restore')"
    with psycopg.connect(url) as connection:
        names = {f"{schema}.{name}" for schema, name in connection.execute(query)}
        return names, connection.execute("SELECT count(*) FROM public.demo").fetchall()[0][0]


OURS = {"public.demo", "public.newer"}


@pytest.mark.services
def test_a_backup_from_before_a_migration_is_restored(site: Backups, owner: str, grown: Path) -> None:
    for kept in ({"before_restore.demo", "before_restore.newer"}, {"before_restore.demo"}):
        done = site.python("restore", str(grown))
        assert done.returncode == 0, done.stderr
        assert tables(owner) == ({"public.demo"} | kept, 0)
    site.back_up()


@pytest.mark.services
def test_a_restore_that_fails_brings_all_tables_back(site: Backups, owner: str, grown: Path) -> None:
    dump = grown / "database.dump"
    dump.write_bytes(dump.read_bytes()[:-200])
    for _ in range(2):
        assert site.python("restore", str(grown)).returncode == 1
        assert tables(owner) == (OURS, 1)


@pytest.mark.services
@pytest.mark.parametrize("written", [False, True])
def test_a_restore_that_was_killed_is_begun_anew_by_the_next(
    site: Backups, owner: str, grown: Path, tmp_path: Path, written: bool
) -> None:
    """Before or after it had written the tables. What was there is what is kept."""
    programs = tmp_path / "programs"
    programs.mkdir()
    run = f'PATH="{site.env["PATH"]}" pg_restore "$@"\n' if written else ""
    (programs / "pg_restore").write_text(f"#!/bin/sh\n{run}kill -KILL $PPID\n")
    (programs / "pg_restore").chmod(0o755)
    path, site.env["PATH"] = site.env["PATH"], f"{programs}:{site.env['PATH']}"
    assert site.python("restore", str(grown)).returncode == -9
    assert (site.state / UNFINISHED).exists()
    site.env["PATH"] = path
    done = site.python("restore", str(grown))
    assert done.returncode == 0, done.stderr
    assert tables(owner) == ({"public.demo", "before_restore.demo", "before_restore.newer"}, 0)


@pytest.mark.services
def test_a_postgresql_that_is_away_is_said(site: Backups) -> None:
    site.env["DATABASE_URL"] = f"postgres://nobody:a-password@127.0.0.1:{free_port()}/nothing"
    done = site.python("backup", "--to", str(site.to))
    assert done.returncode == 1
    assert done.stderr.startswith("Failed: connection failed: ")
    assert "a-password" not in done.stderr
    assert backups(site.to) == []


@pytest.mark.parametrize("keep", ["0", "-3", "many", ""])
def test_a_wrong_number_of_backups_is_named_as_the_operator_writes_it(
    keep: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["backup", f"--to={tmp_path}", f"--keep={keep}"])
    with pytest.raises(SystemExit):
        main()
    assert f"BACKUP_KEEP is '{keep}'" in capsys.readouterr().err
