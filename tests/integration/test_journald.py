"""What only a real journald shows: full sockets, restarts, rotation, vacuum, a journalctl that dies."""

import os
import select
import shutil
import signal
import socket
from pathlib import Path

import pytest

from notifications.journal import EntryTooLarge, JournaldJournal, as_text
from notifications.journal.auto import journald_works
from tests.support.journald import JournaldNamespace
from tests.support.journals import messages, read_some, settle, wait_until_following, write, written

pytestmark = pytest.mark.services


def fill(journal: JournaldJournal) -> int:
    """Write until journald's socket is full; how many entries it took."""
    record = journal.encode({"MESSAGE": "filling", "SYSLOG_IDENTIFIER": "proppy"})
    for count in range(100_000):
        try:
            journal.write(record)
        except BlockingIOError:
            return count
    raise AssertionError("a stopped journald took 100,000 entries")


def test_a_stopped_journald_is_no_wait_and_no_loss(
    journald: JournaldNamespace,
    journal: JournaldJournal,
) -> None:
    write(journal, "before")
    journald.pause()
    count = fill(journal)
    assert count > 0
    journald.resume()
    write(journal, "after")
    assert messages(written(journal)) == ["before", *["filling"] * count, "after"]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_restart_needs_no_new_journal_nor_reader(
    journald: JournaldNamespace,
    journal: JournaldJournal,
    end: str,
) -> None:
    write(journal, "before")
    with journal.open() as reader:
        assert messages(read_some(reader, 1)) == ["before"]
        getattr(journald, end)()
        with pytest.raises(OSError, match=r"refused|No such file"):
            journal.write(journal.encode({"MESSAGE": "x"}))
        journald.start()
        write(journal, "after")
        assert messages(read_some(reader, 1)) == ["after"]
        assert reader.gap is None
    assert messages(written(journal)) == ["before", "after"]


def test_a_reader_may_be_there_before_journald() -> None:
    namespace = JournaldNamespace()
    journal = JournaldJournal(namespace.name)
    with journal.open() as reader:
        assert reader.read(10) == []
        wait_until_following(reader)
        with namespace:
            write(journal, "first")
            assert messages(read_some(reader, 1)) == ["first"]
            write(journal, "second")
            assert messages(read_some(reader, 1)) == ["second"]
    journal.close()


def test_a_position_survives_rotation(
    journald: JournaldNamespace,
    journal: JournaldJournal,
) -> None:
    with journal.open() as reader:
        for number in range(20):
            write(journal, str(number))
            if number % 5 == 4:
                settle(journal)
                journald.rotate()
        followed = read_some(reader, 20)
        assert reader.gap is None
    assert messages(followed) == [str(number) for number in range(20)]
    assert len(journald.files) > 4
    for number, entry in enumerate(followed):
        with journal.open(after=entry.position) as reader:
            assert reader.gap is None
        assert messages(written(journal, after=entry.position)) == [str(n) for n in range(number + 1, 20)]


def test_a_vacuumed_position_is_a_gap_and_no_survivor_is_lost(
    journald: JournaldNamespace,
    journal: JournaldJournal,
) -> None:
    write(journal, "vacuumed")
    (vacuumed,) = written(journal)
    write(journal, "vacuumed too")
    settle(journal)
    journald.vacuum()
    write(journal, "survivor")
    write(journal, "newest")
    settle(journal)
    with journal.open(after=vacuumed.position) as reader:
        assert reader.gap is not None
        assert reader.gap.position == vacuumed.position
        assert messages(read_some(reader, 2)) == ["survivor", "newest"]


def test_a_position_that_the_filter_does_not_match_is_no_gap(journal: JournaldJournal) -> None:
    write(journal, "ours", PROPPY_ID="1")
    write(journal, "another's", SYSLOG_IDENTIFIER="cron")
    write(journal, "ours again")
    settle(journal)
    others = JournaldJournal(journal.namespace, identifier="cron")
    (foreign,) = written(others)
    others.close()
    with journal.open(after=foreign.position) as reader:
        assert reader.gap is None
        assert messages(read_some(reader, 1)) == ["ours again"]
        write(journal, "new")
        assert messages(read_some(reader, 1)) == ["new"]
        assert reader.gap is None


def test_a_position_of_another_machine_is_a_gap(journal: JournaldJournal) -> None:
    write(journal, "ours")
    settle(journal)
    zeros = "0" * 32
    with journal.open(after=f"s={zeros};i=1;b={zeros};m=1;t=1;x=1") as reader:
        assert reader.gap is not None
        assert messages(read_some(reader, 1)) == ["ours"]


def test_a_wiped_journal_is_followed_again_with_a_gap(
    journald: JournaldNamespace,
    journal: JournaldJournal,
) -> None:
    write(journal, "old")
    with journal.open() as reader:
        assert messages(read_some(reader, 1)) == ["old"]
        wait_until_following(reader)
        journald.stop()
        for folder in journald.folders:
            folder.rename(folder.with_name("gone-" + folder.name))  # so that its inode is not given out again
        journald.start()
        write(journal, "new")
        assert messages(read_some(reader, 1)) == ["new"]
        assert reader.gap is not None
    for root in (Path("/var/log/journal"), Path("/run/log/journal")):
        for folder in root.glob(f"gone-*.{journald.name}"):
            shutil.rmtree(folder)


def test_the_largest_entry_and_one_that_is_too_large(journal: JournaldJournal) -> None:
    write(journal, "x" * 200_000)
    with pytest.raises(EntryTooLarge):
        write(journal, "x" * 220_000)
    write(journal, "next")
    assert [len(text) for text in messages(written(journal))] == [200_000, 4]


def test_a_killed_journalctl_is_an_oserror_and_a_new_reader_goes_on(journal: JournaldJournal) -> None:
    write(journal, "before")
    with journal.open() as reader:
        (before,) = read_some(reader, 1)
        os.kill(wait_until_following(reader), signal.SIGKILL)
        write(journal, "meanwhile")
        descriptor = reader.fileno()
        assert descriptor is not None
        select.select([descriptor], [], [], 10)
        for _ in range(2):
            with pytest.raises(OSError, match="journalctl"):
                reader.read(10)
        assert reader.fileno() is None
    write(journal, "after")
    with journal.open(after=before.position) as reader:
        assert messages(read_some(reader, 2)) == ["meanwhile", "after"]
        assert reader.gap is None


def test_without_journalctl_opening_is_an_oserror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    for after in (None, "s=1"):
        with pytest.raises(FileNotFoundError, match="journalctl"):
            JournaldJournal().open(after=after)
    assert not journald_works()


def test_any_shape_of_message_is_handed_on(journald: JournaldNamespace, journal: JournaldJournal) -> None:
    shapes = [
        b"MESSAGE=one\nMESSAGE=two\n",
        b"MESSAGE=\xff\xfe\n",
        b"MESSAGE=\xff\nMESSAGE=\xfe\n",
        b"PRIORITY=6\n",
        b"MESSAGE=\n",
    ]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        for shape in shapes:
            sock.sendto(shape + b"SYSLOG_IDENTIFIER=proppy\n", str(journald.socket_path))
    texts = [as_text(entry.fields.get("MESSAGE")) for entry in written(journal)]
    assert texts == ["one", "\udcff\udcfe", "\udcff", "", ""]


def test_auto_takes_journald_only_when_the_entry_comes_back(journald: JournaldNamespace) -> None:
    assert journald_works(journald.name, timeout=10)
    journald.pause()
    assert not journald_works(journald.name, timeout=0.1)
    journald.resume()
    assert written(JournaldJournal(journald.name)) == []


def test_closing_ends_journalctl(journal: JournaldJournal) -> None:
    reader = journal.open()
    pid = wait_until_following(reader)
    reader.close()
    assert not Path(f"/proc/{pid}").exists()
    reader.close()
