"""The chore that keeps SQLite's write-ahead log short."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from notifications import keep
from notifications.models import RawPayload
from notifications.process_raw.chores import chores
from notifications.process_raw.chores import sqlite_checkpoints as module
from notifications.process_raw.chores.sqlite_checkpoints import INTERVAL, NOTHING_TO_DO, SHORT_INTERVAL, Checkpoints

PAGE = 4096


@pytest.fixture
def reader(sqlite_file: Path) -> Iterator[sqlite3.Connection]:
    """Somebody who began to read and does not end."""
    with closing(sqlite3.connect(sqlite_file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM notifications_rawpayload").fetchone()
        yield reader


def not_moved() -> int:
    """Pages of the log that are not in the database."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(NOOP)")
        _, pages, moved = cursor.fetchone()
        return int(pages - moved)


def write(count: int = 20) -> None:
    for number in range(count):
        keep("demo", b"%d" % number)


def test_moves_everything_into_the_database(sqlite_file: Path) -> None:
    write()
    assert not_moved() > 0
    assert Checkpoints().do() == INTERVAL
    assert not_moved() == 0


def test_nothing_to_move(sqlite_file: Path) -> None:
    checkpoints = Checkpoints()
    assert [checkpoints.do() for _ in range(3)] == [INTERVAL] * 3


def test_a_busy_log_is_looked_at_sooner(sqlite_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MANY", 5)
    write()
    assert Checkpoints().do() == SHORT_INTERVAL


def test_a_log_that_cannot_start_over_is_told_once(
    reader: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "TOO_LARGE", 10 * PAGE)
    checkpoints = Checkpoints()
    for _ in range(3):
        write()
        checkpoints.do()
    assert not_moved() > 0
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "write-ahead log" in caplog.text
    reader.execute("COMMIT")
    checkpoints.do()
    assert not_moved() == 0


def test_a_file_that_grew_behind_a_reader_is_cut_once_it_has_ended(
    reader: sqlite3.Connection, sqlite_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", 10 * PAGE)
    log = Path(f"{sqlite_file}-wal")
    checkpoints = Checkpoints()
    write(50)
    checkpoints.do()
    assert log.stat().st_size > 10 * PAGE, "it was cut under a reader"
    reader.execute("COMMIT")
    checkpoints.do()
    assert log.stat().st_size == 0
    write()
    assert RawPayload.objects.count() == 70
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        assert cursor.fetchone()[0] > 0


def test_a_reader_of_all_that_is_moved_is_not_waited_for(sqlite_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody may write while the file is cut; who began to read before keeps it from that."""
    monkeypatch.setattr(module, "KEPT", 10 * PAGE)
    write(50)
    with closing(sqlite3.connect(sqlite_file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM notifications_rawpayload").fetchone()
        assert Checkpoints().do() == INTERVAL
        assert Path(f"{sqlite_file}-wal").stat().st_size > 10 * PAGE
        write(1)


def test_a_writer_is_not_waited_for(sqlite_file: Path) -> None:
    write()
    with closing(sqlite3.connect(sqlite_file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE notifications_rawpayload SET error = 'x'")
        assert Checkpoints().do() == INTERVAL
        assert not_moved() == 0
        other.execute("ROLLBACK")


def test_commits_that_come_meanwhile_do_not_keep_the_log_from_beginning_anew(
    sqlite_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it grows as long as payloads come, up to the size at which a request has to move it."""
    monkeypatch.setattr(module, "LONG", 5)
    checkpoint = module.checkpoint

    def overtaken(cursor: Any, mode: str) -> tuple[int, int]:
        found = checkpoint(cursor, mode)
        if mode == "PASSIVE":
            write(3)
        return found

    monkeypatch.setattr(module, "checkpoint", overtaken)
    write()
    Checkpoints().do()
    assert not_moved() == 0
    write(1)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(NOOP)")
        assert cursor.fetchone()[1] < 20, "the log did not begin anew"


def test_who_reads_is_hardly_waited_for_while_nobody_may_write(
    reader: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONG", 5)
    write()
    timeouts = []
    checkpoint = module.checkpoint

    def noted(cursor: Any, mode: str) -> tuple[int, int]:
        timeouts.append((mode, cursor.execute("PRAGMA busy_timeout").fetchone()[0]))
        return checkpoint(cursor, mode)

    monkeypatch.setattr(module, "checkpoint", noted)
    Checkpoints().do()
    assert dict(timeouts)["FULL"] == module.KEEP_OFF_MS
    assert not_moved() > 0, "it moved what somebody reads"
    write(1)


@pytest.mark.usefixtures("reader")
def test_behind_who_reads_for_long_commits_are_seldom_kept_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONG", 5)
    modes, checkpoint = list[str](), module.checkpoint

    def noted(cursor: Any, mode: str) -> tuple[int, int]:
        modes.append(mode)
        return checkpoint(cursor, mode)

    monkeypatch.setattr(module, "checkpoint", noted)
    checkpoints = Checkpoints()
    for _ in range(3):
        write(3)
        checkpoints.do()
    assert (modes.count("FULL"), modes.count("PASSIVE")) == (1, 4)


def test_a_long_log_that_nobody_writes_to_is_moved_once(sqlite_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONG", 5)
    moved = []

    def move_all(*_: object) -> tuple[int, int]:
        moved.append(1)
        return 99, 99

    monkeypatch.setattr(module, "move_all", move_all)
    checkpoints = Checkpoints()
    monkeypatch.setattr(module, "checkpoint", lambda *_: (99, 99))
    for _ in range(3):
        checkpoints.do()
    assert moved == [1]


def test_the_locks_of_sqlite_outlive_it(sqlite_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To close a second descriptor of the file would end them, and another process could take the log away."""
    monkeypatch.setattr(module, "LONG", 5)
    write()
    inode = f":{sqlite_file.stat().st_ino} "

    def locks() -> list[str]:
        return [line.split(":", 1)[1] for line in Path("/proc/locks").read_text().splitlines() if inode in line]

    before = locks()
    assert before
    Checkpoints().do()
    assert locks() == before


@pytest.mark.services
@pytest.mark.usefixtures("postgres_database")
def test_a_database_without_such_a_log() -> None:
    assert Checkpoints().do() == NOTHING_TO_DO


def test_it_is_among_the_chores() -> None:
    assert "checkpoints" in {chore.name for chore in chores()}
