"""What only the file journal promises: torn lines, rotation, full disks, rights."""

import fcntl
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from notifications.journal import Entry, FileJournal
from notifications.journal.file import files
from notifications.journal.file.files import is_sealed, path_of, sequences
from notifications.journal.json_lines import MAX_LINE
from tests.support.journals import exit_code, in_child, messages, read_all, read_some, write
from tests.support.wait import wait_for


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal"


@pytest.fixture
def journal(folder: Path) -> FileJournal:
    return FileJournal(folder)


def small(folder: Path, max_files: int = 10_000) -> FileJournal:
    return FileJournal(folder, max_file_bytes=1000, max_files=max_files)


def everything(journal: FileJournal, after: str | None = None) -> list[str]:
    return messages(read_all(journal.open(after=after, follow=False)))


def test_only_the_owner_may_read(journal: FileJournal, folder: Path) -> None:
    write(journal, "x")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(path_of(folder, 1).stat().st_mode) == 0o600


def test_an_entry_torn_at_any_byte_harms_no_other(journal: FileJournal, folder: Path) -> None:
    write(journal, "first")
    before = path_of(folder, 1).stat().st_size
    write(journal, "torn")
    whole = path_of(folder, 1).read_bytes()
    for size in range(before, len(whole)):
        path_of(folder, 1).write_bytes(whole[:size])
        write(journal, "last")
        complete = size == len(whole) - 1  # only the newline was missing, and the next entry begins with one
        with journal.open(follow=False) as reader:
            found = messages(reader.read(10))
            assert found == (["first", "torn", "last"] if complete else ["first", "last"])
            assert reader.skipped == (0 if complete or size <= before + 1 else 1)


def test_a_follower_waits_for_the_rest_of_a_line(journal: FileJournal, folder: Path) -> None:
    write(journal, "first")
    write(journal, "second")
    whole = path_of(folder, 1).read_bytes()
    path_of(folder, 1).write_bytes(whole[:-20])
    with journal.open() as reader:
        assert messages(reader.read(10)) == ["first"]
        assert reader.read(10) == []
        with path_of(folder, 1).open("ab") as file:
            file.write(whole[-20:])
        assert messages(reader.read(10)) == ["second"]
        assert reader.skipped == 0


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0" * 5000,
        b"\xff\xfe",
        b"[1]",
        b"null",
        b"{}",
        b'{"__REALTIME_TIMESTAMP":"x"}',
        b'{"__REALTIME_TIMESTAMP":{}}',
        b"[" * 100_000,
        b'{"a":' * 5000,
    ],
)
def test_garbage_is_passed_over_and_counted(journal: FileJournal, folder: Path, garbage: bytes) -> None:
    write(journal, "first")
    with path_of(folder, 1).open("ab") as file:
        file.write(garbage)
    write(journal, "last")
    with journal.open(follow=False) as reader:
        assert messages(reader.read(10)) == ["first", "last"]
        assert reader.skipped == 1


def test_an_endless_line_costs_no_memory_and_no_neighbour(journal: FileJournal, folder: Path) -> None:
    write(journal, "first")
    with path_of(folder, 1).open("ab") as file:
        file.write(b"x" * MAX_LINE * 4)
    write(journal, "last")
    with journal.open(follow=False) as reader:
        first, last = reader.read(10)
        assert (reader.oversized, reader.skipped) == (1, 0)
    assert everything(journal, after=first.position) == ["last"]
    assert everything(journal, after=last.position) == []


def test_full_files_are_sealed_and_the_oldest_go(folder: Path) -> None:
    journal = small(folder, max_files=3)
    for number in range(200):
        write(journal, str(number))
    while is_sealed(path_of(folder, sequences(folder)[-1]).stat()):  # the next entry begins a new one
        write(journal, "one more")
    existing = sequences(folder)
    assert len(existing) == 3
    assert existing[-1] > 20
    assert [is_sealed(path_of(folder, number).stat()) for number in existing[:-1]] == [True, True]
    assert everything(journal)[-1] in {"199", "one more"}


def test_every_position_survives_rotation(folder: Path) -> None:
    journal = small(folder)
    for number in range(50):
        write(journal, str(number))
    entries = read_all(journal.open(follow=False))
    for number, entry in enumerate(entries):
        with journal.open(after=entry.position, follow=False) as reader:
            assert messages(reader.read(1000)) == [str(later) for later in range(number + 1, 50)]
            assert reader.gap is None


def test_a_position_in_a_removed_file_is_a_gap(folder: Path) -> None:
    journal = small(folder, max_files=2)
    write(journal, "first")
    (first,) = read_all(journal.open(follow=False))
    for number in range(50):
        write(journal, str(number))
    with journal.open(after=first.position) as reader:
        rest = messages(reader.read(100))
        assert reader.gap is not None
        assert reader.gap.position == first.position
        assert len(reader.take_gaps()) == 1
        write(journal, "new")
        assert messages(read_some(reader, 1)) == ["new"]
        assert reader.gap is None
    assert rest == [str(number) for number in range(50 - len(rest), 50)]


def test_a_follower_left_behind_reports_a_gap_between_two_entries_and_goes_on(folder: Path) -> None:
    journal = small(folder, max_files=2)
    write(journal, "first")
    with journal.open() as reader:
        (first,) = reader.read(1)
        for number in range(50):
            write(journal, str(number))

        def entries_after_the_gap() -> list[Entry] | None:
            entries = reader.read(100)
            return entries if reader.gap else None

        after = wait_for(entries_after_the_gap)
        assert reader.gap is not None
        assert reader.gap.count is None
        assert reader.gap.since_us is not None
        assert reader.gap.until_us is not None
        assert first.time_us <= reader.gap.since_us <= reader.gap.until_us <= after[-1].time_us
        assert reader.gap.until_us in {entry.time_us for entry in after}
        while more := reader.read(100):
            after += more
        assert messages(after[-1:]) == ["49"]


def test_a_wiped_folder_is_a_gap_and_writing_goes_on(journal: FileJournal, folder: Path) -> None:
    write(journal, "old " * 100)
    (old,) = read_all(journal.open(follow=False))
    with journal.open(after=old.position) as reader:
        assert reader.read(10) == []
        shutil.rmtree(folder)
        write(journal, "new")
        assert messages(read_some(reader, 1)) == ["new"]
        assert reader.gap is not None
    for position in (old.position, "1:3", "7:0"):
        with journal.open(after=position, follow=False) as reader:
            assert messages(reader.read(10)) == ["new"]
            assert reader.gap is not None


def test_since_skips_files_without_reading_them(folder: Path) -> None:
    journal = small(folder)
    for number in range(50):
        write(journal, str(number))
    existing = sequences(folder)
    for number in existing[:-1]:
        path_of(folder, number).chmod(0o600)
        path_of(folder, number).write_bytes(b"unreadable\n")
        path_of(folder, number).chmod(0o400)
        os.utime(path_of(folder, number), (1, 1))
    with journal.open(since=datetime(2001, 1, 1, tzinfo=UTC), follow=False) as reader:
        assert messages(reader.read(100))[-1] == "49"
        assert reader.skipped == 0


def write_many(folder: Path, name: int, count: int, max_bytes: int = 2000) -> None:
    journal = FileJournal(folder, max_file_bytes=max_bytes, max_files=10_000)
    for number in range(count):
        write(journal, f"{name} {number}")


def test_a_follower_of_rotating_processes_misses_and_doubles_nothing(folder: Path) -> None:
    with FileJournal(folder).open() as reader:
        children = [in_child(lambda name=name: write_many(folder, name, 1000)) for name in range(4)]  # type: ignore[misc]  # mypy#15459
        found = messages(read_some(reader, 4000))
        assert [exit_code(pid) for pid in children] == [0] * 4
        assert reader.read(10) == []
        assert reader.skipped == 0
        assert reader.gap is None
    for name in range(4):
        assert [text for text in found if text.startswith(f"{name} ")] == [f"{name} {n}" for n in range(1000)]
    assert len(sequences(folder)) > 10


def _write_and_tell(folder: Path, pipe: int) -> None:
    journal = small(folder)
    for number in range(1_000_000):
        write(journal, f"{os.getpid()} {number}")
        os.write(pipe, b"%d %d\n" % (os.getpid(), number))


def test_kill_9_of_rotating_writers_loses_nothing_that_was_written(folder: Path) -> None:
    told = b""
    for _ in range(6):
        read_end, write_end = os.pipe()
        children = [in_child(lambda pipe=write_end: _write_and_tell(folder, pipe)) for _ in range(3)]  # type: ignore[misc]  # mypy#15459
        os.close(write_end)
        before = told
        while told.count(b"\n") < before.count(b"\n") + 20:
            told += os.read(read_end, 65536)
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        assert [exit_code(pid) for pid in children] == [-signal.SIGKILL] * 3
        with open(read_end, "rb") as pipe:
            told += pipe.read()
    journal = small(folder)
    write(journal, "afterwards")
    found = everything(journal)
    assert found[-1] == "afterwards"
    assert len(set(found)) == len(found)
    whole_lines = told.decode().split("\n")[:-1]
    assert {line for line in whole_lines if line.count(" ") == 1} <= set(found)


def test_a_full_disk_raises_and_harms_nothing(folder: Path) -> None:
    def fill() -> None:
        journal = FileJournal(folder)
        write(journal, "before")
        size = path_of(folder, 1).stat().st_size
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, resource.RLIM_INFINITY))
        for _ in range(2):
            with pytest.raises(OSError, match=r"part of the entry|too large"):
                journal.write(journal.encode({"MESSAGE": "lost " * 20}))
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        write(journal, "after")

    assert exit_code(in_child(fill)) == 0
    assert everything(FileJournal(folder)) == ["before", "after"]


def test_writing_never_waits_for_a_lock(journal: FileJournal, folder: Path) -> None:
    write(journal, "first")
    with path_of(folder, 1).open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError):
            journal.write(journal.encode({"MESSAGE": "x"}))
    write(journal, "second")
    assert everything(journal) == ["first", "second"]


def test_a_folder_that_cannot_be_made_raises_until_it_can(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file in the way")
    journal = FileJournal(tmp_path / "state" / "journal")
    with pytest.raises(OSError, match="state"):
        journal.write(journal.encode({"MESSAGE": "x"}))
    (tmp_path / "state").unlink()
    write(journal, "works again")
    assert everything(journal) == ["works again"]


def test_a_file_created_behind_the_newest_holds_no_reader_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = small(folder)
    for number in range(50):
        write(journal, str(number))
    path_of(folder, 1).unlink()
    earlier: list[list[int]] = [[]]
    monkeypatch.setattr(
        files, "sequences", lambda *args, **options: earlier.pop() if earlier else sequences(*args, **options)
    )
    assert files.open_newest(folder) is None
    assert path_of(folder, 1).exists()
    assert everything(journal)[-1] == "49"


_AS_NOBODY = """
import os, sys
from pathlib import Path
from notifications.journal.file.journal import FileJournal
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
journal = FileJournal(Path(sys.argv[1]), max_file_bytes=500, max_files=100)
other = FileJournal(Path(sys.argv[1]), max_file_bytes=500, max_files=100)
for number in range(100):
    for one in (journal, other):
        one.write(one.encode({"MESSAGE": str(number)}))
with other.open(follow=False) as reader:
    entries = []
    while not reader.exhausted:
        entries += reader.read(7)
    assert len(entries) == 200, len(entries)
"""


def test_without_root_a_sealed_file_is_no_error() -> None:
    folder = Path("/tmp") / f"proppy-{os.urandom(6).hex()}"
    folder.mkdir(mode=0o700)
    if os.getuid() == 0:
        os.chown(folder, 65534, 65534)
    try:
        command = [sys.executable, "-c", _AS_NOBODY, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
    finally:
        shutil.rmtree(folder)


def test_a_fork_writes_through_a_file_of_its_own(journal: FileJournal, folder: Path) -> None:
    write(journal, "parent")
    pid = in_child(lambda: write(journal, "child"))
    assert exit_code(pid) == 0
    write(journal, "parent")
    entries = read_all(journal.open(follow=False))
    assert messages(entries) == ["parent", "child", "parent"]
    assert entries[1].fields["_PID"] == str(pid)


def test_nothing_stays_open_after_close(folder: Path) -> None:
    journal = small(folder)
    reader = journal.open()
    for number in range(50):
        write(journal, str(number))
    assert len(read_some(reader, 50)) == 50
    journal.close()
    reader.close()

    def open_here() -> list[str]:
        links = [os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")]
        return [link for link in links if link.startswith(str(folder))]

    wait_for(lambda: not open_here())
