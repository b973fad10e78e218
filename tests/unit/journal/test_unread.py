"""How much of a journal's quota is unread."""

import os
from pathlib import Path

import pytest

from notifications.journal import FileJournal, JournaldJournal, MemoryJournal
from notifications.journal.base import Unread
from notifications.journal.journald import quota

MIB = 1024 * 1024


def test_a_file_journal(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path, max_file_bytes=1000, max_files=4)
    for number in (1, 2, 3):
        path = tmp_path / f"{number:08}.journal"
        path.write_bytes(b"x" * 900)
        os.utime(path, (number, number))
    assert journal.unread(0) == Unread(2700, 4000)
    assert journal.unread(1_000_000) == Unread(1800, 4000)
    assert journal.unread(3_000_000) == Unread(0, 4000)


def test_a_file_journal_that_nobody_has_written() -> None:
    assert FileJournal(Path("/nowhere/at/all")).unread(0) is None


def test_a_memory_journal() -> None:
    assert MemoryJournal().unread(0) is None


@pytest.fixture
def journald(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the settings, beside one of journal files for the namespace `proppy`."""
    files, settings = tmp_path / "machine.proppy", tmp_path / "systemd"
    for folder in (files, settings):
        folder.mkdir()
    (files / "system.journal").write_bytes(b"x" * 3000)
    (files / "system@1.journal").write_bytes(b"x" * 5000)
    os.utime(files / "system@1.journal", (1, 1))
    (files / "fss").write_bytes(b"x")
    monkeypatch.setattr(quota, "SETTINGS", settings)
    monkeypatch.setattr(quota, "journal_paths", lambda _: [tmp_path / "absent", files])
    return settings


@pytest.mark.parametrize(
    ("written", "expected"),
    [("1G", 1024 * MIB), ("  500M ", 500 * MIB), ("64K", 65536), ("1000", 1000)],
)
def test_a_journald_with_a_quota(journald: Path, written: str, expected: int) -> None:
    (journald / "journald@proppy.conf").write_text(f"[Journal]\n# SystemMaxUse=1\nSystemMaxUse={written}\n")
    assert JournaldJournal("proppy").unread(2_000_000) == Unread(3000, expected)
    assert JournaldJournal("proppy").unread(0) == Unread(8000, expected)


def test_a_drop_in_wins(journald: Path) -> None:
    (journald / "journald@proppy.conf").write_text("SystemMaxUse=1G\n")
    (journald / "journald@proppy.conf.d").mkdir()
    (journald / "journald@proppy.conf.d" / "10-more.conf").write_text("SystemMaxUse=2G\n")
    assert JournaldJournal("proppy").unread(0) == Unread(8000, 2048 * MIB)


def test_journalds_own_default(journald: Path) -> None:
    found = JournaldJournal("proppy").unread(0)
    assert found is not None
    assert 0 < found.quota <= quota.MOST


def test_a_journald_without_files() -> None:
    assert JournaldJournal("proppy-test-absent").unread(0) is None
