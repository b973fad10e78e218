"""Entries found by the value of a field: in each kind of journal, wherever they are, and within its time."""

import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from notifications.journal import FileJournal, Found, Journal, JournaldJournal, MemoryJournal
from notifications.journal.event_fields import RECEIPT
from notifications.journal.file import search
from notifications.journal.file.files import path_of
from notifications.journal.json_lines import MAX_LINE
from tests.support.journald import JournaldNamespace
from tests.support.journals import EACH_JOURNAL, each_journal, messages, settle, write

OURS: Final = str(uuid.uuid4())
OTHER: Final = str(uuid.uuid4())
PATIENT: Final = 60.0


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(params=EACH_JOURNAL)
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    yield from each_journal(request, tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def find(journal: Journal, *, since: datetime | None = None, most: int = 100, seconds: float = PATIENT) -> Found:
    settle(journal)
    return journal.find(RECEIPT, OURS, since=since or now() - timedelta(hours=1), most=most, seconds=seconds)


def test_those_with_the_value_and_no_others_in_order(journal: Journal) -> None:
    for number in range(100):
        receipt = {RECEIPT: OURS if number % 10 == 3 else OTHER} if number % 2 else {}
        write(journal, str(number), **receipt)
    found = find(journal)
    assert messages(found.entries) == ["3", "13", "23", "33", "43", "53", "63", "73", "83", "93"]
    assert found.whole
    assert {entry.fields["_UID"] for entry in found.entries} == {str(os.getuid())}
    times = [entry.time_us for entry in found.entries]
    assert times == sorted(times)


def test_text_that_looks_like_the_field_is_not_the_field(journal: Journal) -> None:
    for text in (f'x","{RECEIPT}":"{OURS}', f"x\n{RECEIPT}={OURS}\n", f'{{"{RECEIPT}":"{OURS}"}}'):
        write(journal, text, PROPPY_DATA=text)
        write(journal, "other", **{RECEIPT: f"{OURS}x"})
    assert find(journal) == Found([], whole=True)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_of_many_the_last_ones(journal: Journal, count: int) -> None:
    for number in range(count):
        write(journal, str(number), **{RECEIPT: OURS})
    found = find(journal, most=3)
    assert messages(found.entries) == [str(number) for number in range(max(0, count - 3), count)]
    assert found.whole == (count <= 3)


def test_none_of_before(journal: Journal) -> None:
    write(journal, "x", **{RECEIPT: OURS})
    assert find(journal, since=now() + timedelta(hours=1)).entries == []


def test_where_nothing_was_written_is_nothing(journal: Journal) -> None:
    write(journal, "x")
    assert find(journal) == Found([], whole=True)


def test_a_folder_that_nobody_has_made(folder: Path) -> None:
    assert find(FileJournal(folder)) == Found([], whole=True)


@pytest.mark.parametrize("chunk", [1, 7, 100, 4096])
def test_wherever_the_pieces_of_a_file_end(folder: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(search, "CHUNK", chunk)
    journal = FileJournal(folder)
    for number in range(20):
        write(journal, str(number), **{RECEIPT: OURS if number % 3 else OTHER})
    found = find(journal)
    assert messages(found.entries) == [str(number) for number in range(20) if number % 3]
    after = found.entries[7].position
    with journal.open(after=after, follow=False) as reader:
        assert messages(reader.read(1)) == [str(int(messages(found.entries)[7]) + 1)], (
            "a position is one of the journal"
        )


def test_torn_foreign_and_endless_lines_are_passed_over(folder: Path) -> None:
    journal = FileJournal(folder)
    write(journal, "first", **{RECEIPT: OURS})
    needle = f'"{RECEIPT}":"{OURS}"'.encode()
    with path_of(folder, 1).open("ab") as file:
        file.write(b"{" + needle + b"\n\xff" + needle + b"\n[" + needle + b"]\n{" + needle + b"}\n")
        file.write(b"x" * (3 * MAX_LINE) + needle + b"\n")
    write(journal, "last", **{RECEIPT: OURS})
    with path_of(folder, 1).open("ab") as file:
        file.write(b'{"__REALTIME_TIMESTAMP":"1",' + needle)
    assert messages(find(journal).entries) == ["first", "last"]


def test_files_of_long_ago_are_not_read(folder: Path) -> None:
    journal = FileJournal(folder, max_file_bytes=1)
    for number in range(3):
        write(journal, str(number), **{RECEIPT: OURS})
    old = (now() - timedelta(hours=2)).timestamp()
    os.utime(path_of(folder, 1), (old, old))
    assert messages(find(journal).entries) == ["1", "2"]


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_one_that_may_not_be_read_says_so(folder: Path) -> None:
    journal = FileJournal(folder)
    write(journal, "x", **{RECEIPT: OURS})
    path_of(folder, 1).chmod(0o200)
    with pytest.raises(PermissionError):
        find(journal)


def test_without_time_it_says_that_there_may_be_more(journal: Journal) -> None:
    write(journal, "x", **{RECEIPT: OURS})
    found = find(journal, seconds=0.0)
    assert found.whole == isinstance(journal, MemoryJournal)


@pytest.mark.services
def test_journald_over_rotated_files(journald: JournaldNamespace) -> None:
    journal = JournaldJournal(journald.name)
    for number in range(3):
        write(journal, str(number), **{RECEIPT: OURS})
        settle(journal)
        journald.rotate()
    write(journal, "elsewhere", SYSLOG_IDENTIFIER="other", **{RECEIPT: OURS})
    assert messages(find(journal).entries) == ["0", "1", "2"]
    journal.close()


@pytest.mark.services
def test_a_journald_that_is_not_there(tmp_path: Path) -> None:
    found = JournaldJournal("proppy-test-absent").find(RECEIPT, OURS, since=now(), most=1, seconds=PATIENT)
    assert found.entries == []


@pytest.mark.services
def test_without_journalctl_it_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(OSError, match="journalctl"):
        JournaldJournal().find(RECEIPT, OURS, since=now(), most=1, seconds=PATIENT)
